#!/bin/bash
# broken.sh - does each broken filter fail on its own fault, and on no other?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/lib.sh"
requires jq
certify=$WEIR_BUILD/gateway/certify/weir-certify
seed=${WEIR_SEED:-$RANDOM}
echo "WEIR_SEED=$seed"

# breaks FILTER REASON CHECK…: these checks fail, the first one for this reason; $by_chance may, too
by_chance=()
breaks() {
    local name=$1 reason=$2 said=$work/$1.json
    shift 2
    if "$certify" --json --seconds 0.1 --seed "$seed" "${by_chance[@]}" \
        "$WEIR_BUILD/tests/certify/weir-filter-$name.so" >"$said" 2>"$work/$name.log"; then
        fail "$name passes"
    fi
    assert_eq "$(jq -r '[.checks[] | select(.verdict == "failed").name] | join(" ")' "$said")" "$*" "$name"
    jq -e --arg check "$1" --arg reason "$reason" \
        '.checks[] | select(.name == $check).reason | contains($reason)' "$said" >/dev/null ||
        fail "$name: $(jq -r --arg check "$1" '.checks[] | select(.name == $check).reason' "$said")"
}

breaks alien-errno "ECANCELED, which NBD does not carry" errors
breaks corrupts-edge "was written" data
breaks crashes-at-extreme "was ended by signal" options
# what is not durable is not there after a crash either
breaks drops-flush "acknowledged as durable" flush crash
# … if it comes between such a write and the next flush
by_chance=(--except "crash=few kills come at the right time")
breaks early-fua "acknowledged as durable" fua
by_chance=()
breaks forgets-request "filter forgets-request holds" drain
breaks ignores-abort "not let go of when abort() was called" hold
breaks leaks-descriptor "descriptors open" leaks
breaks leaks-memory "bytes of memory" leaks
breaks races "was written" threads
breaks refuses-mutely "refused with EINVAL and no sentence" ranges
breaks reorders "the first one is what is there" order
breaks resumes-twice "resumed a request that it does not hold" misuse
breaks scribbles "the client's buffer" walk
breaks stale-journal "holds what nobody wrote there" crash
breaks swallows-error "the error was swallowed" errors
