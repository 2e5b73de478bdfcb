#!/usr/bin/env bash
# Tells what of the released description would be broken: released.json is the one of
# the last release, and is replaced by the new one at the next. breaking.txt has what is
# severe besides what oasdiff itself takes to be: the names of operations are functions
# of generated clients.
#
#   openapi/breaking.sh [DESCRIPTION]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/tools/build.sh" oasdiff oasdiff
exec "$root/.cache/bin/oasdiff" breaking "$root/openapi/released.json" "${1:-$root/openapi/openapi.json}" \
  --fail-on ERR --severity-levels "$root/openapi/breaking.txt"
