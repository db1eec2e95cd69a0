#!/bin/bash
# guest-shares.sh - do two guests on one datastore get what their shares say, and what an echo says?
# SPDX-License-Identifier: BSD-3-Clause
#
# The device answers 100 requests in a second, whoever asks.  Only counts are compared: of
# what the device did, how much was whose?
. "$WEIR_SOURCE/tests/system/system.sh"
requires fusermount3
needs_weir
[ -c /dev/fuse ] || skip "needs /dev/fuse"
prepare_guest
policy low '{ filter = "control"; shares = "low"; }'
policy high '{ filter = "control"; shares = "high"; }'
cat >"$work/weir.conf" <<END
datastores = ( { name = "slow"; type = "memory"; latency_threshold = "60ms";
                 emulate = { servers = 2; service_time = "20ms"; }; } );
exports = ( { name = "a"; datastore = "slow"; size = "64M"; policy = "low"; },
            { name = "b"; datastore = "slow"; size = "64M"; policy = "high"; } );
include_policies = "policies.d";
END
serve

fs=$work/fs
mkdir "$fs"
spawn weirfs "$weirfs" -f "$fs"
cleanup_fn 'fusermount3 -u -z "$fs" 2>/dev/null'
wait_until 60 test -d "$fs/exports/b"

# Two guests: what system.sh keeps of one is kept in a folder for each.
declare -A pids consoles
begin() { # EXPORT
    local work=$work/$1 qemu
    mkdir "$work"
    mapfile -t qemu < <(qemu_disk "$1")
    start_guest -t 280 -f "$guest_folder" "$here/guest/jobs/read.sh" vda -- "${qemu[@]}"
    pids[$1]=$guest_pid consoles[$1]=$console
}
reads() { # EXPORT
    local work=$work/$1 guest_pid=${pids[$1]}
    guest_says 200 READING
}
end() { # EXPORT
    local work=$work/$1 guest_pid=${pids[$1]} console=${consoles[$1]}
    type_to_guest stop
    finish_guest
}
begin a
begin b
reads a
reads b

done_by() { cat "$fs/exports/$1/stats/read/requests"; }
shares() { echo "$2" >"$(echo "$fs/exports/$1/filters"/*-control)/options/shares"; }
both_did() { [ $(($(done_by a) + $(done_by b))) -ge "$1" ]; }
# part_of_b LEAST MOST: of the next 500, in percent.  A guest that the machine keeps from
# asking leaves its part to the other: then the next 500 are looked at.
part_of_b() {
    local a b part
    for _ in 1 2 3 4 5; do
        a=$(done_by a) b=$(done_by b)
        wait_until 60 both_did $((a + b + 500))
        a=$(($(done_by a) - a)) b=$(($(done_by b) - b))
        part=$((100 * b / (a + b)))
        echo "a $a, b $b: b has $part %"
        [ $part -ge "$1" ] && [ $part -le "$2" ] && return
    done
    fail "b has $part %, not $1 to $2"
}
# 500 and 2000 shares: 80 %; a ratio of 3.6 to 4.4 is 78 to 82
part_of_b 78 82
shares a high
shares b low
part_of_b 18 22
shares b high
part_of_b 48 52
end a
end b
