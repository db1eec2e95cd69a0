#!/bin/bash
# options.sh - is each wrong option of the filter refused with file, line, the word and what was expected?
# SPDX-License-Identifier: BSD-3-Clause
#
# First in a policy's file, without a gateway; then one word at a time, of a disk that is served.
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
bad=$work/bad.conf
policy() { printf 'name = "p";\nfilters = (\n  { filter = "replication";\n    %s }\n);\n' "$1" >"$bad"; }
# mistake WHERE LINE SENTENCE: said of LINE, the fourth of the file, at WHERE, and nothing else.
mistake() {
    local status=0
    policy "$2"
    "$weirctl" check "$bad" >"$work/said" 2>&1 || status=$?
    assert_eq "$status" 4 "$2 ($(cat "$work/said"))"
    assert_eq "$(cat "$work/said")" "$bad:$1: error: $3" "$2"
}
# of_filter WHERE LINE SENTENCE: the same, where the sentence names the filter; a target is there.
of_filter() { mistake "$1" "target = \"nbd://h\"; $2" "filter \"replication\": $3"; }
# fine LINE
fine() { policy "$1"; "$weirctl" check "$bad" >"$work/said" 2>&1 || fail "$1: $(cat "$work/said")"; }

# ---- what a table says: the wrong type, an unknown word, a bad unit, out of range ---------------------
while IFS='|' read -r where words sentence; do
    of_filter "$where" "$words" "$sentence"
done <<'END'
4:39|target_type = "plian";|"plian" is not a choice: option "target_type" takes one of vault, plain; did you mean "plain"?
4:39|target_type = 3;|"3" is not a choice: option "target_type" takes one of vault, plain
4:32|mode = "snyc";|"snyc" is not a choice: option "mode" takes one of async, sync, sync-durable; did you mean "sync"?
4:32|mode = true;|"true" is not a choice: option "mode" takes one of async, sync, sync-durable
4:40|without_peer = "degraded";|"degraded" is not a choice: option "without_peer" takes one of suspend, degrade; did you mean "degrade"?
4:40|without_peer = 0;|"0" is not a choice: option "without_peer" takes one of suspend, degrade
4:39|compression = "lz4";|"lz4" is not a choice: option "compression" takes one of none, zstd
4:39|compression = false;|"false" is not a choice: option "compression" takes one of none, zstd
4:32|ring = true;|"true" is not a size: option "ring" takes a number with a unit, such as 64K, 20G or 1T
4:32|ring = "64X";|"64X" is not a size: option "ring" takes a number with a unit, such as 64K, 20G or 1T
4:32|ring = "4M";|"4M" is too small: option "ring" takes 8M to 64G
4:32|ring = "1T";|"1T" is too large: option "ring" takes 8M to 64G
4:33|spill = "-1";|"-1" is not a size: option "spill" takes a number with a unit, such as 64K, 20G or 1T
4:33|spill = "17T";|"17T" is too large: option "spill" takes 0 to 16T
4:33|frame = "1.5q";|"1.5q" is not a size: option "frame" takes a number with a unit, such as 64K, 20G or 1T
4:33|frame = "63K";|"63K" is too small: option "frame" takes 64K to 4M
4:33|frame = "5M";|"5M" is too large: option "frame" takes 64K to 4M
4:37|bandwidth = "fast";|"fast" is not a rate: option "bandwidth" takes a number per second, such as 500, 10k or 64MiB, or max
4:37|bandwidth = "10Mbit";|"10Mbit" is not a rate: option "bandwidth" takes a number per second, such as 500, 10k or 64MiB, or max
4:37|bandwidth = "1023";|"1023" is too small: option "bandwidth" takes 1024 to 1TiB, or max
4:37|bandwidth = "2TiB";|"2TiB" is too large: option "bandwidth" takes 1024 to 1TiB, or max
4:44|resync_bandwidth = "none";|"none" is not a rate: option "resync_bandwidth" takes a number per second, such as 500, 10k or 64MiB, or max
4:44|resync_bandwidth = "1k";|"1k" is too small: option "resync_bandwidth" takes 1024 to 1TiB, or max
4:44|resync_bandwidth = "2TiB";|"2TiB" is too large: option "resync_bandwidth" takes 1024 to 1TiB, or max
4:38|mark_every = 5;|"5" is not a time: option "mark_every" takes a number with a unit, such as 500us, 5ms, 30s or 1h, or none
4:38|mark_every = "never";|"never" is not a time: option "mark_every" takes a number with a unit, such as 500us, 5ms, 30s or 1h, or none
4:38|mark_every = "99ms";|"99ms" is too small: option "mark_every" takes 100ms to 24h, or none
4:38|mark_every = "25h";|"25h" is too large: option "mark_every" takes 100ms to 24h, or none
4:39|connections = "two";|"two" is not a whole number: option "connections" takes digits only, such as 16
4:39|connections = 2.5;|"2.5" is not a whole number: option "connections" takes digits only, such as 16
4:39|connections = 0;|"0" is too small: option "connections" takes 1 to 16
4:39|connections = 17;|"17" is too large: option "connections" takes 1 to 16
4:43|reconnect_delay = "2 sec";|"2 sec" is not a time: option "reconnect_delay" takes a number with a unit, such as 500us, 5ms, 30s or 1h
4:43|reconnect_delay = "0";|"0" is too small: option "reconnect_delay" takes 100ms to 1h
4:43|reconnect_delay = "61m";|"61m" is too large: option "reconnect_delay" takes 100ms to 1h
4:40|peer_timeout = 5;|"5" is not a time: option "peer_timeout" takes a number with a unit, such as 500us, 5ms, 30s or 1h
4:40|peer_timeout = "1ms";|"1ms" is too small: option "peer_timeout" takes 100ms to 1h
4:40|peer_timeout = "2h";|"2h" is too large: option "peer_timeout" takes 100ms to 1h
4:25|mod = "sync";|there is no option "mod"; did you mean "mode"?
END
mistake 4:32 'target = "nbd://h"; ring = 67108864;' \
    '67108864 is a bare number, which would wrap beyond 32 bits: write a size in quotes, such as ring = "20G"'
