/* tables.c - what can be set of I/O control, and what can be read of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"
#include "sharing.h"
#include "ticker.h"

static const char *const modes[] = { "control", "observe", NULL };
static const struct weir_word levels[] = {
    { "low", 500 }, { "normal", 1000 }, { "high", 2000 }, { 0 }
};
static const struct weir_word none[] = { { "none", 0 }, { 0 } };

enum { MOST_SHARES = 100000, SECONDS = 1000000000 };
#define MOST_IOPS 10000000
#define LONGEST   (3600ll * SECONDS)

/* clang-format off */
const struct weir_option control_options[] = {
    WEIR_OPTION_CHOICE(struct control_config, mode, .flags = WEIR_LIVE, .fallback = "control", .choices = modes,
        .help = "With observe it measures and decides, but never delays."),
    WEIR_OPTION_INT(struct control_config, shares, .flags = WEIR_LIVE, .fallback = "normal",
        .min = 1, .max = MOST_SHARES, .words = levels,
        .help = "This disk's part of the datastore, in proportion to the shares of others, while somebody has to wait."),
    WEIR_OPTION_INT(struct control_config, reservation, .flags = WEIR_LIVE, .fallback = "none",
        .min = 1, .max = MOST_IOPS, .words = none,
        .help = "I/Os per second that it gets in any case, if the datastore can do that many."),
    WEIR_OPTION_RATE(struct control_config, iops, .flags = WEIR_LIVE, .fallback = "max",
        .min = 1, .max = MOST_IOPS, .help = "I/Os per second that it may do."),
    WEIR_OPTION_RATE(struct control_config, bytes_per_sec, .flags = WEIR_LIVE, .fallback = "max",
        .min = 1024, .max = 1ll << 40, .help = "Bytes per second that it may read, write, zero and trim."),
    WEIR_OPTION_RATE(struct control_config, iops_max, .flags = WEIR_LIVE, .fallback = "none",
        .min = 1, .max = MOST_IOPS, .words = none, .help = "I/Os per second in a burst."),
    WEIR_OPTION_RATE(struct control_config, bytes_per_sec_max, .flags = WEIR_LIVE, .fallback = "none",
        .min = 1024, .max = 1ll << 40, .words = none, .help = "Bytes per second in a burst."),
    WEIR_OPTION_TIME(struct control_config, iops_max_length, .flags = WEIR_LIVE, .fallback = "1s",
        .min = 100000000, .max = LONGEST, .help = "How long a burst of iops_max may last."),
    WEIR_OPTION_TIME(struct control_config, bytes_per_sec_max_length, .flags = WEIR_LIVE, .fallback = "1s",
        .min = 100000000, .max = LONGEST, .help = "How long a burst of bytes_per_sec_max may last."),
    WEIR_OPTION_SIZE(struct control_config, size_iops, .flags = WEIR_LIVE, .fallback = "32K",
        .min = 512, .max = 64 << 20, .help = "Larger requests count as several I/Os of this size."),
    WEIR_OPTION_TIME(struct control_config, max_delay, .flags = WEIR_LIVE, .fallback = "20s",
        .min = 1000000, .max = LONGEST, .help = "No request waits longer, whatever its shares and limits say: guests have timeouts."),
    { 0 },
};
/* clang-format on */

/* ---- statistics -------------------------------------------------------------- */

static struct ticker_view view_of(void *self)
{
    struct ticker_view v;

    ticker_view(((struct control *)self)->datastore, &v);
    return v;
}

static int64_t latency_us(void *self)
{
    return (int64_t)(view_of(self).latency / 1000);
}

static int64_t threshold_us(void *self)
{
    return (int64_t)(view_of(self).threshold / 1000);
}

static int64_t window(void *self)
{
    return (int64_t)(view_of(self).window / LOAD_ONE);
}

static int64_t in_flight(void *self)
{
    return (int64_t)(view_of(self).in_flight / LOAD_ONE);
}

static int64_t peak_iops(void *self)
{
    return (int64_t)view_of(self).peak;
}

static int64_t external_load(void *self)
{
    return (int64_t)view_of(self).external;
}

static int64_t gateways(void *self)
{
    return view_of(self).gateways;
}

static void exchange(void *self, struct weir_text *text)
{
    char words[SHARING_TEXT];

    ticker_exchange(((struct control *)self)->datastore, words, sizeof words);
    weir_print(text, "%s", words);
}

static int64_t queued(void *self)
{
    struct control *c = self;

    pthread_mutex_lock(&c->datastore->lock);
    size_t n = c->disk.queued;
    pthread_mutex_unlock(&c->datastore->lock);
    return (int64_t)n;
}

static int64_t share_percent(void *self)
{
    return (int64_t)atomic_load(&((struct control *)self)->share);
}

static int64_t entitled_iops(void *self)
{
    return (int64_t)atomic_load(&((struct control *)self)->entitled);
}

static int64_t granted_iops(void *self)
{
    return (int64_t)atomic_load(&((struct control *)self)->granted);
}

static int64_t reservation_misses(void *self)
{
    return (int64_t)atomic_load(&((struct control *)self)->misses);
}

/* clang-format off */
#define COUNT(f, u, h) WEIR_STAT_COUNTER(struct control_stats, f, u, h)
const struct weir_stat control_stats[] = {
    WEIR_STAT_VALUE(normalized_latency_us, latency_us, "us", "Of the datastore, over all its disks of this gateway; large requests count by their load."),
    WEIR_STAT_VALUE(threshold_us, threshold_us, "us", "Of the datastore: above this latency requests wait."),
    WEIR_STAT_VALUE(window, window, "requests", "Of the datastore: small requests that may be in flight before others wait."),
    WEIR_STAT_VALUE(in_flight, in_flight, "requests", "Of the datastore: what is in flight, as small requests."),
    WEIR_STAT_VALUE(learnt_peak_iops, peak_iops, "iops", "Of the datastore: the most that it was seen to do."),
    WEIR_STAT_VALUE(external_load, external_load, "percent", "Of the datastore: how much slower it is than was learnt, because of others."),
    WEIR_STAT_VALUE(gateways, gateways, "gateways", "That share the datastore by its exchange file, with this one."),
    WEIR_STAT_TEXT(exchange, exchange, "Of the datastore: how it is shared with other gateways, or why it is not."),
    WEIR_STAT_VALUE(queued, queued, "requests", "Requests of this disk that wait now."),
    WEIR_STAT_VALUE(share_percent, share_percent, "percent", "What its shares are of those of all disks at work."),
    WEIR_STAT_VALUE(entitled_iops, entitled_iops, "iops", "What shares, reservation, limits and demand of all entitled it to in the last second."),
    WEIR_STAT_VALUE(granted_iops, granted_iops, "iops", "What it did in the last second."),
    COUNT(delayed_requests, "requests", "Requests that waited; in observation mode, would have."),
    COUNT(limit_hits, "requests", "Of these, because of a limit."),
    COUNT(impatient_requests, "requests", "Requests that went because they had waited for max_delay."),
    WEIR_STAT_VALUE(reservation_misses, reservation_misses, "seconds", "Seconds in which it waited and got less than its reservation."),
    WEIR_STAT_HISTOGRAM(struct control_stats, delay_us, "us", "How long requests waited."),
    { 0 },
};
/* clang-format on */
