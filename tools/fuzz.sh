#!/usr/bin/env bash
# Runs every fuzz target for a while; go test -fuzz takes only one at a time.
#
#   tools/fuzz.sh 10s ./...
#   tools/fuzz.sh 1m ./agents/kasa
set -euo pipefail

time=$1
shift
go list -f '{{.ImportPath}} {{.Dir}}' "$@" | while read -r package dir; do
	# A package without tests has no *_test.go, which is no fault.
	targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | awk '{ print $2 }') || continue
	for target in $targets; do
		echo "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null
	done
done
