# chains.sh - which chains does every client have to get along with?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced after system.sh.  Each filter alone, the cache in two modes, and all of them together; "none"
# is a disk without any.  A replicated disk has its copy at an nbdkit of its own: any NBD server will do.
chains=(none pass inspection control fault encryption write-back write-through replication all)
copies=$work/copies copies_sock=$work/copies.sock
header=$((16 << 20)) # what encryption keeps of an image for itself

# chain_filters CHAIN DISK: as `policy` takes them.
chain_filters() {
    local cache='filter = "cache"; pool = "ssd"; destage_delay = "100ms";'
    case $1 in
    none) ;;
    fault) echo '{ filter = "fault"; rate = 0.0; }' ;;
    encryption)
        echo "{ filter = \"encryption\"; key = \"file:$work/chains.key\"; format = true;
                pbkdf = \"pbkdf2\"; pbkdf_time = \"1ms\"; discard = \"pass\"; }" ;;
    write-*) echo "{ $cache mode = \"$1\"; }" ;;
    replication)
        echo "{ filter = \"replication\"; target = \"nbd+unix:///$2?socket=$copies_sock\"; target_type = \"plain\"; }" ;;
    all)
        local chain
        for chain in inspection control replication encryption write-back; do
            echo "$(chain_filters $chain "$2"),"
        done
        chain_filters fault "$2" ;;
    *) echo "{ filter = \"$1\"; }" ;;
    esac
}

is_encrypted() { case $1 in encryption | all) ;; *) false ;; esac }
# may it call zeroes data?
is_opaque() { case $1 in encryption | write-back | all) ;; *) false ;; esac }
is_replicated() { case $1 in replication | all) ;; *) false ;; esac }

# chain_disk CHAIN SIZE: a disk of the chain's name, and a policy of that name; clients see SIZE.
chain_disk() {
    local size=$2
    policy "$1" "$(chain_filters "$1" "$1")"
    ! is_encrypted "$1" || size=$((size + header))
    disk "$1" $size "$1"
    ! is_replicated "$1" || { mkdir -p "$copies" && truncate -s $size "$copies/$1"; }
}

# serve_chains POOL: every disk, with a pool of that size for those that have a cache.
serve_chains() {
    (umask 077 && printf 'the key of every chain' >"$work/chains.key")
    CONF_MORE="pools = ( { name = \"ssd\"; path = \"$work/pool\"; size = \"$1\"; } );"
    if [ -d "$copies" ]; then
        spawn copies nbdkit -f -U "$copies_sock" file dir="$copies"
        wait_until 60 listens "$copies_sock"
    fi
    serve
}

chain_statistic() { /usr/bin/python3 "$WEIR_SOURCE/tests/filter/ctl.py" get "exports/$1/filters/@$2/stats/$3"; }
# settle_chain CHAIN: all that was written is in the image, and in its copy.
settle_chain() {
    case $1 in
    write-back | all)
        "$weirctl" cache drain "$1" >"$work/drain.log" 2>&1 || fail "the cache of $1 cannot be drained" ;;
    esac
    ! is_replicated "$1" || wait_until 120 copied "$1"
}
copied() {
    [ "$(chain_statistic "$1" replication state)" = streaming ] &&
        [ "$(chain_statistic "$1" replication lsn)" = "$(chain_statistic "$1" replication acked_lsn)" ]
}
