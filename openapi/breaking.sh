#!/usr/bin/env bash
# Tells what of the released description would be broken: released.json is the one of
# the last release, and is replaced by the new one at the next.
#
#   openapi/breaking.sh [DESCRIPTION]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/tools/build.sh" oasdiff oasdiff
exec "$root/.cache/bin/oasdiff" breaking "$root/openapi/released.json" "${1:-$root/openapi/openapi.json}" --fail-on ERR
