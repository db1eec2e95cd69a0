#!/bin/bash
# drained.sh - what becomes of a write that is below a sync replication while the disk's chain changes?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/replication/sites.sh" || exit
REPLICATION='mode = "sync"; }, { filter = "fault"; ops = "write,zero,trim,flush"; hold = false;'
start_sites
wait_in_step
chain=0
held() { [ "$(ctl get exports/vm1/filters/@fault/held)" -ge 1 ]; }
change_chain() { # it has another filter, or not any more
    chain=$((1 - chain))
    if [ $chain = 1 ]; then sed -i 's/filters = (/& { filter = "pass"; },/' "$work/policies.d/p.conf"
    else sed -i 's/{ filter = "pass"; },//' "$work/policies.d/p.conf"; fi
    "$weirctl" reload >/dev/null
}
proxy delay both 150 # its acknowledgement takes longer than the rest of the drain
option fault hold true
for request in 'write: h.pwrite(b"\x51" * 4096, 1 << 20)' 'write: h.pwrite(b"\x52" * 4096, 2 << 20, nbd.CMD_FLAG_FUA)' \
    'zero: h.zero(65536, 3 << 20)' 'trim: h.trim(65536, 4 << 20)' 'flush: h.flush()'; do
    option fault ops "${request%%:*}" # the source flushes on its own, too
    spawn guest nbdsh -u "$url" -c "${request#*: }"
    guest=$pid
    wait_until 60 held
    change_chain
    wait "$guest" || fail "$request, while the chain changed: $(cat "$work/guest.log")"
    is_state streaming || fail "the source is $(numbers state)"
done

# Nobody waits for ever for a target that is lost meanwhile: the guest is told that it may not be there.
option fault ops write
spawn guest nbdsh -u "$url" -c 'h.pwrite(b"\x53" * 4096, 5 << 20)'
guest=$pid
wait_until 60 held
proxy freeze
spawn change "$weirctl" export close vm1
change=$pid
wait "$change" || fail "not closed: $(cat "$work/change.log")"
! wait "$guest" || fail "a write was acknowledged without its target"
proxy clear
"$weirctl" export open vm1 >/dev/null
option fault hold false
wait_streaming
wait_in_step
cmp <(nbdcopy "$(read_point vm1)" -) <(nbdcopy "$url" -) || fail "the target is not what the source is"
