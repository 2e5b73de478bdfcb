#!/usr/bin/env bash
# Everything the tests need besides Go: mosquitto, Node.js with the simulator of
# plugs, curl and jq (for the documentation's examples), a C compiler (for the race
# detector), strace (for power failures, on Linux) and influxd. Installs the Debian
# packages when run as root; otherwise says in one line what to install.
# It does nothing, and takes no time, when all is there.
#
#   tools/deps.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin # mosquitto lives there, and not every user looks there

die() { echo "deps: $*" >&2; exit 1; }
has() { command -v "$1" >/dev/null; }

wanted=()
has mosquitto || wanted+=(mosquitto)
{ has mosquitto_pub && has mosquitto_sub; } || wanted+=(mosquitto-clients)
has node || wanted+=(nodejs)
has npm || wanted+=(npm)
has curl || wanted+=(curl)
has jq || wanted+=(jq)
has "${CC:-cc}" || wanted+=(build-essential)
[ "$(uname)" != Linux ] || has strace || wanted+=(strace)

if [ ${#wanted[@]} -gt 0 ]; then
	has apt-get || die "missing: ${wanted[*]} (names of the Debian packages); install them with this system's package manager"
	[ "$(id -u)" -eq 0 ] || die "missing: run 'sudo apt-get install ${wanted[*]}'"
	echo "deps: installing ${wanted[*]}" >&2
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		die "apt-get could not install ${wanted[*]} (see above)"
	fi
	rm -f "$log"
fi

# The npm packages, again only when the lock file has changed.
npm_dir=$root/tools/npm
stamp=$npm_dir/node_modules/.installed
if ! cmp -s "$npm_dir/package-lock.json" "$stamp"; then
	echo "deps: npm ci in tools/npm" >&2
	(cd "$npm_dir" && npm ci --no-progress --loglevel=error >&2) || die "npm ci failed in tools/npm (see above)"
	cp "$npm_dir/package-lock.json" "$stamp"
fi

[ -n "${WATTLINE_INFLUXD:-}" ] || "$root/tools/influxd/build.sh"
