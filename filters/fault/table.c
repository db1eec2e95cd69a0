/* table.c - what can be asked of the fault filter, and what does it tell?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static const char *const error_names[] = { "none",      "EIO",    "ENOSPC",  "EPERM", "ENOMEM",
                                           "ESHUTDOWN", "EINVAL", "ENOTSUP", NULL };
static const char *const crash_names[] = { "none", "before", "after", NULL };
static const char *const misbehave_names[] = { "none",        "resume-twice",      "never-resume",
                                               "resume-late", "resume-undeferred", NULL };

/* clang-format off */
static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct fault_config, ops, .flags = WEIR_LIVE, .fallback = "all",
        .help = "Operations that can be hit: \"all\", or names with commas between."),
    WEIR_OPTION_SIZE(struct fault_config, from, .flags = WEIR_LIVE, .fallback = "0",
        .help = "First byte of the range that can be hit."),
    WEIR_OPTION_SIZE(struct fault_config, to, .flags = WEIR_LIVE, .fallback = "0",
        .help = "First byte after that range; 0 is the end of the disk."),
    WEIR_OPTION_RATIO(struct fault_config, rate, .flags = WEIR_LIVE, .fallback = "1",
        .min = 0, .max = 1, .help = "Share of the requests in the range that is hit."),
    WEIR_OPTION_INT(struct fault_config, count, .flags = WEIR_LIVE, .fallback = "0",
        .min = 0, .max = INT64_MAX, .help = "Stop after this many hits; 0 goes on for ever."),
    WEIR_OPTION_INT(struct fault_config, seed, .flags = WEIR_LIVE, .fallback = "1",
        .min = 0, .max = INT64_MAX, .help = "Chooses which requests a rate below 1 hits."),
    WEIR_OPTION_TIME(struct fault_config, delay, .flags = WEIR_LIVE, .fallback = "0",
        .min = 0, .max = INT64_C(60000000000), .help = "Time that a hit request waits."),
    WEIR_OPTION_TIME(struct fault_config, delay_jitter, .flags = WEIR_LIVE, .fallback = "0",
        .min = 0, .max = INT64_C(60000000000),
        .help = "Up to this much is added to the delay, by the seed."),
    WEIR_OPTION_CHOICE(struct fault_config, error, .flags = WEIR_LIVE, .fallback = "none",
        .choices = error_names, .help = "Error that a hit request gets."),
    WEIR_OPTION_BOOL(struct fault_config, after, .flags = WEIR_LIVE, .fallback = "false",
        .help = "Hold, delay and error come after the store has done the work, not before."),
    WEIR_OPTION_BOOL(struct fault_config, hold, .flags = WEIR_LIVE, .fallback = "false",
        .help = "Hold hit requests until `release` is written to ctl or the disk is drained."),
    WEIR_OPTION_BOOL(struct fault_config, corrupt, .flags = WEIR_LIVE, .fallback = "false",
        .help = "Invert one byte of what a hit read returns or a hit write stores."),
    WEIR_OPTION_BOOL(struct fault_config, lose, .flags = WEIR_LIVE, .fallback = "false",
        .help = "Answer hit writes, trims, zeroes and flushes with success and do nothing."),
    WEIR_OPTION_SIZE(struct fault_config, torn, .flags = WEIR_LIVE, .fallback = "0",
        .help = "Store only this many bytes of a hit write, then answer; 0 tears nothing."),
    WEIR_OPTION_CHOICE(struct fault_config, crash, .flags = WEIR_LIVE, .fallback = "none",
        .choices = crash_names,
        .help = "Kill the gateway at a hit, before or after the store has done the work."),
    WEIR_OPTION_CHOICE(struct fault_config, misbehave, .flags = WEIR_LIVE, .fallback = "none",
        .choices = misbehave_names,
        .help = "Break the rules for filters at a hit, to test the gateway."),
    { 0 },
};
/* clang-format on */

static int64_t held_now(void *self)
{
    struct fault *f = self;
    return (int64_t)hold_count(&f->holds);
}

