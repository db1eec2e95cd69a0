/* probe.c - what does a probe filter do, and who was told what?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

struct probe probes[PROBES];
struct seen seen[SEEN_MAX];

/* guards seen[] and how many there are; a leaf */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned seen_count;

/* ---- who was told what ------------------------------------------------------- */

void write_down(int who, char side, const struct weir_request *req)
{
    pthread_mutex_lock(&seen_lock);
    if (seen_count < SEEN_MAX)
        seen[seen_count++] = (struct seen){ who, side, *req };
    pthread_mutex_unlock(&seen_lock);
}

void forget(void)
{
    pthread_mutex_lock(&seen_lock);
    seen_count = 0;
    pthread_mutex_unlock(&seen_lock);
}

const char *error_name(int error)
{
    const char *name = error == EOPNOTSUPP ? "ENOTSUP" : strerrorname_np(error);

    return error ? name : "";
}

const char *told(void)
{
    static char text[SEEN_MAX * 24]; /* for one reader: the test's own thread */
    size_t at = 0;

    text[0] = '\0';
    pthread_mutex_lock(&seen_lock);
    for (unsigned i = 0; i < seen_count; i++) {
        const struct seen *s = &seen[i];
        char who = s->who == STORE ? 's' : (char)('0' + s->who);
        const char *error = s->side == '<' ? error_name(s->req.error) : "";

        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%c%c%c%s%s", i ? " " : "", who,
                               s->side, "rwftzpe"[s->req.op], *error ? "!" : "", error);
    }
    pthread_mutex_unlock(&seen_lock);
    return text;
}

const struct seen *saw(int who, char side, unsigned n)
{
    const struct seen *found = NULL;

    pthread_mutex_lock(&seen_lock);
    for (unsigned i = 0; i < seen_count && !found; i++)
        if (seen[i].who == who && seen[i].side == side && n-- == 0)
            found = &seen[i];
    pthread_mutex_unlock(&seen_lock);
    return found;
}

/* ---- the probe filter -------------------------------------------------------- */

struct probe_config {
    int64_t slot, level;
};

static const struct weir_option probe_options[] = {
    WEIR_OPTION_INT(struct probe_config, slot, .fallback = "0", .min = 0, .max = PROBES - 1,
                    .help = "Which probe this is."),
    WEIR_OPTION_INT(struct probe_config, level, .flags = WEIR_LIVE, .fallback = "0", .min = 0,
                    .max = 1000000, .help = "A number that may change."),
    { 0 },
};

static enum weir_verdict probe_down(void *self, struct weir_request *req)
{
    struct probe *p = *(struct probe **)self;

    write_down(p->index, '>', req);
    return p->down ? p->down(p, req) : WEIR_PASS;
}

static enum weir_verdict probe_up(void *self, struct weir_request *req)
{
    struct probe *p = *(struct probe **)self;

    write_down(p->index, '<', req);
    return p->up ? p->up(p, req) : WEIR_PASS;
}

static void probe_abort(void *self, struct weir_request *req)
{
    struct probe *p = *(struct probe **)self;

    if (p->abort)
        p->abort(p, req);
}

static int probe_attach(void *self, struct weir_below *below, const void *settings,
                        struct weir_text *why)
{
    const struct probe_config *config = settings;
    struct probe *p = &probes[config->slot];

    *(struct probe **)self = p;
    p->below = below;
    return p->attach ? p->attach(p, why) : 0;
}

static int probe_geometry(void *self, struct weir_geometry *geometry, struct weir_text *why)
{
    struct probe *p = *(struct probe **)self;
    return p->geometry ? p->geometry(p, geometry, why) : 0;
}

static void probe_apply(void *self, const void *settings)
{
    (void)self;
    (void)settings;
}

static int probe_drain(void *self, bool begin, struct weir_text *why)
{
    struct probe *p = *(struct probe **)self;

    if (p->drain)
        p->drain(p, begin);
    if (begin && p->stays_busy)
        weir_print(why, "probe%d is busy", p->index);
    return begin && p->stays_busy ? -EBUSY : 0;
}

static int probe_event(void *self, const struct weir_event *event, struct weir_text *why)
{
    struct probe *p = *(struct probe **)self;
    return p->event ? p->event(p, event, why) : 0;
}

static void probe_detach(void *self)
{
    struct probe *p = *(struct probe **)self;

    *(struct probe **)self = NULL; /* whoever calls it now falls over */
    if (p->detach)
        p->detach(p);
}

static int64_t probe_index(void *self)
{
    struct probe *p = *(struct probe **)self;

    usleep(10); /* time for a detach to come in between */
    return p->index;
}

static const struct weir_stat probe_stats[] = {
    WEIR_STAT_VALUE(index, probe_index, "probes", "Which probe this is."),
    { 0 },
};

void probe_init(struct probe *p, int index)
{
    static const char *const names[PROBES] = { "probe0", "probe1", "probe2", "probe3", "probe4" };

    *p = (struct probe){ .index = index };
    sem_init(&p->sem, 0, 0);
    p->library = (struct library){
        .path = "(stage)",
        .users = 1u << 20, /* more than a test gives back: the loader never closes it */
        .filter = { WEIR_FILTER_HEADER,
                    .name = names[index],
                    .version = "1",
                    .summary = "Says what it sees.",
                    .klass = WEIR_CLASS_NONE,
                    .ops = WEIR_ALL_OPS,
                    .self_size = sizeof(struct probe *),
                    .request_size = 64,
                    .config_size = sizeof(struct probe_config),
                    .options = probe_options,
                    .attach = probe_attach,
                    .geometry = probe_geometry,
                    .apply = probe_apply,
                    .stats = probe_stats,
                    .drain = probe_drain,
                    .event = probe_event,
                    .detach = probe_detach,
                    .down = probe_down,
                    .up = probe_up,
                    .abort = probe_abort },
    };
}
