#!/bin/bash
# modes.sh - may anybody else read or replace what a gateway makes, whatever its umask?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/system/system.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdinfo nbdsh cryptsetup
needs_weir
export LC_ALL=C
modes() { (cd "$work" && find "$@" \( -type l -o -printf '%y %m %p\n' \) | sort -k3); }
# nobody FOLDER…: whatever lies below is its owner's alone
owners_alone() {
    local open
    open=$(find "$@" ! -type l -perm /077 -printf '%m %p\n')
    [ -z "$open" ] || fail "umask $mask: others may, too: $open"
}

(umask 077 && echo 'the key of this test' >key)
policy all "{ filter = \"encryption\"; key = \"file:$work/key\"; format = true; pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; },
    { filter = \"replication\"; target = \"nbd+unix:///db?socket=$work/nobody.sock\"; group = \"db\"; },
    { filter = \"cache\"; pool = \"fast\"; }, { filter = \"control\"; }"
policy none
_exports=()
for one in 'name = "vm1"; datastore = "disks"; image = "vm1"; size = "32M"; policy = "all"' \
    'name = "vm2"; datastore = "disks"; image = "vm2"; size = "1M"; policy = "none"' \
    'name = "log:far"; datastore = "dr"; image = "log:far"'; do
    _exports+=("{ $one; }")
done
for mask in 000 077 022; do
    rm -rf "$WEIR_RUN" "$WEIR_STATE" "$disks" "$work/vault" "$work/pool" "$work/overrides.d" "$work/policies.d/new.conf"
    mkdir "$disks" "$work/vault"
    CONF_MORE="pools = ( { name = \"fast\"; path = \"$work/pool\"; size = \"64M\"; } );" write_conf
    sed -i "s|^datastores = (|&{ name = \"dr\"; type = \"vault\"; path = \"$work/vault\"; }, |" "$work/weir.conf"
    chmod 644 "$work/policies.d/none.conf"
    chmod 600 "$work/policies.d/all.conf"
    before=$(umask)
    umask $mask
    serve
    umask "$before"
    nbdsh -u "$(uri vm1)" -c 'h.pwrite(b"x" * 65536, 0); h.flush()'
    "$WEIR_BUILD/tests/vault/vault-feed" "$(uri log:far)" disk:0:d:65536 write:0:0:4096:1 mark:m send >/dev/null
    echo 'filters = ( { filter = "pass"; } );' >new.conf
    "$weirctl" policy set new new.conf >/dev/null
    "$weirctl" policy set none new.conf >/dev/null
    sed 's/shares = "high"/&/; s/control"; }/control"; shares = 500; }/' "$work/policies.d/all.conf" >all.conf
    "$weirctl" policy set all all.conf >/dev/null
    python3 "$WEIR_SOURCE/tests/filter/ctl.py" set exports/vm2/policy.conf 'filters = ( { filter = "fault"; } );' >/dev/null
    for made in "$WEIR_STATE/exports" "$work/pool" "$disks/vm1" "$work/vault/far" "$work/overrides.d/vm2.conf"; do
        [ -e "$made" ] || fail "umask $mask: $made is not there: $(modes .)"
    done
    [ "$(find "$WEIR_STATE" -type f | wc -l)" -ge 4 ] || fail "umask $mask: no state: $(modes state)"
    owners_alone "$WEIR_STATE" "$disks"/* "$work/pool" "$work/vault"/*
    # no more than this, and less where the umask takes it away
    most() { # PATH MODE
        local now; now=$(stat -c %a "$1")
        assert_eq "$((8#$now & ~8#$2))" 0 "umask $mask: $1 has mode $now"
    }
    most "$WEIR_RUN" 755
    most "$WEIR_RUN/ctl" 750
    most "$WEIR_RUN/ctl/main.lock" 640
    assert_eq "$(stat -c %a "$WEIR_RUN/ctl/main.sock")" 660 "umask $mask: the control socket"
    most "$work/policies.d/new.conf" 640
    most "$work/overrides.d" 750
    most "$work/overrides.d/vm2.conf" 640
    # what was there keeps its mode
    assert_eq "$(stat -c %a "$work/policies.d/none.conf")" 644 "umask $mask: a policy that others may read"
    assert_eq "$(stat -c %a "$work/policies.d/all.conf")" 600 "umask $mask: a policy that nobody else may read"
    stop_gateway
    [ -z "$(find "$work" -name '.*.new')" ] || fail "something half written was left: $(find "$work" -name '.*.new')"
done

# ---- links that somebody planted where a gateway will write -----------------------------
rm "$work/weir.conf"
_exports=()
disk vm2 1M
rm "$work/policies.d/"{all,none,new}.conf
echo precious >victim
fails() { # WORDS: the gateway does not start and says so
    write_conf
    spawn failed gateway_process -U "$work/failed.sock" "$plugin" conf="$work/weir.conf" "${@:2}"
    if wait "$pid"; then fail "it started: $1"; fi
    grep -q -- "$1" failed.log || fail "'$1' was not said: $(cat failed.log)"
    assert_eq "$(cat victim)" precious "what a link leads to"
}
rm -f "$WEIR_RUN"/ctl/*
ln -s "$work/victim" "$WEIR_RUN/ctl/main.lock"
fails 'main.lock: Too many levels of symbolic links'
rm "$WEIR_RUN/ctl/main.lock"
ln -s "$work/victim" "$WEIR_RUN/ctl/main.sock" # is taken away, not followed
serve
assert_eq "$(cat victim) $(stat -c %F "$WEIR_RUN/ctl/main.sock")" "precious socket" "a link for the socket"
stop_gateway
ln -s "$work/nothing" "$work/linked-pool"
sed -i "1i pools = ( { name = \"p\"; path = \"$work/linked-pool\"; size = \"64M\"; } );" "$work/weir.conf"
policy pooled '{ filter = "cache"; pool = "p"; }'
_exports=()
disk vm3 1M pooled
CONF_MORE="pools = ( { name = \"p\"; path = \"$work/linked-pool\"; size = \"64M\"; } );" write_conf
serve
[ ! -e "$work/nothing" ] || fail "a pool was made where a link leads"
stop_gateway

# ---- folders that are not ours alone -----------------------------------------------------
_exports=()
disk vm2 1M
mkdir -m 1777 everybodys
fails 'these folders must be this user.s, and not writable by everybody' state="$work/everybodys"
fails 'these folders must be this user.s, and not writable by everybody' run="$work/everybodys"
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$work"
    mkdir theirs && chown 30001:30001 theirs
    mkdir mine && chown 30002:30002 mine
    write_conf
    chmod -R a+rX "$work/weir.conf" "$work/policies.d"
    status=0
    setpriv --reuid 30002 --regid 30002 --clear-groups env HOME="$work/mine" timeout 60 nbdkit -f -U "$work/mine/s" \
        "$plugin" conf="$work/weir.conf" run="$work/mine/run" state="$work/theirs" >failed.log 2>&1 || status=$?
    assert_eq $status 1 "a state folder of another user: $(cat failed.log)"
    grep -q 'these folders must be this user' failed.log || fail "$(cat failed.log)"
fi
