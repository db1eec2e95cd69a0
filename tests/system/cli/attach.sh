#!/usr/bin/env bash
# attach.sh - what do attach, attached and detach say where the kernel need not be asked?
# SPDX-License-Identifier: BSD-3-Clause
#
# What they do with the kernel is in tests/system/guest-attach.sh.
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires flock
fake main

# refused CODE PART WORDS…
refused() {
    local want=$1 part=$2; shift 2
    expect "$want" "$@"
    complains "$part"
    assert_eq "$out" "" "an error is on stdout"
}

# ---- attach: words
refused 2 'usage: weirctl attach EXPORT [DEVICE]' attach
refused 2 '"/dev/sda" is no device of the kernel'"'"'s NBD client' attach vm1 /dev/sda
refused 2 '"/dev/nbd1p1" is no device' attach vm1 /dev/nbd1p1
refused 2 '"nbd-1" is no device' attach vm1 nbd-1
refused 2 '"nbd99999999999" is no device' attach vm1 nbd99999999999
refused 2 '--connections=0: a number of at least 1 is expected' attach vm1 --connections=0
refused 2 '--connections=17: 16 at most' attach vm1 --connections=17
refused 2 '--dead-timeout=never: seconds from 1 to 86400 are expected' attach vm1 --dead-timeout=never
refused 2 '"attach" does not take --force' attach vm1 --force
refused 3 'no export "vm11", did you mean "vm1"?' attach vm11
refused 4 'cannot do TLS by itself' attach 'nbds+unix:///vm1?socket=/tmp/nbd.sock'
refused 4 'nbd+unix:///EXPORT?socket=PATH or nbd://HOST/EXPORT is expected' attach ftp://vm1
# the gateway is found; its kernel or its socket is not there
expect 1 attach vm1
if [ -d /sys/module/nbd ]; then complains "cannot connect to nbd+unix:///vm1?socket=/tmp/nbd.sock"
else complains "modprobe nbd nbds_max=16"; fi

# ---- attached
expect 0 attached
assert_eq "$(wc -l <<<"$out")" 1 "something is attached"
expect 0 --json attached
json 'd == {"attached": []}'
refused 3 '"/dev/nbd3" is not attached by weirctl' detach /dev/nbd3

# attachment INDEX STATE PID [REASON]: as who watches it leaves it
attachment() {
    cat >"$WEIR_RUN/attach/nbd$1.json" <<END
{"device":"/dev/nbd$1","export":"vm$1","uri":"nbd+unix:///vm$1?socket=/tmp/nbd.sock","state":"$2","reason":"${4:-}","since":1795000000,
 "reconnects":2,"size_bytes":1073741824,"block_size":512,"flags":3,"connections":1,"dead_timeout_s":300,"pid":$3}
END
}
# watcher INDEX COMMANDS…: a process that holds the lock, and does this when it is told to end
watcher() {
    local index=$1 lock=$WEIR_RUN/attach/nbd$1.lock; shift
    # shellcheck disable=SC2016 # expanded by that bash
    spawn "watcher$index" bash -c 'exec 8>"$1"; flock 8; trap "$2; exit 0" TERM; trap "$3; exit 0" USR1; echo locked
        while :; do read -r -t 0.1 _ <> <(:) || :; done' watcher "$lock" "$1" "${2:-true}"
    wait_until 60 grep -q locked "$work/watcher$index.log"
}
mkdir -p "$WEIR_RUN/attach"
chmod 755 "$WEIR_RUN/attach"
attachment 10 connected 1
attachment 2 dead 1 "no gateway for 300 s"
echo '{"device":' >"$WEIR_RUN/attach/nbd4.json"
echo '[]' >"$WEIR_RUN/attach/nbd5.json"
attachment x connected 1
attachment 6 reconnecting 1
watcher 6 true
attachment 6 reconnecting "$pid" "cannot connect"
expect 0 attached --json
json '[(a["device"], a["state"]) for a in d["attached"]] == [("/dev/nbd2", "dead"), ("/dev/nbd6", "reconnecting"), ("/dev/nbd10", "unwatched")]'
json 'd["attached"][2]["since"] == "2026-11-18T11:06:40Z" and d["attached"][2]["read_only"] and d["attached"][1]["reconnects"] == 2'
expect 0 attached
says "/dev/nbd6: cannot connect"
says "1 GiB"

# ---- detach
refused 3 '"vm3" is not attached by weirctl; these are: /dev/nbd2, /dev/nbd6, /dev/nbd10' detach vm3
refused 4 "/dev/nbd6 waits for its gateway and cannot be flushed" detach /dev/nbd6
# there is no such device here, which cannot be flushed then; what it is about is who ends it
missing=/dev/nbd77
[ ! -e $missing ] || skip "has a $missing"
attachment 77 connected 1
watcher 77 "rm $WEIR_RUN/attach/nbd77.json" "rm $WEIR_RUN/attach/nbd77.json; echo forced"
attachment 77 connected "$pid"
refused 3 "$missing cannot be flushed: No such file or directory; --force" detach $missing
expect 0 detach vm77 --force
grep -q forced "$work/watcher77.log" || fail "it was not forced"
# one that stays, and says why; and one that does not end
attachment 77 connected 1
watcher 77 true "sed -i 's/\"reason\":\"\"/\"reason\":\"it is mounted\"/' $WEIR_RUN/attach/nbd77.json"
attachment 77 connected "$pid"
refused 4 "weirctl: it is mounted" detach $missing --force
watcher 77 true "sleep 2"
attachment 77 connected "$pid"
refused 5 "did not end in time" detach $missing --force --timeout=0.5
wait_until 60 flock -n "$WEIR_RUN/attach/nbd77.lock" true
# what nobody watches is ended here, and forgotten where nothing is left of it
expect 0 detach nbd2
expect 3 detach nbd2
# a process that cannot be the watch
attachment 6 reconnecting 0
refused 1 "cannot end process 0" detach nbd6 --force

# ---- the folder says which process root ends: nobody else may write there
chmod 777 "$WEIR_RUN/attach"
refused 4 "does not belong to root alone" attached
refused 4 "does not belong to root alone" detach nbd10
chmod 755 "$WEIR_RUN/attach"
mv "$WEIR_RUN/attach" "$work/elsewhere"
ln -s "$work/elsewhere" "$WEIR_RUN/attach"
refused 1 "cannot open $WEIR_RUN/attach" attached
