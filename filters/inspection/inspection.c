/* inspection.c - what does the guest do with its disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * down() notes how the request relates to those before it, up() writes it into the
 * trace.  Both run for every request of the disk: they take no lock, make no system call
 * and count in the shard of their CPU. */
#include "inspection.h"
#include "instant.h"

#include <errno.h>
#include <inttypes.h>

struct inspection_config {
    bool trace;
    int64_t ring;
};

struct inspection_stats {
    weir_counter reads, writes, sequential_reads, random_reads, sequential_writes, random_writes;
    weir_counter rewrites, backward, unaligned;
    struct weir_histogram read_size, write_size, discard_size;
    struct weir_histogram read_alignment, write_alignment;
    struct weir_histogram read_seek, write_seek;
    struct weir_histogram read_interval, write_interval, flush_interval;
};

/* clang-format off */
static const struct weir_option options[] = {
    WEIR_OPTION_BOOL(struct inspection_config, trace, .flags = WEIR_LIVE, .fallback = "true",
        .help = "Keep the last requests for the statistic trace."),
    WEIR_OPTION_INT(struct inspection_config, ring, .fallback = "4096", .min = 16, .max = 65536,
        .help = "How many requests the trace keeps: 64 bytes each for every CPU that serves any."),
    { 0 },
};

#define COUNT(f, u, h) WEIR_STAT_COUNTER(struct inspection_stats, f, u, h)
#define HISTOGRAM(f, u, h) WEIR_STAT_HISTOGRAM(struct inspection_stats, f, u, h)
static const struct weir_stat stats[] = {
    COUNT(reads, "requests", "Reads."),
    COUNT(writes, "requests", "Writes."),
    COUNT(sequential_reads, "requests", "Reads that began where a recent read ended."),
    COUNT(random_reads, "requests", "All other reads."),
    COUNT(sequential_writes, "requests", "Writes that began where a recent write ended."),
    COUNT(random_writes, "requests", "All other writes."),
    COUNT(rewrites, "requests", "Writes whose first 4 KiB were among the recently written."),
    COUNT(backward, "requests", "Reads and writes that began before the end of the last one."),
    COUNT(unaligned, "requests", "Reads and writes with a begin or end inside a 4 KiB block."),
    HISTOGRAM(read_size, "bytes", "Sizes of reads."),
    HISTOGRAM(write_size, "bytes", "Sizes of writes."),
    HISTOGRAM(discard_size, "bytes", "Sizes of trims and zeroes."),
    HISTOGRAM(read_alignment, "bytes", "Largest power of two, up to 1 MiB, that divides the offset of a read."),
    HISTOGRAM(write_alignment, "bytes", "The same for writes."),
    HISTOGRAM(read_seek, "bytes", "Distance from the end of the last read; 0 is contiguous."),
    HISTOGRAM(write_seek, "bytes", "Distance from the end of the last write; 0 is contiguous."),
    HISTOGRAM(read_interval, "ns", "Time from one read to the next."),
    HISTOGRAM(write_interval, "ns", "Time from one write to the next."),
    HISTOGRAM(flush_interval, "ns", "Time from one flush to the next."),
    WEIR_STAT_TEXT(trace, trace_show, "The last requests, one per line, by arrival."),
    { 0 },
};
/* clang-format on */

/* ---- data path --------------------------------------------------------------- */

static uint64_t alignment(uint64_t offset)
{
    return 1u << (__builtin_ctzll(offset | 1u << 20));
}

static void count_transfer(struct inspection_stats *counts, const struct weir_request *req,
                           const struct relation *r)
{
    bool read = req->op == WEIR_READ;

    weir_add(read ? &counts->reads : &counts->writes, 1);
    if (r->sequential)
        weir_add(read ? &counts->sequential_reads : &counts->sequential_writes, 1);
    else
        weir_add(read ? &counts->random_reads : &counts->random_writes, 1);
    if (r->again)
        weir_add(&counts->rewrites, 1);
    if ((req->offset | req->length) & 4095)
        weir_add(&counts->unaligned, 1);
    weir_record(read ? &counts->read_size : &counts->write_size, req->length);
    weir_record(read ? &counts->read_alignment : &counts->write_alignment, alignment(req->offset));
    if (r->first)
        return;
    if (r->backward)
        weir_add(&counts->backward, 1);
    weir_record(read ? &counts->read_seek : &counts->write_seek, r->distance);
    weir_record(read ? &counts->read_interval : &counts->write_interval, r->interval);
}

static enum weir_verdict inspection_down(void *self, struct weir_request *req)
{
    struct inspection *in = self;
    struct inspection_stats *counts = weir_stats(req);
    uint64_t *arrived = weir_scratch(req);
    struct relation r;

    *arrived = now_ns();
    switch (req->op) {
    case WEIR_READ:
    case WEIR_WRITE:
        stream_note(&in->stream, req, *arrived, &r);
        count_transfer(counts, req, &r);
        break;
    case WEIR_FLUSH:
        stream_note(&in->stream, req, *arrived, &r);
        if (!r.first)
            weir_record(&counts->flush_interval, r.interval);
        break;
    case WEIR_TRIM:
    case WEIR_ZERO:
        weir_record(&counts->discard_size, req->length);
        break;
    default:
        break;
    }
    return WEIR_PASS;
}

static enum weir_verdict inspection_up(void *self, struct weir_request *req)
{
    struct inspection *in = self;
    const struct inspection_config *config = weir_config(req);
    const uint64_t *arrived = weir_scratch(req);

    if (config->trace)
        ring_put(in->ring, &(struct trace_entry){
                               .time = *arrived,
                               .latency = now_ns() - *arrived,
                               .offset = req->offset,
                               .length = req->length,
                               .flags = req->flags,
                               .op = (uint16_t)req->op,
                               .error = (uint16_t)req->error,
                           });
    return WEIR_PASS;
}

/* ---- control path ------------------------------------------------------------ */

static const struct weir_verb verbs[] = {
    { "clear", "Empties the trace; the counters and histograms go on.", trace_clear },
    { "mark", "mark TEXT: puts a line of your own into the trace.", trace_mark },
    { 0 },
};

static int inspection_attach(void *self, struct weir_below *below, const void *settings,
                             struct weir_text *why)
{
    struct inspection *in = self;
    const struct inspection_config *config = settings;
    int r = ring_create((unsigned)config->ring, &in->ring);

    (void)below;
    if (r < 0) {
        weir_print(why, "ring: no memory for a trace of %" PRIi64 " requests", config->ring);
        return r;
    }
    pthread_mutex_init(&in->lock, NULL);
    return 0;
}

static void inspection_detach(void *self)
{
    struct inspection *in = self;

    ring_destroy(in->ring);
    pthread_mutex_destroy(&in->lock);
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "inspection",
    .version = "1",
    .summary = "Traces the last requests and measures sizes, alignment, seeks and intervals.",
    .klass = WEIR_CLASS_INSPECTION,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct inspection),
    .request_size = sizeof(uint64_t),
    .config_size = sizeof(struct inspection_config),
    .stats_size = sizeof(struct inspection_stats),
    .options = options,
    .stats = stats,
    .verbs = verbs,
    .attach = inspection_attach,
    .detach = inspection_detach,
    .down = inspection_down,
    .up = inspection_up,
};
