/* cache.c - how is a cache told to write back what is dirty, and to forget?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The work is done by the verbs of the filter of class cache.  Those that write back return at
 * once, and the state begins with "flushing", "draining" or "detaching" until it is done: that is
 * what is watched.  Whether somebody watches makes no difference to it. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "progress.h"

#define WATCH_SECONDS 0.3
enum { PATIENCE = 3 }; /* s without progress, until trouble that the state tells of ends the wait */

enum outcome { UNDER_WAY, ENDED, STUCK, SILENT };

/* What is known of a cache that writes back. */
struct watch {
    bool all;                 /* no block is dirty at the end; else none that is so since `begun` */
    double begun;             /* s: when the filter had been told */
    uint64_t first, dirty;    /* bytes: when it began, and now */
    uint64_t before, written; /* bytes written back since the filter is there: the same */
    double since;             /* s: no further since then */
    int error;                /* of asking, which is then what was said */
    char *state;
};

enum exit_code cache_open(const struct invocation *invocation, struct filtered *disk)
{
    return filtered_open(invocation, disk, "cache", "{ filter = \"cache\"; pool = \"…\"; }");
}

int cache_figure(const struct invocation *invocation, const struct filtered *disk, const char *name,
                 uint64_t *ret)
{
    cleanup_free char *text = NULL;
    int error = filtered_statistic(invocation, disk, name, &text);

    *ret = error ? 0 : strtoull(text, NULL, 10);
    return error;
}

/* ---- until it is written back ------------------------------------------------- */

static bool begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* "write-back, destage fails: REASON"; it may pass. */
static const char *trouble(const struct watch *watch)
{
    static const char fails[] = "fails: ";
    const char *at = strstr(watch->state, fails);

    return at ? at + sizeof(fails) - 1 : NULL;
}

static int read_figures(const struct invocation *invocation, const struct filtered *disk,
                        struct watch *watch, uint64_t *age)
{
    uint64_t written;
    int error = filtered_statistic(invocation, disk, "state", &watch->state);

    /* the age first: what becomes dirty after it was asked for is younger */
    if (!error)
        error = cache_figure(invocation, disk, "destage_backlog", age);
    if (!error)
        error = cache_figure(invocation, disk, "dirty_bytes", &watch->dirty);
    if (!error)
        error = cache_figure(invocation, disk, "destaged_bytes", &written);
    if (!error && written != watch->written) {
        watch->since = now_seconds();
        watch->written = written;
    }
    return error;
}

static enum outcome look(const struct invocation *invocation, const struct filtered *disk,
                         struct watch *watch)
{
    double asked = now_seconds();
    uint64_t age;

    free(watch->state);
    watch->state = NULL;
    watch->error = read_figures(invocation, disk, watch, &age);
    if (watch->error)
        return SILENT;
    if (!watch->dirty || begins(watch->state, "locked"))
        return ENDED;
    if (!watch->all && (double)age / 1000 < asked - watch->begun)
        return ENDED;
    return trouble(watch) && now_seconds() - watch->since > PATIENCE ? STUCK : UNDER_WAY;
}

/* A guest that goes on writing makes new dirty blocks: those written back count, too. */
static int percent_of(const struct watch *watch)
{
    uint64_t done = watch->written - watch->before;

    if (watch->dirty < watch->first && watch->first - watch->dirty > done)
        done = watch->first - watch->dirty;
    if (!watch->first || done >= watch->first)
        return 99;
    return (int)(done * 100 / watch->first);
}

/* Says nothing while the bar is on the screen. */
static enum outcome watch_work(const struct invocation *invocation, const struct filtered *disk,
                               const char *doing, struct watch *watch)
{
    const double end = now_seconds() + timeout_ms(invocation, 0) / 1000.0;
    const bool for_ever = !invocation->option[OPTION_TIMEOUT];
    cleanup_text struct weir_text what = { 0 };
    enum outcome outcome;
    struct progress progress;

    weir_print(&what, "%s %s", doing, disk->export);
    progress_init(&progress, text_string(&what), invocation->option[OPTION_JSON] != NULL);
    while ((outcome = look(invocation, disk, watch)) == UNDER_WAY) {
        if (!for_ever && now_seconds() > end)
            break;
        progress_tell(&progress, percent_of(watch));
        wait_seconds(WATCH_SECONDS);
    }
    progress_finish(&progress);
    return outcome;
}

static enum exit_code say_outcome(const struct invocation *invocation, const struct filtered *disk,
                                  const struct watch *watch, enum outcome outcome)
{
    cleanup_text struct weir_text left = { 0 };

    show_bytes((double)watch->dirty, &left);
    switch (outcome) {
    case UNDER_WAY:
        return say(invocation, -ETIMEDOUT,
                   "%s of \"%s\" are dirty, and the work goes on without weirctl: weirctl cache "
                   "status %s",
                   text_string(&left), disk->export, disk->export);
    case STUCK:
        return say(invocation, -EIO, "%s of \"%s\" are dirty, and it gets no further: %s",
                   text_string(&left), disk->export, trouble(watch));
    case SILENT:
        if (!watch->error || !watch->state || !*watch->state)
            return say_silent(invocation, disk->gateway);
        return say(invocation, watch->error, "%s", watch->state);
    case ENDED:
        break;
    }
    if (!begins(watch->state, "locked"))
        return DONE;
    return say(invocation, -EIO, "%s of \"%s\" are dirty, and its cache is %s", text_string(&left),
               disk->export, watch->state);
}

static enum exit_code wait_until_done(const struct invocation *invocation,
                                      const struct filtered *disk, const char *doing,
                                      struct watch *watch)
{
    enum outcome outcome = watch_work(invocation, disk, doing, watch);
    enum exit_code code = say_outcome(invocation, disk, watch, outcome);

    free(watch->state);
    return code;
}

/* ---- the verbs ----------------------------------------------------------------- */

/* `doing`: how progress calls it. */
static enum exit_code work(const struct invocation *invocation, const char *doing, bool all)
{
    cleanup_filtered struct filtered disk = { 0 };
    const char *verb = invocation->command->verb;
    struct watch watch = { .all = all };
    struct json_object *answer = NULL;
    enum exit_code code = cache_open(invocation, &disk);

    if (!code) {
        /* a filter that does not answer says so to the verb */
        cache_figure(invocation, &disk, "dirty_bytes", &watch.first);
        cache_figure(invocation, &disk, "destaged_bytes", &watch.before);
        watch.written = watch.before;
        code = filtered_verb(invocation, &disk, doing, verb, NULL, &answer);
    }
    watch.begun = watch.since = now_seconds();
    if (!code && !invocation->option[OPTION_NO_WAIT])
        code = wait_until_done(invocation, &disk, doing, &watch);
    if (!code)
        code = filtered_finish(invocation, &disk, verb, text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

enum exit_code ctl_cache_flush(const struct invocation *invocation)
{
    return work(invocation, "flushing", false);
}

enum exit_code ctl_cache_drain(const struct invocation *invocation)
{
    return work(invocation, "draining", true);
}

enum exit_code ctl_cache_detach(const struct invocation *invocation)
{
    return work(invocation, "detaching", true);
}

enum exit_code ctl_cache_fill(const struct invocation *invocation)
{
    return filtered_run(invocation, cache_open, "filling");
}

enum exit_code ctl_cache_invalidate(const struct invocation *invocation)
{
    return filtered_run(invocation, cache_open, "invalidating");
}

/* Without "yes" the filter says what would be lost. */
enum exit_code ctl_cache_discard(const struct invocation *invocation)
{
    return filtered_run(invocation, cache_open, "discarding the dirty blocks of");
}
