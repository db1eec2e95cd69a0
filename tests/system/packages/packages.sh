# packages.sh - what do the tests of packages share?  Sourced by each instead of system.sh.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
. "$WEIR_SOURCE/tests/system/system.sh"
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
needs_weir
built=$WEIR_BUILD/tests/system/packages
mkdir -p "$work/filters" "$work/packages"
for f in "$WEIR_BUILD"/filters/weir-filter-*.so; do ln -s "$f" "$work/filters/"; done
export WEIR_FILTERS=$work/filters

# new_key NAME: $work/NAME.key and $work/NAME.pem, by openssl itself.
new_key() {
    openssl genpkey -algorithm ed25519 -out "$work/$1.key" 2>/dev/null
    openssl pkey -in "$work/$1.key" -pubout -out "$work/$1.pem"
}
# package VERSION [ARGUMENTS…]: packs that build of the filter; sets $package to a file of its own.
package() {
    local version=$1; shift
    mkdir -p "$work/pack"
    cp "$built/packaged-$version.so" "$work/pack/weir-filter-packaged.so"
    (cd "$work/pack" && "$weirctl" filter pack weir-filter-packaged.so --vendor="Example Ltd" "$@" >"$work/packed")
    package=$work/packages/$version.tar.zst
    mv "$work/pack/$(cat "$work/packed")" "$package"
}
# runs EXPORT: the version of the filter in its chain.
runs() { "$weirctl" --json export show "$1" | jq -r '.filters[] | select(.name == "packaged") | .version'; }
compliance() { "$weirctl" --json export show "$1" | jq -r .compliance; }
# installed: the version that is installed, whole.
installed() { "$weirctl" --json filter verify packaged | jq -re '.filters[] | select(.good) | .version'; }
# serves EXPORT: what is written to it is read from it.
serves() {
    head -c 8M /dev/urandom >"$work/image"
    nbdcopy "$work/image" "$(uri "$1")" && nbdcopy "$(uri "$1")" - | cmp -n $((8 << 20)) - "$work/image" || fail "$1 does not serve"
}
# two disks with the filter, served
serve_two() {
    policy with '{ filter = "packaged"; }'
    disk first 8M with
    disk second 8M with
    serve "$@"
}
