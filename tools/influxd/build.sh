#!/usr/bin/env bash
# Builds the influxd that the tests run against, once, into .cache/bin/influxd.
#
#   tools/influxd/build.sh            # build if it is not there yet
#   WATTLINE_INFLUXD=/usr/bin/influxd make test    # or bring your own 2.7
#
# The first build takes minutes (libflux is Rust). The result is also kept in
# ${XDG_CACHE_HOME:-~/.cache}/wattline/tools, so that another clone on the same
# machine only copies it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$root/.cache/bin
version=$(awk '$1 == "github.com/influxdata/influxdb/v2" { print $2; exit }' "$here/go.mod")
shared=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/wattline/tools
kept=$shared/influxd-$version-$(uname -s)-$(uname -m)

die() { echo "influxd: $*" >&2; exit 1; }

# A binary names its own version; a stamp file could lie.
right_version() {
	[ -x "$1" ] && go version -m "$1" 2>/dev/null |
		awk -v want="$version" '$1 == "mod" && $2 == "github.com/influxdata/influxdb/v2" && $3 == want { found = 1 } END { exit !found }'
}

# Written beside its place and then renamed, so that nobody sees half a file.
place() {
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.$$" && mv "$2.$$" "$2"
}

command -v go >/dev/null || die "go is missing: install Go (see go.mod for the version)"
right_version "$bin/influxd" && exit 0

mkdir -p "$bin"
if command -v flock >/dev/null; then # two makes at once build it once
	exec 9>"$bin/.influxd.lock"
	flock 9
	right_version "$bin/influxd" && exit 0
fi

if right_version "$kept"; then
	place "$kept" "$bin/influxd"
	exit 0
fi

command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup, stable (libflux needs it; distributions' cargo may be too old), or set WATTLINE_INFLUXD to an influxd 2.7"
command -v "${CC:-cc}" >/dev/null || die "cc is missing: apt-get install build-essential (make deps)"

echo "influxd: building $version, once; this takes some minutes" >&2
cd "$here"
work=$(mktemp -d "${TMPDIR:-/tmp}/wattline-influxd.XXXXXX")
trap 'rm -rf "$work"' EXIT

# influxdata's pkg-config builds libflux and tells cgo where it is.
CGO_ENABLED=0 go build -o "$work/pkg-config" github.com/influxdata/pkg-config
export PKG_CONFIG=$work/pkg-config
export RUSTC_WRAPPER=$here/rustc-cap-lints.sh
if command -v rustup >/dev/null; then
	export RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} # libflux asks for 1.72 otherwise
fi
# noassets leaves out the web interface only.
if ! CGO_ENABLED=1 go build -trimpath -ldflags '-s -w' -tags 'sqlite_foreign_keys sqlite_json noassets' \
	-o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd >"$work/log" 2>&1; then
	tail -n 40 "$work/log" >&2
	die "the build of $version failed (see above)"
fi
place "$work/influxd" "$bin/influxd"
# The copy for other clones is a convenience: not being able to keep it is no failure.
place "$work/influxd" "$kept" 2>/dev/null || echo "influxd: not kept in $shared" >&2
echo "influxd: $version is in .cache/bin" >&2
