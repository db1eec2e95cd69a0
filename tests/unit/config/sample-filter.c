/* sample-filter.c - filters for the tests of the configuration: all kinds of options, no data path
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Built once for each of SAMPLE_CACHE, SAMPLE_TIER, SAMPLE_REPLICATION, SAMPLE_NOTE,
 * SAMPLE_LATE, SAMPLE_STUBBORN and SAMPLE_POOLED. */
#include "weir-filter.h"

#include <errno.h>
#include <string.h>

#if defined SAMPLE_CACHE || defined SAMPLE_TIER
static const char *const modes[] = { "write-back", "write-through", "around", NULL };
struct config {
    uint64_t block, pool_size, delay, rate;
    double ratio;
    bool scrub;
    int64_t depth;
    int mode;
    const char *pool, *key;
};
static const struct weir_option options[] = {
    WEIR_OPTION_SIZE(struct config, block, .fallback = "4K", .min = 512, .max = 1 << 20,
                     .flags = WEIR_LIVE, .help = "Bytes of one block."),
    WEIR_OPTION_SIZE(struct config, pool_size, .fallback = "1G", .help = "Bytes of the pool."),
    WEIR_OPTION_TIME(struct config, delay, .fallback = "5ms", .max = 1000000000, .flags = WEIR_LIVE,
                     .help = "How long to wait."),
    WEIR_OPTION_RATE(struct config, rate, .fallback = "max", .flags = WEIR_LIVE,
                     .help = "Bytes per second."),
    WEIR_OPTION_RATIO(struct config, ratio, .fallback = "50%", .max = 1, .flags = WEIR_LIVE,
                      .help = "How full."),
    WEIR_OPTION_BOOL(struct config, scrub, .fallback = "false", .flags = WEIR_LIVE,
                     .help = "Whether it looks again."),
    WEIR_OPTION_INT(struct config, depth, .fallback = "4", .min = 1, .max = 64, .flags = WEIR_LIVE,
                    .help = "How deep."),
    WEIR_OPTION_CHOICE(struct config, mode, .fallback = "around", .choices = modes,
                       .help = "How writes go."),
    WEIR_OPTION_STRING(struct config, pool, .fallback = "main", .help = "Which pool."),
    WEIR_OPTION_STRING(struct config, key, .flags = WEIR_SECRET, .help = "The pool's key."),
    { 0 },
};
static int check(const void *config, struct weir_text *why)
{
    const struct config *c = config;

    if (c->block <= c->pool_size)
        return 0;
    weir_print(why, "a pool must hold one block: make pool_size larger");
    return -EINVAL;
}
#elif defined SAMPLE_REPLICATION
struct config {
    const char *target;
};
static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct config, target, .flags = WEIR_REQUIRED, .help = "Where to."),
    { 0 },
};
static int check(const void *config, struct weir_text *why)
{
    const struct config *c = config;

    if (strncmp(c->target, "nbd", 3) == 0)
        return 0;
    weir_print(why, "target \"%s\" is no NBD URI", c->target);
    return -EINVAL;
}
#elif defined SAMPLE_POOLED
struct config {
    const char *pool, *other;
};
static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct config, pool, .flags = WEIR_NAMES_POOL, .help = "Which pool."),
    WEIR_OPTION_STRING(struct config, other, .flags = WEIR_NAMES_POOL | WEIR_LIVE,
                       .help = "Which other pool."),
    { 0 },
};
static int check(const void *config, struct weir_text *why)
{
    (void)config;
    (void)why;
    return 0;
}
#else
struct config {
    bool refuse;
    int64_t number;
};
static const struct weir_option options[] = {
    WEIR_OPTION_BOOL(struct config, refuse, .fallback = "false", .help = "Whether to attach."),
    WEIR_OPTION_INT(struct config, number, .flags = WEIR_LIVE, .help = "Any."),
    { 0 },
};
static int check(const void *config, struct weir_text *why)
{
    (void)config;
    (void)why;
    return 0;
}
#endif

#ifdef SAMPLE_STUBBORN
static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    const struct config *c = config;

    (void)self;
    (void)below;
    if (!c->refuse)
        return 0;
    weir_print(why, "it was told to refuse");
    return -EIO;
}
#endif

#ifdef SAMPLE_POOLED
static atomic_int attached; /* how often, since it was loaded */

struct self {
    struct weir_below *below;
    struct weir_pool pool;
};

/* It refuses a pool of 99M. */
static int attach(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    const struct config *c = config;
    struct self *s = self;
    struct weir_pool last;

    s->below = below;
    atomic_fetch_add(&attached, 1);
    int r = *c->pool ? weir_pool(below, c->pool, &s->pool) : 0;
    if (!r && *c->other)
        r = weir_pool(below, c->other, &last);
    if (r || s->pool.size != 99 << 20)
        return r;
    weir_print(why, "it dislikes pools of 99M");
    return -EIO;
}

static int64_t times_attached(void *self)
{
    (void)self;
    return atomic_load(&attached);
}

/* What it was told at first, and is told now. */
static void show_pool(void *self, struct weir_text *text)
{
    const struct self *s = self;
    const struct config *c = weir_own_config(s->below);
    struct weir_pool now;

    int r = weir_pool(s->below, c->pool, &now);
    if (!r && now.path == s->pool.path)
        weir_print(text, "%s %s %llu", now.name, strrchr(now.path, '/'),
                   (unsigned long long)now.size);
    r = weir_pool(s->below, c->other, &now);
    if (!r)
        weir_print(text, ", %s %s %llu", now.name, strrchr(now.path, '/'),
                   (unsigned long long)now.size);
}

static const struct weir_stat stats[] = {
    WEIR_STAT_VALUE(attached, times_attached, "times", "How often it was attached."),
    WEIR_STAT_TEXT(pool, show_pool, "What it knows of its pools."),
    { 0 },
};
#endif

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,        .version = "1",
    .summary = "Is a sample.",
#if defined SAMPLE_CACHE
    .name = "cache",           .klass = WEIR_CLASS_CACHE,
#elif defined SAMPLE_TIER
    .name = "tier",
    .klass = WEIR_CLASS_CACHE,
#elif defined SAMPLE_REPLICATION
    .name = "replication",     .klass = WEIR_CLASS_REPLICATION,
#elif defined SAMPLE_STUBBORN
    .name = "stubborn",        .attach = attach,
#elif defined SAMPLE_POOLED
    .name = "pooled",          .attach = attach,
    .stats = stats,            .self_size = sizeof(struct self),
#elif defined SAMPLE_LATE
    .name = "late",
#else
    .name = "note",
#endif
    .ops = WEIR_ALL_OPS,       .config_size = sizeof(struct config),
    .options = options,        .check = check,
};
