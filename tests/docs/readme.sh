#!/bin/bash
# readme.sh - does README's tour work as it is written?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires nbdcopy nbdinfo meson python3
"$WEIR_SOURCE/conf/get-packages" build run || skip "needs the packages of conf/packages"
[ -f "$plugin" ] && [ -x "$weirfs" ] || skip "needs the plugin and weirfs"
[ -r /dev/fuse ] || skip "needs /dev/fuse"

unset WEIR_RUN WEIR_STATE WEIR_FILTERS WEIR_HOME XDG_STATE_HOME
export HOME=$work/home
# quickstart.sh is the one that builds from nothing
mkdir -p "$HOME/.local/state/weir"
ln -s "$WEIR_BUILD" "$HOME/.local/state/weir/build"
cleanup_fn "$WEIR_SOURCE/conf/quickstart" stop
cd "$WEIR_SOURCE"
python3 tests/docs/readme.py README.md "Five minutes"

[ "$(wc -l <README.md)" -le 200 ] || fail "README has more than 200 lines"
# every path of the tree that it names is there
grep -oE '`(gateway|filters|plugins|conf|tests)/[^` ]*`' README.md | tr -d '`' | grep -v NAME |
    while read -r path; do [ -e "$path" ] || fail "README names $path, which is not there"; done
