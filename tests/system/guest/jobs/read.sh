# read.sh - how much of its datastore does a guest get?
# SPDX-License-Identifier: BSD-3-Clause
#
# read.sh DEVICE: fio reads with 16 requests under way until a line is typed.
device=/dev/$1
fio --name=read --filename="$device" --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=16 \
    --time_based --runtime=3600 --randseed=1 >/run/fio 2>&1 &
fio=$!
until [ "$(awk '{print $1}' "/sys/block/$1/stat")" -gt 100 ]; do sleep 0.2; done
echo READING
read -r _
kill -INT $fio
wait $fio
grep -q 'err= 0' /run/fio || { cat /run/fio; exit 1; }
dmesg | grep 'I/O error' && exit 1
exit 0
