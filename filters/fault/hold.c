/* hold.c - where do requests wait until somebody lets them go?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fault.h"

#include <stdlib.h>

/* A request that is given back after the core may have given it up: not in its scratch,
 * which may be gone by then. */
struct hold_late {
    struct hold_late *next;
    struct weir_request *req;
};

void hold_init(struct hold_list *list)
{
    pthread_mutex_init(&list->lock, NULL);
}

void hold_finish(struct hold_list *list)
{
    for (struct hold_late *late = list->late, *next; late; late = next) {
        next = late->next;
        free(late);
    }
    pthread_mutex_destroy(&list->lock);
}

bool hold_add(struct hold_list *list, struct hold_link *link, struct weir_request *req, int error)
{
    pthread_mutex_lock(&list->lock);
    bool held = !list->draining;
    if (held) {
        *link = (struct hold_link){ list->first, &list->first, req, error };
        if (link->next)
            link->next->back = &link->next;
        list->first = link;
        list->count++;
    }
    pthread_mutex_unlock(&list->lock);
    return held;
}

/* The lock is held: the request must not end while its link is still in the list. */
static void let_go(struct hold_list *list, struct hold_link *link)
{
    *link->back = link->next;
    if (link->next)
        link->next->back = link->back;
    link->back = NULL;
    list->count--;
    if (link->error)
        weir_resume_error(link->req, link->error);
    else
        weir_resume(link->req, WEIR_PASS);
}

bool hold_release(struct hold_list *list, struct hold_link *link)
{
    pthread_mutex_lock(&list->lock);
    bool held = link->back != NULL;
    if (held)
        let_go(list, link);
    pthread_mutex_unlock(&list->lock);
    return held;
}

static uint64_t release_held(struct hold_list *list)
{
    uint64_t released = list->count;

    while (list->first)
        let_go(list, list->first);
    return released;
}

uint64_t hold_release_all(struct hold_list *list)
{
    pthread_mutex_lock(&list->lock);
    uint64_t released = release_held(list);
    for (struct hold_late *late; (late = list->late); released++) {
        list->late = late->next;
        weir_resume(late->req, WEIR_PASS);
        free(late);
    }
    pthread_mutex_unlock(&list->lock);
    return released;
}

void hold_drain(struct hold_list *list, bool begin)
{
    pthread_mutex_lock(&list->lock);
    list->draining = begin;
    if (begin)
        release_held(list);
    pthread_mutex_unlock(&list->lock);
}

uint64_t hold_count(struct hold_list *list)
{
    pthread_mutex_lock(&list->lock);
    uint64_t count = list->count;
    pthread_mutex_unlock(&list->lock);
    return count;
}

bool hold_add_late(struct hold_list *list, struct weir_request *req)
{
    struct hold_late *late = malloc(sizeof(*late));

    if (!late)
        return false;
    late->req = req;
    pthread_mutex_lock(&list->lock);
    late->next = list->late;
    list->late = late;
    pthread_mutex_unlock(&list->lock);
    return true;
}
