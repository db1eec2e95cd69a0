#!/usr/bin/env bash
# errors.sh - are mistakes named, with the remedy, by the exit code that scripts rely on?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh" || exit 1
. "$WEIR_SOURCE/tests/system/cli/cli.sh"
requires jq

# refused CODE ERRNO PART WORDS…: as text on stderr and as a document on stdout
refused() {
    local want=$1 errno=$2 part=$3; shift 3
    expect "$want" "$@"
    complains "weirctl: "
    complains "$part"
    assert_eq "$out" "" "an error is on stdout"
    expect "$want" --json "$@"
    assert_eq "$err" "" "an error with --json is on stderr"
    jq -e --arg errno "$errno" --arg part "$part" \
        '.error | .errno == $errno and (.message | contains($part))' <<<"$out" >/dev/null ||
        fail "'$errno' and '$part' are not in: $out"
}

# ---- no gateway
refused 1 ECONNREFUSED "looked for sockets in $WEIR_RUN/ctl" status
refused 1 ECONNREFUSED "$work/nowhere/ctl" --run="$work/nowhere" export list

fake main
# ---- usage
refused 2 EINVAL 'unknown command "stauts", did you mean "status"?' stauts
refused 2 EINVAL 'unknown command "export shwo", did you mean "show"?' export shwo vm1
refused 2 EINVAL '"policy" needs one of: list, show, check, edit, set, remove, assign' policy
refused 2 EINVAL 'usage: weirctl export show EXPORT' export show
refused 2 EINVAL 'usage: weirctl datastore set DATASTORE KEY VALUE' datastore set local latency_threshold
refused 2 EINVAL 'usage: weirctl export show EXPORT' export show vm1 vm2
refused 2 EINVAL 'unknown option "--gatway", did you mean "gateway"?' --gatway status
refused 2 EINVAL '"status" does not take --follow' status --follow
refused 2 EINVAL '--interval=soon: seconds from 0.01 to 86400 are expected' status --interval=soon
refused 2 EINVAL '--interval=nan' status --interval=nan
refused 2 EINVAL '--batch=0: a number of at least 1 is expected' top --batch=0
refused 2 EINVAL '--since=-3' events --since=-3
refused 2 EINVAL '--timeout=0' status --timeout=0
refused 2 EINVAL '--run needs a value: --run=DIR' status --run
refused 2 EINVAL '--sort=iosp: name, iops, read, write, p50, p99 or queue is expected' top --batch=1 --sort=iosp
refused 2 EINVAL '"lots" is no size: 40G or +10G are expected' export grow vm1 lots
refused 2 EINVAL '"9E" is no size' export grow vm1 9E
refused 2 EINVAL 'which filter?' filter describe
refused 2 EINVAL "is called weir-filter-NAME.so" filter describe --from=/etc/passwd
expect 2
complains "which command?"

# ---- not found
refused 3 ENOENT 'no export "vm11", did you mean "vm1"?' export show vm11
refused 3 ENOENT 'no policy "golden", did you mean "gold"?' policy show golden
refused 3 ENOENT 'there is no policy "silver"' export assign vm1 silver
refused 3 ENOENT 'export "vm1" has no filter "falut", did you mean "fault"?; its filters: fault, pass' \
    export option vm1 falut delay
refused 3 ENOENT 'filter "fault" has no option "dely", did you mean "delay"?' \
    export option vm1 fault dely
refused 3 ENOENT 'no datastore "locla", did you mean "local"?; weirctl datastore list' datastore show locla
refused 3 ENOENT 'can be set is called "latency_treshold", did you mean "latency_threshold"?; latency_threshold' \
    datastore set local latency_treshold 5ms
refused 3 ENOENT 'did you mean "inspection"?' filter info inspectoin
refused 3 ENOENT 'did you mean "fault"?' filter describe falt
refused 3 ENOENT 'cannot read "/none/such.conf": No such file or directory' policy set gold /none/such.conf
refused 3 ENOENT 'no gateway "mian"' --gateway=mian status

# ---- rejected
refused 4 EINVAL '"bad" is no time; "5ms" would be one' export option vm1 fault delay bad
refused 4 ERANGE '"1000d" is more than 1h' export option vm1 fault delay 1000d
refused 4 EINVAL '"bad" is no time; "5ms" would be one' datastore set local latency_threshold bad
refused 4 EPERM '"emulate" of datastore "local" cannot be set while it is used: edit the configuration and reload' \
    datastore set local emulate none
refused 4 EBUSY 'exports name the policy "gold": vm1, vm2, vm3' policy remove gold
refused 4 EOPNOTSUPP 'a file store takes no snapshots' export snapshot vm1 before
refused 4 EINVAL '"1M" is smaller than "vm1" is now (1 GiB): a disk can only grow' export grow vm1 1M
printf 'name = "gold";\n  filter = "wrong";\n' >"$work/gold.conf"
for command in check set; do
    expect 4 policy $command gold "$work/gold.conf"
    complains "weirctl: $work/gold.conf:2:13: there is no filter 'wrong', did you mean 'fault'?"
    expect 4 --json policy $command gold "$work/gold.conf"
    json "d['error']['file'] == '$work/gold.conf' and d['error']['line'] == 2"
    json "d['error']['column'] == 13 and d['error']['errno'] == 'EINVAL'"
done
# all mistakes of a text, not only the first
printf 'name = "gold";\nwrong\n\nwrong\n' >"$work/gold.conf"
expect 4 policy check gold "$work/gold.conf"
assert_eq "$(grep -cE "^weirctl: $work/gold.conf:[24]:1: there is no filter" <<<"$err")" 2
expect 4 --json policy check gold "$work/gold.conf"
json '[m["line"] for m in d["error"]["mistakes"]] == [2, 4] and d["error"]["line"] == 2'
printf 'zero\0byte' >"$work/zero.conf"
refused 4 EINVAL "is no text: it has zero bytes" policy set gold "$work/zero.conf"

# ---- output that nobody can write is a failure; a reader who goes away is none
code=0
"$weirctl" help >/dev/full 2>"$work/err" || code=$?
assert_eq "$code" 1
grep -q "No space left" "$work/err" || fail "a full disk is not told"
"$weirctl" help | head -1 >/dev/null
assert_eq "${PIPESTATUS[0]}" 0
