/* retry.c - must a guest hear of a datastore that was away for a moment?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A request that fails is held and tried again until it works, or has been tried long enough.
 *
 * Never a flush, nor a write with FUA: when a flush fails Linux forgets which pages were not
 * written, so that the next flush succeeds and the data is gone.  Who asked for it must hear of it.
 *
 * Nor is a request given back while a try of it is under way below: its client would write
 * there again, and the late try would overwrite that. */
#include <weir-filter.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct retry_config {
    uint64_t every, give_up;
    int errors;
};

struct retry_stats {
    weir_counter failures, tries, healed, given_up;
    struct weir_histogram outage;
};

struct retry {
    struct weir_below *below;
    pthread_mutex_t lock; /* all below, and each struct held; taken first, no I/O under it */
    pthread_cond_t none;  /* `first` has become NULL */
    struct retry_config now;
    struct held *first;
    int64_t waiting;
    bool draining;
};

/* In the scratch space of a request; zero until up() holds it. */
struct held {
    struct retry *retry;
    struct held *next, **link; /* link NULL: not held, or given back already */
    struct weir_request *req, io;
    uint64_t since;
    bool trying, enough;
};

/* ---- tables: what users can set, see and say -------------------------------------- */

enum { BOTH, ONLY_EIO, ONLY_ENOSPC };
static const char *const error_names[] = { "both", "EIO", "ENOSPC", NULL };
static const struct weir_word never[] = { { "never", 0 }, { 0 } };

static const struct weir_option options[] = {
    WEIR_OPTION_TIME(struct retry_config, every, .flags = WEIR_LIVE, .fallback = "200ms",
                     .min = 1000000, .max = 60000000000,
                     .help = "How long to wait before each try."),
    WEIR_OPTION_TIME(struct retry_config, give_up, .flags = WEIR_LIVE, .fallback = "20s",
                     .min = 1000000, .max = 86400000000000, .words = never,
                     .help = "After how long a request fails after all."),
    WEIR_OPTION_CHOICE(struct retry_config, errors, .flags = WEIR_LIVE, .fallback = "both",
                       .choices = error_names,
                       .help = "After which error a request is tried again."),
    { 0 },
};

static int64_t show_waiting(void *self)
{
    struct retry *r = self;

    pthread_mutex_lock(&r->lock);
    int64_t waiting = r->waiting;
    pthread_mutex_unlock(&r->lock);
    return waiting;
}

static const struct weir_stat stats[] = {
    WEIR_STAT_COUNTER(struct retry_stats, failures, "requests", "Requests that failed at first."),
    WEIR_STAT_COUNTER(struct retry_stats, tries, "requests", "Times that one was tried again."),
    WEIR_STAT_COUNTER(struct retry_stats, healed, "requests", "Requests that worked in the end."),
    WEIR_STAT_COUNTER(struct retry_stats, given_up, "requests", "Requests that failed after all."),
    WEIR_STAT_HISTOGRAM(struct retry_stats, outage, "ns", "Time until one worked in the end."),
    WEIR_STAT_VALUE(waiting, show_waiting, "requests", "Requests that are held just now."),
    { 0 },
};

/* ---- one held request ---------------------------------------------------------------- */

static uint64_t monotonic_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_worth_it(const struct retry_config *c, int error)
{
    return (error == EIO && c->errors != ONLY_ENOSPC) || (error == ENOSPC && c->errors != ONLY_EIO);
}

/* Under the lock.  After it the request is not ours, nor is what lies in its scratch space. */
static void give_back(struct held *h, int error)
{
    struct retry *r = h->retry;
    struct retry_stats *s = weir_own_stats(r->below);

    *h->link = h->next;
    if (h->next)
        h->next->link = h->link;
    h->link = NULL;
    r->waiting--;
    if (!r->first)
        pthread_cond_broadcast(&r->none);
    if (!error && h->io.op == WEIR_READ)
        memcpy(h->req->data, h->io.data, h->io.length);
    free(h->io.data);
    if (error) {
        weir_add(&s->given_up, 1);
        weir_resume_error(h->req, error);
    } else {
        weir_add(&s->healed, 1);
        weir_record(&s->outage, monotonic_ns() - h->since);
        weir_resume(h->req, WEIR_COMPLETE); /* clears the error */
    }
}

/* A try has ended: on a thread of the gateway, or in due() when it could not begin. */
static void tried(void *arg, int error)
{
    struct held *h = arg;
    struct retry *r = h->retry;

    pthread_mutex_lock(&r->lock);
    uint64_t now = monotonic_ns();
    bool late = r->now.give_up && now - h->since >= r->now.give_up;
    if (h->enough && h->io.op == WEIR_READ)
        error = EIO; /* the gateway may have given up on us, and the client's buffer be gone */
    h->trying = false;
    if (!error || late || h->enough || r->draining || !is_worth_it(&r->now, error))
        give_back(h, error);
    else
        weir_resume_at(h->req, now + r->now.every, WEIR_PASS);
    pthread_mutex_unlock(&r->lock);
}

/* The time for a try has come; or somebody has just given the request back. */
static enum weir_verdict retry_due(void *self, struct weir_request *req)
{
    struct retry *r = self;
    struct held *h = weir_scratch(req);

