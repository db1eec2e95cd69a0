# installed.sh - what does an author of filters find on a machine where weir is installed?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced after tests/lib.sh.  `meson install` into $work/root, and an environment in which that
# is the installation.  Sets $filterdir and $installed, the prefix below $work/root.
requires meson pkg-config python3
/usr/bin/python3 -c 'import nbd' 2>/dev/null || skip "needs python3-libnbd"
[ -f "$plugin" ] || skip "needs the plugin"

DESTDIR=$work/root meson install -C "$WEIR_BUILD" --no-rebuild --quiet >"$work/install.log"
pc=$(find "$work/root" -name weir-filter.pc)
[ -n "$pc" ] || fail "no weir-filter.pc is installed"
# pkg-config puts this in front of the folders that it finds in the file
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$work/root
header=$(sed -n 's/^#define WEIR_ABI *\([0-9]*\).*/\1/p' "$WEIR_SOURCE/gateway/weir-filter.h")
assert_eq "$(pkg-config --variable=abi weir-filter)" "$header" "the ABI in weir-filter.pc"
# pkg-config 1.8 adds the root to variables as well
filterdir=$work/root$(v=$(pkg-config --variable=filterdir weir-filter); echo "${v#"$work/root"}")
[ -f "$filterdir/weir-filter-pass.so" ] || fail "no filters in $filterdir"

# nbdkit finds plugins in its own folder alone
installed=$work/root$(v=$(pkg-config --variable=prefix weir-filter); echo "${v#"$work/root"}")
mkdir "$work/bin"
cat >"$work/bin/nbdkit" <<SCRIPT
#!/bin/bash
for word; do
    [ "\$word" != weir ] || word=$(find "$work/root" -name nbdkit-weir-plugin.so)
    words+=("\$word")
done
exec $(command -v nbdkit) "\${words[@]}"
SCRIPT
chmod +x "$work/bin/nbdkit"
# the python of the distribution has the nbd module
PATH=$work/bin:$installed/bin:/usr/bin:$PATH
