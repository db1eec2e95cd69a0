/* index-mend.c - what is known of a run, and what if its file is damaged or gone?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All that a run says is in the log, or in the runs that it was made of. */
#include "index-list.h"

#include <errno.h>
#include <stdlib.h>

#include "scope.h"

int index_facts(struct index *index, struct run *run, struct run_facts *ret)
{
    struct source s;
    int r;

    if (atomic_load(&run->known) == 2) {
        *ret = run->facts;
        return 0;
    }
    r = source_open(&s, index->medium, run);
    if (!r) {
        *ret = s.facts;
        source_close(&s);
    } else if (r == -EBADMSG || r == -ENOENT) {
        r = index_mend(index, run);
        r = r ? r : -EAGAIN;
    }
    return r;
}

/* Takes it off its list; false: it was not there any more. */
static bool take_off(struct index *index, struct run *run)
{
    hold_lock(&index->lock);
    struct run_list *list = &index->level[run->level];
    const size_t i = run_list_behind(list, run->from);

    if (i == list->count || list->run[i] != run)
        return false;
    run_list_remove(list, i);
    if (index->merged[run->level] > run->from)
        index->merged[run->level] = 0; /* it is merged again */
    pthread_cond_broadcast(&index->changed);
    return true;
}

struct again {
    struct run *run;
    struct entries entries;
};

static int each_frame(void *arg, const struct frame *frame, const void *payload)
{
    struct again *a = arg;

    run_facts_add(&a->run->facts, frame);
    return entries_add_frame(&a->entries, frame, payload);
}

/* A run in memory of one segment, from the log. */
static int scan_again(struct index *index, uint64_t from, struct run **ret)
{
    struct again a = { .run = run_create(0, from, from + SEGMENT) };
    const uint64_t trimmed = atomic_load(&index->trimmed);
    int r = a.run ? 0 : -ENOMEM;

    if (!r)
        r = log_scan(index->log, trimmed > from ? trimmed : from, from + SEGMENT, each_frame, &a);
    if (!r)
        r = entries_resolve(a.entries.entry, a.entries.count, &a.run->entries, &a.run->count);
    entries_finish(&a.entries);
    if (r) {
        run_put(a.run);
        return r;
    }
    a.run->in_memory = true;
    atomic_store(&a.run->known, 2);
    *ret = a.run;
    return 0;
}

int index_mend(struct index *index, struct run *run)
{
    char name[RUN_NAME];
    struct run *again = NULL;
    int r = 0;

    if (run->in_memory)
        return -EIO;
    if (run->level == 0 && (r = scan_again(index, run->from, &again)))
        return r;
    if (!take_off(index, run)) { /* somebody else did, or it was trimmed */
        run_put(again);
        return 0;
    }
    run_name(run, name);
    index->medium->remove(index->medium, name);
    run_put(run); /* the list's */
    if (again) {
        hold_lock(&index->lock);
        r = run_list_add(&index->level[0], again);
        pthread_cond_broadcast(&index->changed);
    }
    if (r)
        run_put(again);
    return r;
}