static const struct weir_stat stats[] = {
    WEIR_STAT_COUNTER(struct fault_stats, hits, "requests", "Requests that were hit."),
    WEIR_STAT_COUNTER(struct fault_stats, delayed, "requests", "Hit requests that were delayed."),
    WEIR_STAT_COUNTER(struct fault_stats, errors, "requests", "Hit requests that got an error."),
    WEIR_STAT_VALUE(held, held_now, "requests", "Requests held now."),
    WEIR_STAT_COUNTER(struct fault_stats, corrupted, "requests", "Requests with a byte inverted."),
    WEIR_STAT_COUNTER(struct fault_stats, torn, "requests", "Writes of which a part was stored."),
    WEIR_STAT_COUNTER(struct fault_stats, lost, "requests", "Requests answered and not done."),
    { 0 },
};

static int fault_check(const void *settings, struct weir_text *why)
{
    const struct fault_config *config = settings;
    uint32_t mask;

    if (config->to && config->to <= config->from) {
        weir_print(why,
                   "to: %" PRIu64 " is not after from: %" PRIu64
                   "; expected a larger size, or 0 for the end of the disk",
                   config->to, config->from);
        return -EINVAL;
    }
    return fault_parse_ops(config->ops, &mask, why);
}

static void fault_apply(void *self, const void *settings)
{
    struct fault *f = self;
    const struct fault_config *config = settings;
    uint32_t mask;

    if (fault_parse_ops(config->ops, &mask, NULL) == 0)
        atomic_store_explicit(&f->chooser.ops, mask, memory_order_relaxed);
}

static int fault_attach(void *self, struct weir_below *below, const void *settings,
                        struct weir_text *why)
{
    struct fault *f = self;

    (void)why;
    f->below = below;
    hold_init(&f->holds);
    fault_apply(f, settings);
    return 0;
}

static int fault_drain(void *self, bool begin, struct weir_text *why)
{
    struct fault *f = self;

    (void)why;
    hold_drain(&f->holds, begin);
    return 0;
}

static void fault_detach(void *self)
{
    struct fault *f = self;
    hold_finish(&f->holds);
}

static int release(void *self, const char *arguments, struct weir_text *said)
{
    struct fault *f = self;

    if (*arguments) {
        weir_print(said, "release: '%s' is too much; expected nothing after the word", arguments);
        return -EINVAL;
    }
    weir_print(said, "%" PRIu64 " released", hold_release_all(&f->holds));
    return 0;
}

static int hit_next(void *self, const char *arguments, struct weir_text *said)
{
    struct fault *f = self;
    char *end;

    errno = 0;
    unsigned long long number = strtoull(arguments, &end, 10);
    if (*arguments < '0' || *arguments > '9' || *end || errno) {
        weir_print(said, "hit-next: '%s' is not a number of requests; expected hit-next 10",
                   arguments);
        return -EINVAL;
    }
    atomic_store_explicit(&f->chooser.forced, number, memory_order_relaxed);
    weir_print(said, "the next %llu requests in the range will be hit", number);
    return 0;
}

static int reset(void *self, const char *arguments, struct weir_text *said)
{
    struct fault *f = self;

    if (*arguments) {
        weir_print(said, "reset: '%s' is too much; expected nothing after the word", arguments);
        return -EINVAL;
    }
    atomic_store_explicit(&f->chooser.seen, 0, memory_order_relaxed);
    atomic_store_explicit(&f->chooser.hits, 0, memory_order_relaxed);
    atomic_store_explicit(&f->chooser.forced, 0, memory_order_relaxed);
    weir_print(said, "the same requests will be hit again");
    return 0;
}

static const struct weir_verb verbs[] = {
    { "release", "Lets all held requests go.", release },
    { "hit-next", "hit-next N: the next N requests in the range are hit, whatever rate and count.",
      hit_next },
    { "reset", "Counts from zero again, so that seed and count choose the same requests.", reset },
    { 0 },
};

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "fault",
    .version = "1",
    .summary = "Delays, fails, holds, corrupts or tears requests, or kills the gateway, on demand.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct fault),
    .request_size = sizeof(struct fault_scratch),
    .config_size = sizeof(struct fault_config),
    .stats_size = sizeof(struct fault_stats),
    .options = options,
    .stats = stats,
    .verbs = verbs,
    .check = fault_check,
    .attach = fault_attach,
    .apply = fault_apply,
    .drain = fault_drain,
    .detach = fault_detach,
    .down = fault_down,
    .up = fault_up,
    .abort = fault_abort,
};
