# systemd.sh - how does the system of build-systemd take over from the initramfs?
# SPDX-License-Identifier: BSD-3-Clause
#
# systemd.sh JOB: its unit job.service runs /job/JOB once the system is up.  The system is /dev/vda.
modprobe ext4 && mkdir -p /run/root && mount /dev/vda /run/root || exit
cp -r /lib/modules /run/root/lib/ && cp -r /job /run/root/ && mv "/run/root/job/$1" /run/root/job/run
