/* checks.c - what does a filter have to show?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

/* clang-format off */
const struct check checks[] = {
    { "load", "The object loads, and its tables, defaults and sentences are sound.", check_load },
    { "data", "What is read is what was written: all sizes, offsets and operations, block sizes of 1 byte to 4 KiB.", check_data },
    { "threads", "The same with several threads at once.", check_threads },
    { "races", "The thread sanitizer has nothing to report.", check_races },
    { "walk", "Requests come back as they went, the client's buffer is not touched, and only what fits the disk goes below.", check_walk },
    { "misuse", "The core has no defect of the filter to report.", check_misuse },
    { "order", "Of two writes of a place the later one stays, and of overlapping ones the same bytes when the disk was closed.", check_order },
    { "flush", "What was flushed is there after a kill and a power cut.", check_flush },
    { "fua", "What was written with FUA is there after a kill and a power cut.", check_fua },
    { "crash", "Killed anywhere in a stream of writes, durable blocks are there and none is invented.", check_crash },
    { "events", "Stun, snapshot, clone, grow, migrate and delete: prepared, committed, taken back.", check_events },
    { "attach", "The disk closes and opens many times, and keeps its bytes.", check_attach },
    { "drain", "Drained, changed and resumed under load, no request is lost.", check_drain },
    { "ranges", "Each option takes the ends of its range, and what it refuses it refuses with a sentence.", check_ranges },
    { "options", "Each live option takes each value of its range under load, and no other.", check_options },
    { "errors", "What fails below fails above with an errno that NBD carries, or is kept.", check_errors },
    { "slow", "A store that lags, hangs or fails for a moment is outlived.", check_slow },
    { "above", "Filters above may refuse what they like.", check_above },
    { "hold", "A request that is held beyond the limit is let go.", check_hold },
    { "leaks", "Neither requests nor attachments leave memory, descriptors or threads behind.", check_leaks },
    { "overhead", "How many ns a request takes with the filter and without; never a verdict.", check_overhead },
    { 0 },
};
/* clang-format on */
const size_t check_count = sizeof(checks) / sizeof(*checks) - 1;
