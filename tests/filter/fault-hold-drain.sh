#!/bin/bash
# fault-hold-drain.sh - are held requests let go when the disk is closed?
# SPDX-License-Identifier: BSD-3-Clause
. "$WEIR_SOURCE/tests/filter/filter.sh" || exit
serve '{ filter = "fault"; ops = "write"; hold = true; after = true; }'
spawn writer nbdsh -u "$url" -c "h.pwrite(b\"1\" * 512, 0)"
writer=$pid
held_is() { [ "$(statistic fault held)" = "$1" ]; }
wait_until 60 held_is 1
ctl set policies/p 'name = "p"; filters = ( { filter = "pass"; } );'
wait $writer || fail "the write failed when its filter went"
