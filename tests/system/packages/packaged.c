/* packaged.c - what do the packages of the tests hold?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A filter that passes and counts, in versions that meson.build tells apart: VERSION; KLASS;
 * WITHOUT_WORD: it lacks an option that others have; REFUSES: it does not attach to the export
 * "second"; LOCKS: it attaches there, and locks the disk; KILLS: it takes the gateway along;
 * CHECKS: it refuses what others take; TRANSFORMS: it says that it changes what is stored; POOLED:
 * it takes what the tests say to a cache. */
#include "weir-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef KLASS
#define KLASS WEIR_CLASS_NONE
#endif
#ifndef NAME
#define NAME "packaged"
#endif

struct config {
    const char *word;
#ifdef POOLED
    const char *pool, *mode, *sequential;
#endif
};

struct stats {
    weir_counter requests;
};

struct packaged {
    struct weir_below *below;
};

/* What runs the moment that it is loaded, whatever the loader thinks of it afterwards. */
__attribute__((constructor)) static void say_loaded(void)
{
    const char *path = getenv("WEIR_CONSTRUCTED");
    int fd = path ? open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;

    if (fd >= 0)
        close(fd);
}

static int packaged_attach(void *self, struct weir_below *below, const void *config,
                           struct weir_text *why)
{
    struct packaged *p = self;

    (void)config;
    (void)why;
    p->below = below;
#ifdef REFUSES
    if (strcmp(weir_export_name(below), "second") == 0) {
        weir_print(why, "version " VERSION " does not like this disk");
        return -EINVAL;
    }
#endif
#ifdef KILLS
    if (strcmp(weir_export_name(below), "second") == 0)
        kill(getpid(), SIGKILL);
#endif
#ifdef LOCKS
    if (strcmp(weir_export_name(below), "second") == 0)
        weir_lock_export(below, "version " VERSION " has lost its key");
#endif
    return 0;
}

static enum weir_verdict packaged_down(void *self, struct weir_request *req)
{
    struct packaged *p = self;
    struct stats *s = weir_own_stats(p->below);

    (void)req;
    weir_add(&s->requests, 1);
    return WEIR_PASS;
}

#ifdef CHECKS
static int packaged_check(const void *config, struct weir_text *why)
{
    const struct config *c = config;

    if (strcmp(c->word, "old") != 0)
        return 0;
    weir_print(why, "the word \"%s\" is not taken any more", c->word);
    return -EINVAL;
}
#endif

static const struct weir_option options[] = {
#ifndef WITHOUT_WORD
    WEIR_OPTION_STRING(struct config, word, .fallback = "none", .flags = WEIR_LIVE,
                       .help = "Any word."),
#endif
#ifdef POOLED
    WEIR_OPTION_STRING(struct config, pool, .flags = WEIR_NAMES_POOL, .help = "A pool."),
    WEIR_OPTION_STRING(struct config, mode, .fallback = "", .help = "Any word."),
    WEIR_OPTION_STRING(struct config, sequential, .fallback = "", .help = "Any word."),
#endif
    { 0 },
};

static const struct weir_stat stats[] = {
    WEIR_STAT_COUNTER(struct stats, requests, "requests", "What it has seen."),
    { 0 },
};

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = NAME,
    .version = VERSION,
    .summary = "Passes and counts.",
    .klass = KLASS,
#ifdef TRANSFORMS
    .flags = WEIR_TRANSFORMS,
#endif
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct packaged),
    .config_size = sizeof(struct config),
    .stats_size = sizeof(struct stats),
    .options = options,
    .stats = stats,
    .attach = packaged_attach,
    .down = packaged_down,
#ifdef CHECKS
    .check = packaged_check,
#endif
};
