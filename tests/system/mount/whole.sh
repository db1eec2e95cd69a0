#!/bin/bash
# whole.sh - is everything that the manual promises there with real gateways, and still
# when one is killed under a thousand readers?
# SPDX-License-Identifier: BSD-3-Clause
. "${WEIR_SOURCE:?run by meson}/tests/system/mount/mount.sh"
start_real name=a
cp -r "$work/etc" "$work/etc-b"
sed -i 's/"vm1"/"vm2"/' "$work/etc-b/weir.conf"
sock=$work/b.sock start_gateway "$work/etc-b/weir.conf" name=b state="$work/state-b"
b=$gateway_pid
start_weirfs

find "$mnt" -type f >"$work/files"
while read -r f; do cat "$f" >"$work/text" || fail "$f cannot be read"; done <"$work/files"
for f in metrics events last_error policies/gold \
    filters/fault/{class,version,abi,path,description,options,statistics,exports} \
    datastores/memory@a/{type,path,size_bytes,free_bytes} gateways/a/{pid,version,uptime_s,state} \
    exports/vm1/{size_bytes,state,policy,compliance,datastore,uri,connections,read_only,generation,last_error,policy.conf} \
    exports/vm1/stats/{read,write,flush,trim,zero}/{requests,bytes,errors,latency} exports/vm1/stats/in_flight \
    exports/vm1/filters/10-pass/{held,state,help,ctl} \
    exports/vm1/store/{help,ctl} exports/vm1/store/read/requests; do
    [ -f "$mnt/$f" ] || fail "$f is not there"
done
is "$mnt/exports/vm1/size_bytes" 16777216
grep -q "^Sparse disks in memory" "$mnt/exports/vm1/store/help" || fail "help of the store: $(cat "$mnt/exports/vm1/store/help")"
refused "not supported" bash -c "echo dance >$mnt/exports/vm1/store/ctl"
is "$mnt/exports/vm2/state" active
is "$mnt/gateways/b/pid" "$b"
assert_eq "$(sort "$mnt/filters/pass/exports" | tr '\n' ' ')" "vm1 vm2 " "users of the filter pass"
promtool check metrics <"$mnt/metrics" >"$work/promtool.log" 2>&1 || fail "promtool refuses"

# one policy, two gateways, each with a file of its own
echo 'filters = ( { filter = "fault"; } );' >"$mnt/policies/gold"
for vm in vm1 vm2; do
    [ -d "$mnt/exports/$vm/filters/10-fault" ] || fail "$vm runs $(ls "$mnt/exports/$vm/filters")"
done
cmp "$work/etc/policies.d/gold.conf" "$work/etc-b/policies.d/gold.conf" || fail "different files"
# a value that may change while the disk is in use, and what does not do
echo 0.25 >"$mnt/exports/vm2/filters/10-fault/options/rate"
is "$mnt/exports/vm2/filters/10-fault/options/rate" 0.25
refused "out of range" bash -c "echo 2 >$mnt/exports/vm2/filters/10-fault/options/rate"
refused "Invalid argument" bash -c "echo dance >$mnt/exports/vm2/filters/10-fault/ctl"
grep -q "no verb of filter fault" "$mnt/exports/vm2/last_error" || fail "last_error: $(cat "$mnt/exports/vm2/last_error")"
grep -q "gateway=b .*export=vm2" "$mnt/events" || fail "no event of vm2"

# a thousand readers; one gateway is killed among them
cat >"$work/readers.py" <<'PYTHON'
import errno, os, sys, threading
mnt, lock, counts = sys.argv[1], threading.Lock(), {}
def read(n):
    vm = n % 2 + 1
    for _ in range(10):
        try:
            what = open("%s/exports/vm%d/state" % (mnt, vm)).read().strip()
        except OSError as e:
            what = errno.errorcode[e.errno]
        with lock:
            counts[vm, what] = counts.get((vm, what), 0) + 1
            if sum(counts.values()) == 2000:
                os.kill(int(sys.argv[2]), 9)
threading.stack_size(1 << 17)
threads = [threading.Thread(target=read, args=(n,)) for n in range(1000)]
for t in threads: t.start()
for t in threads: t.join()
print(" ".join("vm%d:%s" % k for k in sorted(counts)))
PYTHON
assert_eq "$(python3 "$work/readers.py" "$mnt" "$b")" "vm1:active vm2:ESHUTDOWN vm2:active" "readers"
is "$mnt/gateways/b/state" dead
is "$mnt/gateways/a/state" running
is "$mnt/exports/vm1/state" active
