# exercise.sh - do file systems keep what is done to them, whatever that is?
# SPDX-License-Identifier: BSD-3-Clause
#
# exercise.sh make OPERATIONS SEED SCALE NAME=FS=DEVICE…: makes the file systems, mounted at
# /mnt/NAME; the exerciser does OPERATIONS in each, then come stress-ng and dbench, SCALE times
# what is least, in all of them at once.  Then all are looked at again, as after a boot.
# exercise.sh check NAME=FS=DEVICE…: the same look, by another guest.
. ./filesystem.sh
job=$1
shift

# all COMMAND: for each of the file systems, all at once; fails when one fails
all() {
    local pair pids=
    for pair in $pairs; do
        "$1" "${pair%%=*}" "$pair" >"/run/$1-${pair%%=*}" 2>&1 &
        pids="$pids $!:${pair%%=*}"
    done
    local failed=0 one
    for one in $pids; do
        wait "${one%:*}" && continue
        failed=1
        echo "$1 of ${one#*:} failed"
        tail -40 "/run/$1-${one#*:}"
    done
    [ $failed = 0 ] || dmesg | grep -v drop_caches | tail -30
    return $failed
}
show() { for pair in $pairs; do grep -h "$2" "/run/$1-${pair%%=*}"; done; }

make() {
    local rest=${2#*=} force=-f
    local fs=${rest%=*}
    [ "$fs" = ext4 ] || [ "$fs" = xfs ] || return
    [ "$fs" != ext4 ] || force=-F
    mkfs."$fs" -q $force "/dev/${rest#*=}"
}
attach() {
    local rest=${2#*=}
    mkdir -p "/mnt/$1" && mount -t "${rest%=*}" -o discard "/dev/${rest#*=}" "/mnt/$1"
}
leave() { umount "/mnt/$1"; }
work() { # a seed for each disk, so that they differ
    local device=${2##*=}
    mkdir "/mnt/$1/files" &&
        command exercise run "/mnt/$1/files" "$operations" "$((seed + $(tr -d : <"/sys/block/$device/dev")))" 2
}
look() { command exercise verify "/mnt/$1/files"; }

# Stressors that read back what they wrote; each ends by itself.
stress() {
    mkdir "/mnt/$1/stress" && stress-ng --temp-path "/mnt/$1/stress" --verify --no-rand-seed -t 1800 \
        --hdd 1 --hdd-bytes 2m --hdd-ops $((40 * scale)) --hdd-opts wr-rnd,rd-rnd,fsync \
        --sync-file 1 --sync-file-bytes 1m --sync-file-ops $scale --seek 1 --seek-size 2m --seek-ops $((100 * scale)) \
        --aio 1 --aio-ops $((50 * scale)) --revio 1 --revio-bytes 2m --revio-ops $((50 * scale)) \
        --fallocate 1 --fallocate-bytes 2m --fallocate-ops $scale --rename 1 --rename-ops $((100 * scale)) \
        --readahead 1 --readahead-bytes 2m --readahead-ops $((10 * scale)) && rm -r "/mnt/$1/stress"
}
dbench() {
    mkdir "/mnt/$1/dbench" &&
        command dbench -c /job/client.txt -D "/mnt/$1/dbench" -t $((8 * scale)) 2 && rm -r "/mnt/$1/dbench"
}

[ "$job" = check ] || {
    operations=$1 seed=$2 scale=$3
    shift 3
}
pairs=$*
[ "$job" = check ] || {
    all make && all attach || exit
    echo "EXERCISING at $(cut -d' ' -f1 /proc/uptime) s"
    all work || exit
    show work '^EXERCISED\|^COLLISION'
    echo "STRESSING at $(cut -d' ' -f1 /proc/uptime) s"
    all stress || exit
    show stress 'successful run completed'
    echo "DBENCH at $(cut -d' ' -f1 /proc/uptime) s"
    all dbench || exit
    show dbench ^Throughput
    all look && all leave || exit
    echo "AGAIN at $(cut -d' ' -f1 /proc/uptime) s"
}
all attach && all look && show look ^VERIFIED && all leave && complain_of_errors
