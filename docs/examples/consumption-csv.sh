#!/bin/sh
# Consumption as CSV, all pages:
#
#   consumption-csv.sh 'from=2026-03-01&to=2026-04-01&window=day&group_by=kind' > march.csv
set -eu
url="${WATTLINE:-http://127.0.0.1:8080}/api/v1/consumption?${1:?give the query of the request}"
echo 'start,end,group,energy_wh,mean_w,min_w,max_w,coverage,estimated'
cursor=
while :; do
	page=$(curl -sS --fail-with-body "$url${cursor:+&cursor=$cursor}") || { echo "$page" >&2; exit 1; }
	echo "$page" | jq -r '.rows[] | [.start, .end, .group, .energy_wh, .mean_w, .min_w, .max_w,
		.coverage, .estimated // false] | @csv'
	cursor=$(echo "$page" | jq -r '.next // empty')
	[ -n "$cursor" ] || break
done