mistake 4:32 'target = "nbd://h"; mode = [ "sync" ];' '"mode" is an array here: it takes one value'
mistake 4:40 'target = "nbd://h"; mode = "sync"; mode = "async";' '"mode" is given a second time: the first is in line 4'

# ---- what no table says: the target, the group's name, two that contradict each other -----------------
while IFS='|' read -r words sentence; do
    mistake 3:3 "$words" "filter \"replication\": $sentence"
done <<END
target = 5;|target = "5" is no NBD URI: it begins like nbd://, nbds:// or nbd+unix://
target = "";|target = "" is no NBD URI: it begins like nbd://, nbds:// or nbd+unix://
target = "dr.example";|target = "dr.example" is no NBD URI: it begins like nbd://, nbds:// or nbd+unix://
target = "http://h/vm1";|target = "http://h/vm1" is no NBD URI: it begins like nbd://, nbds:// or nbd+unix://
target = "nbd+unix:///vm1";|target = "nbd+unix:///vm1" names no socket: write nbd+unix:///GROUP?socket=PATH
target = "nbd://h/log:vm1";|target: the name of a group is "log:vm1"; it has less than 200 bytes, no "/" and no "@", and "log:" is put before it by itself
target = "nbd://h/a/b?x";|target: the name of a group is "a/b"; it has less than 200 bytes, no "/" and no "@", and "log:" is put before it by itself
target = "nbd://h"; group = "db@latest";|group: the name of a group is "db@latest"; it has less than 200 bytes, no "/" and no "@", and "log:" is put before it by itself
target = "nbd://h/db"; group = "web";|group = "web", and target says "db": a group has one name; leave one of both out
target = "nbd://h"; frame = "4M"; ring = "16M";|frame = 4M is more than an eighth of ring = 16M: make ring 32M or more, or frame smaller
target = "nbd://h"; spill = "100K";|spill = 100K is less than eight times frame = 1M: make it 8M or more, or 0
target = "nbd://h/copy"; target_type = "plain"; key = "/etc/key";|key = "/etc/key" signs frames for a vault, and target_type = "plain" has nobody who looks at that: leave key out
END
policy "target = \"nbd://h\"; group = \"$(printf 'x%.0s' {1..200})\";"
if "$weirctl" check "$bad" >"$work/said" 2>&1; then fail "a name of 200 bytes was taken"; fi
grep -q 'bad.conf:3:3: .*group: the name of a group is "xxx.*it has less than 200 bytes' "$work/said" || fail "$(cat "$work/said")"
fine 'target = "nbds+unix://weir@/db?socket=/run/x&tls-psk-file=/k"; group = "db"; frame = "4M"; ring = "32M"; spill = "32M";'
fine 'target = "nbd://h/some/disk@1"; target_type = "plain"; group = "copy"; bandwidth = "1KiB"; mark_every = "none";'

# ---- of a disk that is served: the same words, and nothing changes ------------------------------------
serve "{ filter = \"replication\"; target = \"nbd+unix:///vm1?socket=nobody\"; }"
refused() { # OPTION VALUE SENTENCE
    if option replication "$1" "$2" 2>"$work/said"; then fail "$1 = $2 was taken"; fi
    assert_eq "$(cat "$work/said")" "$3" "$1 = $2"
}
unchanged() { # OPTION VALUE
    assert_eq "$(ctl get "exports/vm1/filters/@replication/options/$1")" "$2" "$1 after wrong values"
}
while IFS='|' read -r name value sentence stays; do
    refused "$name" "$value" "$sentence"
    unchanged "$name" "$stays"
done <<'END'
mode|snyc|EINVAL: "snyc" is not a choice: option "mode" takes one of async, sync, sync-durable; did you mean "sync"?|async
without_peer|alone|EINVAL: "alone" is not a choice: option "without_peer" takes one of suspend, degrade|suspend
compression|lz4|EINVAL: "lz4" is not a choice: option "compression" takes one of none, zstd|zstd
bandwidth|1k|ERANGE: "1k" is too small: option "bandwidth" takes 1024 to 1TiB, or max|max
resync_bandwidth|10Mbit|EINVAL: "10Mbit" is not a rate: option "resync_bandwidth" takes a number per second, such as 500, 10k or 64MiB, or max|max
mark_every|25h|ERANGE: "25h" is too large: option "mark_every" takes 100ms to 24h, or none|1s
reconnect_delay|1ms|ERANGE: "1ms" is too small: option "reconnect_delay" takes 100ms to 1h|2s
peer_timeout|5|EINVAL: "5" is not a time: option "peer_timeout" takes a number with a unit, such as 500us, 5ms, 30s or 1h|5s
target|nbd://h|EPERM: option target of vm1/replication cannot change while requests run: edit policy.conf|nbd+unix:///vm1?socket=nobody
ring|4M|EPERM: option ring of vm1/replication cannot change while requests run: edit policy.conf|64M
END

# ---- and of a restore point's name: the target takes no frame with such a name in it ------------------
for name in $'a\x7fb' $'a\x1b[2J' 'a/b' 'a"b' 'a,b' 'a+b'; do
    if verb replication "mark $name" 2>"$work/said"; then fail "mark $(cat -v <<<"$name") was taken"; fi
    grep -q "a restore point's name has no /, \", comma, + nor control characters" "$work/said" || fail "$(cat "$work/said")"
done