    pthread_mutex_lock(&r->lock);
    bool mine = h->link && !h->trying;
    h->trying = h->trying || mine;
    pthread_mutex_unlock(&r->lock);
    if (!mine)
        return WEIR_DEFER;
    weir_add(&((struct retry_stats *)weir_stats(req))->tries, 1);
    if (weir_submit(r->below, &h->io, tried, h))
        tried(h, EIO); /* no memory for it just now */
    return WEIR_DEFER;
}

/* The hold limit: let go, but for a try that is under way, which ends it. */
static void retry_abort(void *self, struct weir_request *req)
{
    struct retry *r = self;
    struct held *h = weir_scratch(req);

    pthread_mutex_lock(&r->lock);
    h->enough = true;
    if (h->link && !h->trying)
        give_back(h, req->error);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the data path ------------------------------------------------------------------- */

static enum weir_verdict retry_up(void *self, struct weir_request *req)
{
    const uint32_t tried_again = WEIR_OP(WEIR_READ) | WEIR_CHANGES;
    struct retry *r = self;

    if (!req->error || !is_worth_it(weir_config(req), req->error) || (req->flags & WEIR_FUA) ||
        !(WEIR_OP(req->op) & tried_again))
        return WEIR_PASS;
    weir_add(&((struct retry_stats *)weir_stats(req))->failures, 1);

    /* A buffer of its own: if the gateway gives up on us, the client's goes away under a try. */
    const bool has_data = req->op == WEIR_READ || req->op == WEIR_WRITE;
    void *copy = has_data ? malloc(req->length) : NULL;
    if (has_data && !copy)
        return WEIR_PASS;
    if (req->op == WEIR_WRITE)
        memcpy(copy, req->data, req->length);
    struct held *h = weir_scratch(req);
    *h = (struct held){ .retry = r, .req = req, .since = monotonic_ns() };
    h->io = (struct weir_request){ .op = req->op,
                                   .flags = req->flags,
                                   .data = copy,
                                   .offset = req->offset,
                                   .length = req->length };

    pthread_mutex_lock(&r->lock);
    const bool draining = r->draining;
    if (!draining) {
        h->next = r->first;
        h->link = &r->first;
        if (h->next)
            h->next->link = &h->next;
        r->first = h;
        r->waiting++;
        weir_resume_at(req, h->since + r->now.every, WEIR_PASS);
    }
    pthread_mutex_unlock(&r->lock);
    if (draining)
        free(copy);
    return draining ? WEIR_PASS : WEIR_DEFER;
}

/* ---- the control path ---------------------------------------------------------------- */

static int retry_attach(void *self, struct weir_below *below, const void *config,
                        struct weir_text *why)
{
    struct retry *r = self;

    (void)why;
    r->below = below;
    r->now = *(const struct retry_config *)config;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->none, NULL);
    return 0;
}

/* Those who wait see a new `give_up` at their next try, too. */
static void retry_apply(void *self, const void *config)
{
    struct retry *r = self;

    pthread_mutex_lock(&r->lock);
    r->now = *(const struct retry_config *)config;
    pthread_mutex_unlock(&r->lock);
}

/* Each has a last try, at once: what comes back until `false` is not held. */
static int retry_drain(void *self, bool begin, struct weir_text *why)
{
    struct retry *r = self;

    (void)why;
    pthread_mutex_lock(&r->lock);
    r->draining = begin;
    for (struct held *h = begin ? r->first : NULL; h; h = h->next)
        if (!h->trying)
            weir_resume_at(h->req, monotonic_ns(), WEIR_PASS);
    while (begin && r->first)
        pthread_cond_wait(&r->none, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static void retry_detach(void *self)
{
    struct retry *r = self;

    pthread_cond_destroy(&r->none);
    pthread_mutex_destroy(&r->lock);
}

static int verb_give_up(void *self, const char *arguments, struct weir_text *answer)
{
    struct retry *r = self;

    if (*arguments) {
        weir_print(answer, "give-up takes nothing, and \"%s\" was said", arguments);
        return -EINVAL;
    }
    pthread_mutex_lock(&r->lock);
    int64_t waiting = r->waiting;
    for (struct held *h = r->first, *next; h; h = next) {
        next = h->next;
        h->enough = true;
        if (!h->trying)
            give_back(h, h->req->error);
    }
    pthread_mutex_unlock(&r->lock);
    weir_print(answer, "%lld requests fail now\n", (long long)waiting);
    return 0;
}

static const struct weir_verb verbs[] = {
    { "give-up", "All requests that wait fail now.", verb_give_up },
    { 0 },
};

/* clang-format off */
const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "retry",
    .version = "1",
    .summary = "Tries failed requests again.",
    .klass = WEIR_CLASS_NONE,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct retry),
    .request_size = sizeof(struct held),
    .config_size = sizeof(struct retry_config),
    .stats_size = sizeof(struct retry_stats),
    .options = options,
    .stats = stats,
    .verbs = verbs,
    .attach = retry_attach,
    .apply = retry_apply,
    .drain = retry_drain,
    .detach = retry_detach,
    .up = retry_up,
    .abort = retry_abort,
    .due = retry_due,
};
/* clang-format on */
