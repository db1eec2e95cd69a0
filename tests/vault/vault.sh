# vault.sh - how does a test begin a gateway with a vault, and act as the source of its group "db"?
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# Sourced instead of tests/lib.sh.
. "$WEIR_SOURCE/tests/lib.sh"
PATH=/usr/bin:$PATH # the python of the distribution has the nbd module
requires nbdkit nbdinfo

# start_vault NAME=IMAGE…: these exports, and log:db.
start_vault() {
    local one
    mkdir "$work/policies"
    echo 'name = "plain"; filters = ( );' >"$work/policies/plain.conf"
    {
        echo 'include_policies = "policies";'
        echo "datastores = ( { name = \"dr\"; type = \"vault\"; path = \"$work/vault\"; history = \"24h\"; } );"
        echo 'exports = ( { name = "log:db"; datastore = "dr"; image = "log:db"; policy = "plain"; }'
        for one; do
            echo ", { name = \"${one%%=*}\"; datastore = \"dr\"; image = \"${one#*=}\"; policy = \"plain\"; }"
        done
        echo ');'
    } >"$work/weir.conf"
    start_gateway "$work/weir.conf"
}
# send WORDS…: what a source would (feed.c has them).
send() { "$WEIR_BUILD/tests/vault/vault-feed" "$(uri log:db)" "$@"; }
# value STATISTIC: of the log.
value() { python3 "$WEIR_SOURCE/tests/filter/ctl.py" get "exports/log:db/store/stats/$1"; }
is_applied() { [ "$(value lag)" = 0 ]; }
