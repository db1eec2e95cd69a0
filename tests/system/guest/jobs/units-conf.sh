# units-conf.sh - which disks does units.sh have?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
#
# Sourced by it, with the example configuration in /etc/weir.  A disk for each thing that a sandbox
# may be in the way of: keys, a pool, a vault, a block device.
sed -i 's/"64G"/"64M"/' /etc/weir/weir.conf
sed -i 's/"10G"/"16M"/' /etc/weir/exports.d/example.conf
cat >/etc/weir/exports.d/more.conf <<'END'
exports = (
    { name = "sealed"; datastore = "local"; image = "sealed.raw"; size = "32M"; policy = "encrypted";
      options = ( { filter = "encryption"; pbkdf = "pbkdf2"; pbkdf_time = "1ms"; } ); },
    { name = "keyfile"; datastore = "local"; image = "keyfile.raw"; size = "32M"; policy = "encrypted";
      options = ( { filter = "encryption"; key = "file:/etc/weir/keys/keyfile.key"; pbkdf = "pbkdf2"; pbkdf_time = "1ms"; } ); },
    { name = "fast"; datastore = "local"; image = "fast.raw"; size = "16M"; policy = "cached"; },
    { name = "sent"; datastore = "local"; image = "sent.raw"; size = "16M"; policy = "replicated";
      options = ( { filter = "replication"; target = "nbd+unix:///?socket=/run/weir/far.sock"; } ); },
    { name = "device"; datastore = "local"; image = "/dev/vdb"; policy = "observe"; }
);
END
cat >/etc/weir/far.conf <<'END'
datastores = ( { name = "vault"; type = "vault"; path = "/var/lib/weir/vault"; history = "1h"; } );
exports = ( { name = "log:sent"; datastore = "vault"; image = "log:sent"; },
            { name = "sent"; datastore = "vault"; image = "sent"; } );
include_policies = "far.d"; # of all policies that are new, too
END
mkdir /etc/weir/keys
mkdir -m 770 /etc/weir/far.d && chgrp weir /etc/weir/far.d
head -c 32 /dev/urandom >/etc/weir/keys/keyfile.key
chmod 400 /etc/weir/keys/keyfile.key && chown weir:weir /etc/weir/keys/keyfile.key
head -c 32 /dev/urandom | systemd-creds encrypt --with-key=host --name=disk.key - /etc/weir/keys/disk.key

# what the units ask for in drop-ins
mkdir -p /etc/systemd/system/weir@weir.service.d /etc/systemd/system/weir-attach@device.service.d
cat >/etc/systemd/system/weir@weir.service.d/here.conf <<'END'
[Service]
SupplementaryGroups=disk
LoadCredentialEncrypted=disk.key:/etc/weir/keys/disk.key
END
cat >/etc/systemd/system/weir-attach@device.service.d/here.conf <<'END'
[Service]
Environment=WEIR_ATTACH=/dev/nbd0
END
mkdir /mnt/disk
echo '/dev/nbd0 /mnt/disk ext4 _netdev,noauto,x-systemd.requires=weir-attach@device.service 0 0' >/etc/fstab
