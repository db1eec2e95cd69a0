/* watch.c - is the gateway alive, and what has happened there?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread per gateway waits for its events.  It is also who finds out that a hanging
 * one answers again. */
#include "clock.h"
#include "control.h"
#include "log.h"
#include "peer-private.h"

#include <errno.h>
#include <json.h>
#include <string.h>

const char *const remembered_folders[REMEMBERED] = { "exports", "datastores" };

/* ---- what the gateway had ---------------------------------------------------- */

static int folder_index(const char *folder)
{
    for (int i = 0; i < REMEMBERED; i++)
        if (strcmp(folder, remembered_folders[i]) == 0)
            return i;
    return -1;
}

void peer_remember(struct peer *p, const char *folder, struct entries *names)
{
    int i = folder_index(folder);
    hold_lock(&p->lock);

    if (i < 0)
        return;
    struct entries old = p->had[i];
    p->had[i] = *names;
    *names = old;
}

bool peer_had(struct peer *p, const char *folder, const char *name)
{
    int i = folder_index(folder);
    hold_lock(&p->lock);

    return i >= 0 && entries_find(&p->had[i], name);
}

int peer_had_names(struct peer *p, const char *folder, struct entries *ret)
{
    int i = folder_index(folder), error = 0;
    hold_lock(&p->lock);

    for (size_t k = 0; i >= 0 && !error && k < p->had[i].count; k++)
        error = entries_add(ret, p->had[i].list[k].name, true, false);
    return error;
}

/* ---- events ------------------------------------------------------------------ */

static struct json_object *events_request(struct peer *p, unsigned wait_ms)
{
    struct json_object *request = json_object_new_object();
    uint64_t after;

    {
        hold_lock(&p->lock);
        after = p->last_event;
    }
    if (request && (json_object_object_add(request, "op", json_object_new_string("events")) ||
                    json_object_object_add(request, "after", json_object_new_uint64(after)) ||
                    json_object_object_add(request, "wait_ms", json_object_new_uint64(wait_ms))))
        json_object_put(steal(request));
    return request;
}

/* Takes the lines that nobody took before: two may have asked at the same time. */
static size_t take_events(struct peer *p, struct json_object *answer)
{
    struct json_object *last, *lines;

    if (!json_object_object_get_ex(answer, "last", &last) ||
        !json_object_object_get_ex(answer, "lines", &lines) ||
        !json_object_is_type(lines, json_type_array))
        return 0;
    uint64_t newest = json_object_get_uint64(last);
    size_t count = json_object_array_length(lines), taken = 0;
    hold_lock(&p->lock); /* keeps this gateway's lines in order */
    for (size_t i = 0; i < count; i++) {
        uint64_t number = newest - (count - 1 - i);
        const char *line = json_object_get_string(json_object_array_get_idx(lines, i));
        if (number > p->last_event && line)
            taken += log_add(p->name, line);
    }
    if (newest > p->last_event)
        p->last_event = newest;
    return taken;
}

void peer_fetch_events(struct peer *p)
{
    struct json_object *answer = NULL;

    if (peer_ask(p, events_request(p, 0), peer_places()->timeout_ms, true, &answer, NULL) == 0 &&
        take_events(p, answer))
        log_wake();
    json_object_put(answer);
}

/* ---- the watcher ------------------------------------------------------------- */

/* A call on the watcher's own connection, which waits while others are served. */
static int watch_call(struct peer *p, struct control *control, struct json_object *request,
                      unsigned more_ms, struct json_object **answer)
{
    const char *message;
    int timeout = (int)(more_ms + peer_places()->timeout_ms);
    int error = request ? control_call(control, request, timeout, answer) : -ENOMEM;

    json_object_put(request);
    if (error)
        return peer_failed(p, error);
    peer_answered(p);
    error = control_error(*answer, &message);
    if (error)
        json_object_put(steal(*answer));
    return error;
}

/* A restarted gateway counts its events from one again. */
static int learn_pid(struct peer *p, struct control *control)
{
    char path[256 + sizeof("gateways//pid")];
    struct json_object *answer = NULL, *text;

    if (strlen(p->name) > 255)
        return -ENAMETOOLONG;
    stpcpy(stpcpy(stpcpy(path, "gateways/"), p->name), "/pid");
    int error = watch_call(p, control, peer_request("get", path), 0, &answer);
    if (error)
        return error;
    long pid = json_object_object_get_ex(answer, "text", &text)
                   ? strtol(json_object_get_string(text), NULL, 10)
                   : 0;
    json_object_put(answer);
    hold_lock(&p->lock);
    if (pid != p->pid)
        p->last_event = 0;
    p->pid = pid;
    return 0;
}

static int learn_names(struct peer *p, struct control *control)
{
    int error = 0;

    for (unsigned i = 0; i < REMEMBERED && !error; i++) {
        struct json_object *answer = NULL;
        cleanup_entries struct entries names = { 0 };
        error = watch_call(p, control, peer_request("list", remembered_folders[i]), 0, &answer);
        if (!error && peer_entries(answer, &names) == 0)
            peer_remember(p, remembered_folders[i], &names);
        json_object_put(answer);
    }
    return error;
}

/* Until the gateway is gone or fails. */
static void watch(struct peer *p, struct control *control)
{
    int error = learn_pid(p, control);

    while (!error && !peer_is_gone(p)) {
        struct json_object *answer = NULL;
        error = learn_names(p, control);
        if (!error)
            error =
                watch_call(p, control, events_request(p, PEER_WATCH_MS), PEER_WATCH_MS, &answer);
        if (!error && take_events(p, answer))
            log_wake();
        json_object_put(answer);
    }
}

static void rest(struct peer *p)
{
    const uint64_t until = clock_ns() + PEER_RETRY_MS * UINT64_C(1000000);

    hold_lock(&p->lock);
    while (!p->gone)
        if (clock_wait(&p->turn, &p->lock, until))
            break;
}

void *peer_watch(void *context)
{
    struct peer *p = context;

    while (!peer_is_gone(p)) {
        struct control *control = NULL;
        int error = control_connect_within(peer_places()->run, p->name,
                                           (int)peer_places()->timeout_ms, &control);
        if (error) {
            peer_failed(p, error);
        } else {
            watch(p, control);
            control_close(control);
        }
        rest(p);
    }
    peer_watch_ended(p);
    return NULL;
}
