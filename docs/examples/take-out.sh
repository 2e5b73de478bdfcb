#!/bin/sh
# A long answer into a file, whole or not at all:
#
#   take-out.sh 'readings?from=2026-03-01&to=2026-04-01&format=csv' march.csv
set -eu
url="${WATTLINE:-http://127.0.0.1:8080}/api/v1/${1:?give the path and the query}"
file=${2:?give the name of the file}
# curl fails if the answer is an error, and if it breaks off before its end.
if curl -sS --fail-with-body -H "Authorization: Bearer ${WATTLINE_TOKEN:?set it to a token}" -o "$file.part" "$url"; then
	mv "$file.part" "$file"
else
	status=$?
	head -c 2000 "$file.part" >&2 2>/dev/null || true
	rm -f "$file.part"
	exit "$status"
fi
