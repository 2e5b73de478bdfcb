#!/usr/bin/env bash
# Writes openapi/openapi.json, docs/rest.md and client/client.gen.go from the comments
# of the handlers in api/, or all of them below another folder:
#
#   openapi/generate.sh [FOLDER]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
out=${1:-$root}
swagger=$(mktemp -d)
trap 'rm -rf "$swagger"' EXIT

tools/build.sh swag swag
# Only what our own types look like is wanted of the dependencies.
.cache/bin/swag init --quiet --generalInfo doc.go --dir api \
  --parseDependencyLevel 1 --packagePrefix github.com/wattline/wattline \
  --requiredByDefault --useStructName --overridesFile openapi/swag.overrides \
  --outputTypes json --output "$swagger"
mkdir -p "$out/openapi" "$out/docs" "$out/client"
go run ./openapi/generate "$swagger/swagger.json" openapi/examples.json "$out/openapi/openapi.json" "$out/docs/rest.md"
tools/build.sh client oapi-codegen
.cache/bin/oapi-codegen -config openapi/client.yaml -o "$out/client/client.gen.go" "$out/openapi/openapi.json"
