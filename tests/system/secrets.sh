#!/bin/bash
# secrets.sh - is any key to be seen where a gateway tells of itself?
# SPDX-License-Identifier: BSD-3-Clause
#
# Keys of disks from a file, from a command, from one that fails and from none; one that somebody
# typed where the name of a place goes; a group's key of replication; a PSK of TLS.  Then all is read
# that is there to be read: mount, logs at their longest, what weirctl prints, state and run folder,
# the command line and the environment.
. "$WEIR_SOURCE/tests/system/mount/mount.sh"
requires nbdinfo psktool jq
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$work/etc/policies.d" "$work/disks" "$work/keys"
secret() { (umask 077 && printf '%s' "$2" >"$work/keys/$1"); echo "$2" >>"$work/secrets"; }
secret file marker-of-the-file-0dd5a1
secret command marker-of-the-command-77b2e4
secret failing marker-of-one-that-fails-c19f
secret group marker-of-the-group-of-32-bytes.
typed=marker-that-was-typed-5e8a40
echo $typed >>"$work/secrets"
psktool -u weir -p "$work/keys/psk" >/dev/null 2>&1
cut -d: -f2 "$work/keys/psk" >>"$work/secrets"
[ "$(grep -c . "$work/secrets")" = 6 ] || fail "there are not six secrets"

printf '#!/bin/sh\ncat "$1"; exit 1\n' >"$work/fails" && chmod +x "$work/fails"
# policy NAME FILTERS; an encrypted disk's key is WORDS
policy() { printf 'filters = ( %s );\n' "$2" >"$work/etc/policies.d/$1.conf"; }
encrypted() { policy "$1" "{ filter = \"encryption\"; key = \"$2\"; format = true; pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; }"; }
encrypted file "file:$work/keys/file"
encrypted command "exec:/bin/cat $work/keys/command"
encrypted failing "exec:$work/fails $work/keys/failing"
encrypted none "file:$work/keys/none"
policy far "{ filter = \"replication\"; key = \"$work/keys/group\"; target = \"nbds+unix://weir@/far?socket=$work/far.sock&tls-psk-file=$work/keys/psk\"; }"
disks=(file command failing none far)
{
    echo 'include_policies = "policies.d";'
    echo "datastores = ( { name = \"disks\"; type = \"file\"; path = \"$work/disks\"; } );"
    echo 'exports = ('
    for d in "${disks[@]}"; do
        echo "$([ "$d" = file ] || echo ,) { name = \"$d\"; datastore = \"disks\"; image = \"$d\"; size = \"24M\"; policy = \"$d\"; }"
    done
    echo ');'
} >"$work/etc/weir.conf"
gateway_answers=listening
listening() { listens "$sock"; }
start_gateway "$work/etc/weir.conf" -v --tls=require --tls-psk="$work/keys/psk"
start_weirfs

# ---- use them, and be told what is wrong
tls() { printf 'nbds+unix://weir@/%s?socket=%s&tls-psk-file=%s' "$1" "$sock" "$work/keys/psk"; }
for d in file command far; do
    wait_until 60 nbdinfo --size "$(tls $d)"
done
for d in failing none; do
    ! nbdinfo --size "$(tls $d)" >"$work/nbdinfo-$d.log" 2>&1 || fail "$d is served without its key"
done
says() { ! "$@" >>"$work/said.log" 2>&1 || fail "taken: $*"; } # it is refused, and that in words
verb() { echo "$2" >"$mnt/exports/$1/filters/10-encryption/ctl"; }
for words in "add $typed" "rekey $typed" "remove $typed" "unlock $typed" "$typed"; do says verb file "$words"; done
says "$weirctl" key add file "$typed"
says "$weirctl" key rekey file "$typed"
says "$weirctl" export option file encryption key "$typed"
typed_into() { echo "$typed" >"$1"; }
says typed_into "$mnt/exports/file/filters/10-encryption/options/key"
mkdir "$work/mistaken"
sed "s|file:$work/keys/file|$typed|" "$work/etc/policies.d/file.conf" >"$work/mistaken/file"
cp "$work/mistaken/file" "$mnt/policies/mistaken" 2>>"$work/said.log" && fail "a policy with such a key was taken"
cp -r "$work/etc" "$work/etc2"
cp "$work/mistaken/file" "$work/etc2/policies.d/file.conf"
says "$weirctl" check "$work/etc2/weir.conf"
verb file lock
verb file unlock
[ "$(grep -c . "$work/said.log")" -ge 9 ] || fail "nothing was said: $(cat "$work/said.log")"

# ---- read all that there is
shown=$work/shown
mkdir "$shown"
find "$mnt" -type f | while read -r file; do
    printf '%s: ' "$file" >>"$shown/mount"
    timeout 60 cat "$file" >>"$shown/mount" 2>&1 || true
done
prints() { timeout 60 "$weirctl" "$@" || true; } # what it says of what is not there is read, too
for d in "${disks[@]}"; do
    prints export show "$d"
    prints --json export show "$d"
    prints key status "$d"
    prints policy show "$d"
done >"$shown/exports" 2>&1
for words in status "--json status" "--json export list" "--json policy list" "--json filter list" "filter describe encryption" \
    "events" "--json events" "gateway list" "replica status far" "--json replica status far"; do
    # shellcheck disable=SC2086
    prints $words
done >"$shown/weirctl" 2>&1
tr '\0' '\n' <"/proc/$gateway_pid/cmdline" >"$shown/cmdline"
tr '\0' '\n' <"/proc/$gateway_pid/environ" >"$shown/environ"
cp "$work"/*.log "$shown"
cp -r "$WEIR_STATE" "$shown/state"
tar -C "$WEIR_RUN" -cf "$shown/run.tar" --exclude='*.sock' . 2>/dev/null || true

# looked for as they are, so that each must be found where it does stand
grep -rqFf "$work/secrets" "$work/keys" || fail "this test sees nothing"
for word in "10-encryption/options/key: file:$work/keys/file" "exec:/bin/cat $work/keys/command" "far/filters/"; do
    grep -qF "$word" "$shown/mount" || fail "the mount has no '$word': this test reads too little"
done
for file in mount exports weirctl gateway.log said.log; do
    [ -s "$shown/$file" ] || fail "$file is empty: this test reads too little"
done
! grep -rnaFf "$work/secrets" "$shown" || fail "a key is shown"
