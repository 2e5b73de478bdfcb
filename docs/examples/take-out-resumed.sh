#!/bin/sh
# Readings as CSV into a file; called again, on from where it broke off. Give times
# or dates, not words, so that it is the same period each time:
#
#   take-out-resumed.sh 'from=2026-03-01&to=2026-04-01&kind=printer' march.csv
set -eu
url="${WATTLINE:-http://127.0.0.1:8080}/api/v1/readings?format=csv&${1:?give the query}"
file=${2:?give the name of the file}
if [ -s "$file" ]; then
	# Without a line end the last line is a piece of one.
	[ -z "$(tail -c 1 "$file")" ] || sed -i '$d' "$file"
	# The head alone is no row to go on after.
	[ "$(wc -l <"$file")" -gt 1 ] || : >"$file"
fi
if [ -s "$file" ]; then
	url="$url$(tail -n 1 "$file" | awk -F, '{print "&after_device=" $1 "&after_time=" $2}')"
fi
curl -sS --fail -H "Authorization: Bearer ${WATTLINE_TOKEN:?set it to a token}" "$url" >>"$file"
