#!/bin/bash
# refusals.sh - is everything judged before anything is touched, and all put back when one disk refuses?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/packages/packages.sh"
requires jq
package one
expect 0 filter install "$package"
serve_two

tree() { (cd "$WEIR_FILTERS" && find . | sort | xargs ls -ld --time-style=+ | awk '{print $1, $NF}'); }
# unchanged SENTENCE: nothing happened but this sentence.
unchanged() {
    complains "$1"
    assert_eq "$(tree)" "$before" "what is installed changed"
    assert_eq "$(runs first) $(runs second)" "1 1"
    assert_eq "$(compliance first) $(compliance second)" "compliant compliant"
    assert_eq "$("$weirctl" --json export show first | jq .generation)" "$generation" "a disk was touched"
}
before=$(tree)
generation=$("$weirctl" --json export show first | jq .generation)

# ---- by the filter's own tables
printf 'name = "with";\nfilters = ( { filter = "packaged"; word = "old"; } );\n' | "$weirctl" policy set with -
generation=$("$weirctl" --json export show first | jq .generation)
package without
expect 4 filter upgrade "$package"
unchanged 'policies.d/with.conf:2:' # which line names an option that is not there any more
complains '"word"'
package checks
expect 4 filter upgrade "$package"
unchanged 'the word "old" is not taken any more'
package classed
expect 4 filter upgrade "$package"
unchanged "would be of class capture while it is in use"
package transforms
expect 4 filter upgrade "$package"
unchanged "cannot replace each other while it is in use"

# ---- by the package: what it says is not so
package two
edited() { # SED: the package with another manifest
    rm -rf "$work/edit"; mkdir "$work/edit"
    tar --zstd -xf "$package" -C "$work/edit"
    sed -i "$1" "$work/edit/manifest"
    tar --zstd -cf "$work/packages/edited.tar.zst" -C "$work/edit" manifest weir-filter-packaged.so
}
edited 's/^version.*/version = "9";/'
expect 4 filter upgrade "$work/packages/edited.tar.zst"
unchanged "it was packed wrongly"
edited 's/^class.*/class = "cache";/'
expect 4 filter upgrade "$work/packages/edited.tar.zst"
unchanged "it was packed wrongly"
edited 's/^abi.*/abi = 99;/'
expect 4 filter upgrade "$work/packages/edited.tar.zst"
unchanged "was built for filter ABI 99"
edited 's/^vendor.*/vendor = "Somebody Else";/'
expect 4 filter upgrade "$work/packages/edited.tar.zst"
unchanged "is installed from Example Ltd, and this one is by Somebody Else"
expect 4 filter install "$work/packages/edited.tar.zst"
unchanged 'is installed already, version 1 by Example Ltd'
printf 'hello' >"$work/packages/text"
expect 4 filter install "$work/packages/text"
unchanged "this is no package"

# ---- by the folder: somebody else is at it, a file is where packages go, there is no room
exec 8<"$WEIR_FILTERS/packages"
flock 8
expect 4 filter upgrade "$package"
unchanged "somebody else installs or removes a filter in $WEIR_FILTERS just now: try again"
exec 8<&-
mkdir "$work/odd"
echo precious >"$work/odd/packages"
WEIR_FILTERS=$work/odd expect 1 filter install "$package"
complains "$work/odd/packages: "
assert_eq "$(cat "$work/odd/packages")" precious "what was in the way"
mkdir "$work/full"
if [ "$(id -u)" = 0 ]; then # in a name space of its own, where the folder is a disk of 16 KiB
    status=0
    WEIR_FILTERS=$work/full unshare -m sh -c 'mount -t tmpfs -o size=16k none "$WEIR_FILTERS" && "$0" filter install "$1"; status=$?
        find "$WEIR_FILTERS" ! -type d; exit $status' "$weirctl" "$package" >"$work/left" 2>"$work/said" || status=$?
    err=$(cat "$work/said")
    complains "$work/full/packages/packaged has no room for the package: it needs "
    assert_eq "$status $(cat "$work/left")" "1 " "what is left of a package without room"
fi

# ---- by a gateway that cannot be asked, and by the command line
expect 2 filter upgrade "$package" --gateway=main
unchanged "--gateway cannot choose one"
kill -STOP "$gateway_pid"
expect 5 filter upgrade "$package" --timeout=1
kill -CONT "$gateway_pid"
unchanged "did not answer in time"

# ---- by an export, when another one has gone over already: all back, on disk too
# puts_back CODE SENTENCE: the upgrade to $package is refused so.
puts_back() {
    expect "$1" filter upgrade "$package"
    complains "$2"
    complains "everything was put back as it was"
    assert_eq "$(tree)" "$before" "what is installed changed"
    assert_eq "$(runs first) $(runs second)" "1 1"
    assert_eq "$("$weirctl" --json export show first | jq -r .state)" active
    assert_eq "$("$weirctl" --json export show second | jq -r .state)" active
    assert_eq "$(compliance first) $(compliance second)" "compliant compliant"
    serves second
}
package refuses
puts_back 4 'export "second" did not take the change: version 3 does not like this disk'
package locks
puts_back 1 'export "second" did not take the upgrade: version 3 has lost its key'

# ---- two gateways: the first one goes back when the second one refuses
first_sock=$sock
mkdir "$work/other"
sed "s|\"first\"|\"third\"|g; s|\"second\"|\"fourth\"|g; s|\"policies.d\"|\"$work/policies.d\"|" "$work/weir.conf" >"$work/other/weir.conf"
sock=$work/a.sock
main_pid=$gateway_pid
mv "$work/gateway.log" "$work/main.log"
start_gateway "$work/other/weir.conf" name=a-gateway
package refuses
expect 4 filter upgrade "$package"
complains "everything was put back as it was"
assert_eq "$(runs first) $(runs second) $(runs third) $(runs fourth)" "1 1 1 1"
assert_eq "$(tree)" "$before" "what is installed changed"
assert_eq "$(compliance third)" compliant
package two
expect 0 filter upgrade "$package"
assert_eq "$(runs first) $(runs second) $(runs third) $(runs fourth)" "2 2 2 2"
