#!/usr/bin/env bash
# Builds a Go tool pinned in tools/NAME/go.mod into .cache/bin, once.
#
#   tools/build.sh lint golangci-lint
#   tools/build.sh swag swag
set -euo pipefail

name=$1 tool=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root/tools/$name"
# Built anew when the pin or the Go release changes.
stamp=$root/.cache/bin/.$tool.built
wanted="$(cksum <go.mod) $(go env GOVERSION)"
[ -x "$root/.cache/bin/$tool" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
echo "building $tool, once" >&2
mkdir -p "$root/.cache/bin"
# go tool -n builds the tool if needed and prints where it is.
cp "$(go tool -n "$tool")" "$root/.cache/bin/$tool.$$"
mv "$root/.cache/bin/$tool.$$" "$root/.cache/bin/$tool"
echo "$wanted" >"$stamp"
