#!/usr/bin/env bash
# Looks up known vulnerabilities of what the programs call: govulncheck, with the
# database of vuln.go.dev or the one that GOVULNDB names. Where the database cannot be
# reached it says so and is content: what it holds has nothing to do with a change.
# Those that docs/security-findings.md names are accepted.
#
#   tools/vuln.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
accepted=$root/docs/security-findings.md
database=${GOVULNDB:-https://vuln.go.dev}
if [[ $database == http* ]] && ! curl --silent --fail --max-time 10 --output /dev/null "$database/index/db.json"; then
	echo "vuln: $database cannot be reached; known vulnerabilities were not looked up" >&2
	exit 0
fi
"$root/tools/build.sh" vuln govulncheck
cd "$root"
code=0
report=$(.cache/bin/govulncheck -db "$database" ./...) || code=$?
printf '%s\n' "$report"
[ "$code" -eq 3 ] || exit "$code" # 3 is that some were found
found=$(grep -oE '^Vulnerability #[0-9]+: GO-[0-9]+-[0-9]+' <<<"$report" | grep -oE 'GO-.*' | sort -u)
[ -n "$found" ] || exit "$code"
new=$(grep -vxFf <(grep -oE 'GO-[0-9]+-[0-9]+' "$accepted" || true) <<<"$found" || true)
if [ -n "$new" ]; then
	echo "vuln: found, and not accepted in ${accepted#"$root"/}:" $new >&2
	exit "$code"
fi
echo "vuln: all that was found is accepted in ${accepted#"$root"/}" >&2
