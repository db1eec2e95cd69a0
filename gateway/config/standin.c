/* standin.c - what stands in a chain for a filter that cannot be loaded?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk must never be served without a filter that its policy asks for, and one
 * missing shared object must not keep a whole gateway from starting.  So a stand-in
 * takes the filter's place, which refuses to attach: the export locks, with the reason. */
#include "../scope.h"
#include "configuration.h"

#include <errno.h>
#include <string.h>

struct standin_config {
    const char *reason;
};

static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct standin_config, reason, .help = "Why the filter is not there."),
    { 0 },
};

struct standin {
    struct library library; /* first: the loader's pointers are ours */
    struct standin *next;
    char *name;
};

/* One per name ever missed: libraries are never freed, the real ones neither. */
static struct {
    pthread_mutex_t lock; /* the list; innermost */
    struct standin *first;
} standins = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int refuse(void *self, struct weir_below *below, const void *config, struct weir_text *why)
{
    const struct standin_config *c = config;

    (void)self;
    (void)below;
    weir_print(why, "%s", c->reason);
    return -ENOENT;
}

static struct standin *make(const char *name)
{
    struct standin *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->name = strdup(name);
    if (!s->name) {
        free(s);
        return NULL;
    }
    s->library.path = "";
    s->library.filter = (struct weir_filter){
        WEIR_FILTER_HEADER,  .name = s->name,
        .version = "0",      .summary = "Stands for a filter that is not there.",
        .ops = WEIR_ALL_OPS, .config_size = sizeof(struct standin_config),
        .options = options,  .attach = refuse,
    };
    s->next = standins.first;
    standins.first = s;
    return s;
}

struct library *standin_get(const char *name)
{
    hold_lock(&standins.lock);
    struct standin *s = standins.first;

    while (s && strcmp(s->name, name))
        s = s->next;
    if (!s)
        s = make(name);
    return s ? loader_ref(&s->library) : NULL;
}

bool standin_is(const struct library *l)
{
    return l->filter.attach == refuse;
}
