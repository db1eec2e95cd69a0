#!/bin/bash
# options.sh - can each option be read and set live, and is a wrong value refused with the reason?
# SPDX-License-Identifier: BSD-3-Clause
#
# In the mount and by weirctl, for one disk and in a policy.
. "$WEIR_SOURCE/tests/system/mount/mount.sh" || exit
mkdir "$work/policies.d"
cat >"$work/weir.conf" <<END
datastores = ( { name = "m"; type = "memory"; } );
exports = ( { name = "vm1"; datastore = "m"; size = "16M"; policy = "p"; },
            { name = "vm2"; datastore = "m"; size = "16M"; policy = "p"; } );
include_policies = "policies.d";
END
policy() { printf 'name = "p";\nfilters = (\n  { filter = "control";\n    %s }\n);\n' "$1"; }
policy 'shares = "low";' >"$work/policies.d/p.conf"
start_gateway "$work/weir.conf"
start_weirfs
folder=$(echo "$mnt"/exports/vm1/filters/*-control)
by_ctl() { "$weirctl" export option vm1 control "$@"; }

# ---- what is there, and what it is at first
assert_eq "$(cd "$folder/options" && echo *)" "bytes_per_sec bytes_per_sec_max bytes_per_sec_max_length iops iops_max iops_max_length max_delay mode reservation shares size_iops" "the options"
set_and_read() { # OPTION BEFORE VALUE AFTER, once each way
    assert_eq "$(cat "$folder/options/$1")" "$2" "$1 at first"
    echo "$3" >"$folder/options/$1"
    assert_eq "$(by_ctl "$1")" "$4" "$1, set in the mount"
    by_ctl "$1" "$2"
    assert_eq "$(cat "$folder/options/$1")" "$2" "$1, set by weirctl"
    by_ctl "$1" "$3"
}
set_and_read mode control observe observe
set_and_read shares low high high
set_and_read shares high 2000 high
set_and_read shares high 3000 3000
set_and_read iops max 2k 2k
set_and_read iops_max none 5000 5k
set_and_read iops_max_length 1s 30s 30s
set_and_read reservation none 400 400
set_and_read bytes_per_sec max 100MiB 100MiB
set_and_read bytes_per_sec_max none 1GiB 1GiB
set_and_read bytes_per_sec_max_length 1s 10s 10s
set_and_read size_iops 32K 4K 4K
set_and_read max_delay 20s 2s 2s

# ---- wrong values: the sentence, the errno in the mount, and nothing has changed
refused() { # OPTION VALUE SENTENCE
    local before
    before=$(cat "$folder/options/$1")
    if by_ctl "$1" "$2" 2>"$work/said"; then fail "$1 = $2 was taken"; fi
    assert_eq "$(cat "$work/said")" "weirctl: $3" "$1 = $2"
    if { echo "$2" >"$folder/options/$1"; } 2>"$work/said"; then fail "$1 = $2 was taken by the mount"; fi
    assert_eq "$(cat "$folder/options/$1")" "$before" "$1 after a wrong value"
}
refused shares 0 '"0" is too small: option "shares" takes 1 to 100000, or low, normal, high'
refused shares 100001 '"100001" is too large: option "shares" takes 1 to 100000, or low, normal, high'
refused shares hihg '"hihg" is not a whole number: option "shares" takes digits only, such as 16, or low, normal, high'
refused mode obsreve '"obsreve" is not a choice: option "mode" takes one of control, observe; did you mean "observe"?'
refused reservation 0 '"0" is too small: option "reservation" takes 1 to 10000000, or none'
refused reservation 2001 'reservation = 2001 is above iops = 2000: the disk cannot be promised more than it may do; lower it, or raise iops'
refused iops 399 'reservation = 400 is above iops = 399: the disk cannot be promised more than it may do; lower it, or raise iops'
refused iops 20M '"20M" is too large: option "iops" takes 1 to 10M, or max'
refused iops fast '"fast" is not a rate: option "iops" takes a number per second, such as 500, 10k or 64MiB, or max'
refused iops_max 1999 'iops_max = 1999 is below iops = 2000: a burst is faster than the lasting rate; raise it, or say none'
refused iops max 'iops_max = 5000 needs iops: a burst goes beyond a lasting rate; set iops first, or say none'
refused iops_max_length 1ms '"1ms" is too small: option "iops_max_length" takes 100ms to 1h'
refused bytes_per_sec 10 '"10" is too small: option "bytes_per_sec" takes 1024 to 1TiB, or max'
refused bytes_per_sec_max 99MiB 'bytes_per_sec_max = 103809024 is below bytes_per_sec = 104857600: a burst is faster than the lasting rate; raise it, or say none'
refused bytes_per_sec max 'bytes_per_sec_max = 1073741824 needs bytes_per_sec: a burst goes beyond a lasting rate; set bytes_per_sec first, or say none'
refused size_iops 1 '"1" is too small: option "size_iops" takes 512 to 64M'
refused max_delay 0 '"0" is too small: option "max_delay" takes 1ms to 1h'
refused max_delay 2h '"2h" is too large: option "max_delay" takes 1ms to 1h'

# ---- statistics: each with its unit in the table, and of every disk
units() { "$weirctl" filter describe control | tr -s ' '; }
while read -r name unit; do
    [ -e "$folder/stats/$name" ] || fail "no statistic $name"
    units | grep -qw -- "$name.*$unit" || fail "$name is not in $unit"
done <<END
normalized_latency_us us
threshold_us us
window requests
in_flight requests
learnt_peak_iops iops
external_load percent
gateways gateways
queued requests
share_percent percent
entitled_iops iops
granted_iops iops
delayed_requests requests
limit_hits requests
impatient_requests requests
reservation_misses seconds
delay_us us
END

# ---- the same mistakes in a policy: file, line, column, word
mistake() { # LINE OF THE FILTER, WHERE, SENTENCE
    policy "$1" >"$work/bad.conf"
    if "$weirctl" policy check p "$work/bad.conf" >"$work/said" 2>&1; then fail "a policy with $1 was taken"; fi
    grep -qF -- "bad.conf:$2: filter \"control\": $3" "$work/said" || fail "$1: $(cat "$work/said")"
}
mistake 'shares = 0;' 4:14 '"0" is too small: option "shares" takes 1 to 100000, or low, normal, high'
mistake 'shares = "hihg";' 4:14 '"hihg" is not a whole number'
mistake 'share = 5;' 4:5 'there is no option "share"; did you mean "shares"?'
mistake 'max_delay = "1d";' 4:17 '"1d" is not a time'
mistake 'iops = 100; iops_max = 10;' 3:3 'iops_max = 10 is below iops = 100: a burst'
mistake 'iops_max = 10;' 3:3 'iops_max = 10 needs iops: a burst'
mistake 'iops = 10; reservation = 20;' 3:3 'reservation = 20 is above iops = 10: the disk'

# ---- an editor changes the shares of a policy for all of its disks
shares() { "$weirctl" export option "$1" control shares; }
assert_eq "$(shares vm2)" low "shares of vm2"
EDITOR='sed -i s/"low"/"normal"/' "$weirctl" policy edit p
assert_eq "$(shares vm2)" normal "shares of vm2 after the edit"
assert_eq "$(shares vm1)" 3000 "shares of vm1, which has its own"
