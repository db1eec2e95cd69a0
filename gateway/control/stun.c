/* stun.c - who lets a disk go on when whoever stopped it has died?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A stun of a script that was killed would be a dead guest.  Each stun through the
 * control socket therefore has an end, and the server's thread sees to it. */
#include "stun.h"

#include <errno.h>

#include "../events.h"
#include "../gateway.h"
#include "../scope.h"
#include "wire.h"

struct stun {
    struct stun *next;
    struct export *export;
    uint64_t end_ms;
};
/* The exports that are stunned now, of this process. */
static struct stun *stuns;
/* Guards `stuns`; nothing is taken under it: exports are unstunned after it is released. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int stun_begin(struct export *export, uint64_t limit_ms, struct weir_text *why)
{
    struct stun *stun = calloc(1, sizeof(*stun));

    if (!stun)
        return -ENOMEM;
    int error = export_stun(export, why);
    if (error) {
        free(stun);
        return error;
    }
    *stun = (struct stun){ NULL, export_ref(export), wire_now_ms() + limit_ms };
    hold_lock(&lock);
    stun->next = stuns;
    stuns = stun;
    return 0;
}

/* Takes out the first that is of `export` (NULL: of any) and ends before `now`. */
static struct stun *take(const struct export *export, uint64_t now)
{
    hold_lock(&lock);

    for (struct stun **at = &stuns; *at; at = &(*at)->next) {
        struct stun *stun = *at;
        if ((!export || stun->export == export) && stun->end_ms <= now) {
            *at = stun->next;
            return stun;
        }
    }
    return NULL;
}

static void let_go(struct stun *stun)
{
    export_unstun(stun->export);
    export_unref(stun->export);
    free(stun);
}

void stun_end(struct export *export)
{
    struct stun *stun;

    while ((stun = take(export, UINT64_MAX)))
        let_go(stun);
    export_unstun(export);
}

void stun_end_late(uint64_t now_ms)
{
    struct stun *stun;

    while ((stun = take(NULL, now_ms))) {
        if (now_ms != UINT64_MAX)
            event_post(WEIR_WARNING, export_name(stun->export), NULL,
                       "the stun reached its limit: the disk goes on");
        let_go(stun);
    }
}
