#!/usr/bin/env bash
# Looks up known vulnerabilities of what the programs call: govulncheck, with the
# database of vuln.go.dev or the one that GOVULNDB names. Where the database cannot be
# reached it says so and is content: what it holds has nothing to do with a change.
#
#   tools/vuln.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
database=${GOVULNDB:-https://vuln.go.dev}
if [[ $database == http* ]] && ! curl --silent --fail --max-time 10 --output /dev/null "$database/index/db.json"; then
	echo "vuln: $database cannot be reached; known vulnerabilities were not looked up" >&2
	exit 0
fi
"$root/tools/build.sh" vuln govulncheck
cd "$root"
exec .cache/bin/govulncheck -db "$database" ./...
