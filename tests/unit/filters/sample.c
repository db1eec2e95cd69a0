/* sample.c - what can a filter's tables hold?  A row of each kind, for the tests.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "weir-filter.h"

#include <errno.h>

struct sample_config {
    bool flag;
    int64_t number;
    uint64_t bytes, pause, limit;
    double share;
    const char *word, *key;
    int mode;
    int64_t fixed;
};

struct sample {
    const struct sample_config *config;
    int64_t phases; /* of deletions: 1 PREPARE, 2 COMMIT, 3 CANCEL, the last one last */
};

struct sample_stats {
    weir_counter hits;
    weir_counter level;
    struct weir_histogram wait, length;
};

static const char *const modes[] = { "fast", "safe", NULL };

/* clang-format off */
static const struct weir_option options[] = {
    WEIR_OPTION_BOOL(struct sample_config, flag, .flags = WEIR_LIVE, .fallback = "false",
        .help = "A switch."),
    WEIR_OPTION_INT(struct sample_config, number, .flags = WEIR_LIVE, .fallback = "7",
        .min = 1, .max = 100, .help = "A number."),
    WEIR_OPTION_SIZE(struct sample_config, bytes, .flags = WEIR_LIVE, .fallback = "1M",
        .help = "A size."),
    WEIR_OPTION_TIME(struct sample_config, pause, .flags = WEIR_LIVE, .fallback = "5ms",
        .help = "A time."),
    WEIR_OPTION_RATE(struct sample_config, limit, .flags = WEIR_LIVE, .fallback = "max",
        .help = "A rate."),
    WEIR_OPTION_RATIO(struct sample_config, share, .flags = WEIR_LIVE, .fallback = "0.5",
        .min = 0, .max = 1, .help = "A ratio."),
    WEIR_OPTION_STRING(struct sample_config, word, .flags = WEIR_LIVE, .fallback = "hello",
        .help = "A word."),
    WEIR_OPTION_CHOICE(struct sample_config, mode, .flags = WEIR_LIVE, .fallback = "fast",
        .choices = modes, .help = "A choice."),
    WEIR_OPTION_INT(struct sample_config, fixed, .fallback = "3", .help = "Not live."),
    WEIR_OPTION_STRING(struct sample_config, key, .flags = WEIR_LIVE | WEIR_SECRET,
        .fallback = "swordfish", .help = "Never shown."),
    { 0 },
};

static int64_t lag_value(void *self)
{
    (void)self;
    return -1500000;
}

static int64_t phases_value(void *self)
{
    return ((struct sample *)self)->phases;
}

static void state_show(void *self, struct weir_text *text)
{
    (void)self;
    weir_print(text, "two\nlines \"quoted\"\n");
}

static const struct weir_stat stats[] = {
    WEIR_STAT_COUNTER(struct sample_stats, hits, "requests", "Requests\nseen \\ here."),
    WEIR_STAT_GAUGE(struct sample_stats, level, "bytes", "A level."),
    WEIR_STAT_HISTOGRAM(struct sample_stats, wait, "ns", "A wait."),
    WEIR_STAT_HISTOGRAM(struct sample_stats, length, "bytes", "A length."),
    WEIR_STAT_VALUE(lag_ms_count, lag_value, "ns", "A lag."),
    WEIR_STAT_VALUE(phases, phases_value, "", "Phases of deletions."),
    WEIR_STAT_TEXT(state, state_show, "A text."),
    { 0 },
};
/* clang-format on */

static int echo(void *self, const char *arguments, struct weir_text *answer)
{
    (void)self;
    weir_print(answer, "you said: %s", arguments);
    return 0;
}

static int refuse(void *self, const char *arguments, struct weir_text *answer)
{
    (void)self;
    (void)arguments;
    weir_print(answer, "not today");
    return -EBUSY;
}

static const struct weir_verb verbs[] = {
    { "echo", "Says it again.", echo },
    { "refuse", "Refuses.", refuse },
    { 0 },
};

static int sample_check(const void *config, struct weir_text *why)
{
    const struct sample_config *sample = config;

    if (sample->number == 13) {
        weir_print(why, "13 is not a lucky number");
        return -EINVAL;
    }
    return 0;
}

/* The number tells which deletion to refuse, and the counters which phases came. */
static int sample_event(void *self, const struct weir_event *event, struct weir_text *why)
{
    struct sample *sample = self;

    if (event->type != WEIR_EVENT_DELETE)
        return 0;
    sample->phases = sample->phases * 10 + 1 + (int64_t)event->phase;
    if (event->phase == WEIR_PREPARE && sample->config->number == 99) {
        weir_print(why, "this disk is kept");
        return -EPERM;
    }
    return 0;
}

static int sample_attach(void *self, struct weir_below *below, const void *config,
                         struct weir_text *why)
{
    (void)below;
    (void)why;
    ((struct sample *)self)->config = config;
    return 0;
}

static enum weir_verdict sample_down(void *self, struct weir_request *req)
{
    struct sample_stats *counts = weir_stats(req);

    (void)self;
    weir_add(&counts->hits, 1);
    weir_add(&counts->level, req->length);
    weir_record(&counts->wait, 100000 * (req->offset / 512 + 1));
    weir_record(&counts->length, req->length);
    return WEIR_PASS;
}

static void sample_apply(void *self, const void *config)
{
    ((struct sample *)self)->config = config;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "sample",
    .version = "2.1",
    .summary = "Has a row of each kind.",
    .klass = WEIR_CLASS_INSPECTION,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct sample),
    .config_size = sizeof(struct sample_config),
    .stats_size = sizeof(struct sample_stats),
    .options = options,
    .stats = stats,
    .verbs = verbs,
    .check = sample_check,
    .attach = sample_attach,
    .event = sample_event,
    .apply = sample_apply,
    .down = sample_down,
};
