/* peer-call.c - how is a gateway asked so that nobody waits longer than the deadline?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "control.h"
#include "peer-private.h"
#include "wire.h"

#include <errno.h>
#include <json.h>
#include <stdio.h>
#include <string.h>

int peer_failed(struct peer *p, int error)
{
    enum peer_state state;

    switch (error) {
    case -ETIMEDOUT:
        state = PEER_HANGING;
        break;
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EPIPE:
    case -ENOENT:
    case -ESHUTDOWN:
        state = PEER_DEAD;
        error = -ESHUTDOWN;
        break;
    default:
        return error;
    }
    hold_lock(&p->lock);
    p->state = state;
    pthread_cond_broadcast(&p->turn);
    return error;
}

void peer_answered(struct peer *p)
{
    hold_lock(&p->lock);

    p->state = PEER_RUNNING;
}

void peer_drop_idle(struct peer *p)
{
    struct control *idle[PEER_CALLS];
    size_t count;

    {
        hold_lock(&p->lock);
        count = p->idle_count;
        memcpy(idle, p->idle, sizeof(idle));
        p->idle_count = 0;
    }
    for (size_t i = 0; i < count; i++)
        control_close(idle[i]);
}

/* Waits for one of the PEER_CALLS turns.  *kept: a connection of before, or NULL. */
static int begin(struct peer *p, uint64_t deadline, bool again, struct control **kept)
{
    hold_lock(&p->lock);

    while (p->state != PEER_HANGING && p->calls == PEER_CALLS)
        if (clock_wait(&p->turn, &p->lock, deadline * 1000000))
            return -ETIMEDOUT;
    if (p->state == PEER_HANGING)
        return -ETIMEDOUT;
    p->calls++;
    *kept = again && p->idle_count ? p->idle[--p->idle_count] : NULL;
    return 0;
}

static void end(struct peer *p, struct control *control, bool usable)
{
    {
        hold_lock(&p->lock);
        p->calls--;
        if (usable && p->idle_count < PEER_CALLS)
            p->idle[p->idle_count++] = steal(control);
        pthread_cond_signal(&p->turn);
    }
    control_close(control);
}

static int call(struct peer *p, struct control **control, struct json_object *request,
                uint64_t deadline, struct json_object **answer)
{
    uint64_t now = wire_now_ms();
    int left = now < deadline ? (int)(deadline - now) : 0;

    if (!*control) {
        int error = control_connect_within(peer_places()->run, p->name, left, control);
        if (error)
            return error;
        now = wire_now_ms();
        left = now < deadline ? (int)(deadline - now) : 0;
    }
    return control_call(*control, request, left, answer);
}

static int no_answer(struct peer *p, int error, struct refusal *why)
{
    const char *reason = error == -ESHUTDOWN   ? "is not running"
                         : error == -ETIMEDOUT ? "does not answer"
                                               : strerror(-error);

    if (why && !why->sentence && asprintf(&why->sentence, "gateway %s %s", p->name, reason) < 0)
        why->sentence = NULL;
    return error;
}

static size_t member_number(struct json_object *object, const char *key)
{
    struct json_object *member;
    int64_t number =
        json_object_object_get_ex(object, key, &member) ? json_object_get_int64(member) : 0;

    return number > 0 && number < INT32_MAX ? (size_t)number : 0;
}

static size_t first_word_length(struct json_object *answer)
{
    struct json_object *mistakes, *word;

    if (!json_object_object_get_ex(answer, "mistakes", &mistakes) ||
        !json_object_is_type(mistakes, json_type_array) || !json_object_array_length(mistakes) ||
        !json_object_object_get_ex(json_object_array_get_idx(mistakes, 0), "word", &word) ||
        !json_object_is_type(word, json_type_string))
        return 0;
    return (size_t)json_object_get_string_len(word);
}

static int refused(struct json_object *answer, int error, const char *message, struct refusal *why)
{
    struct json_object *at_end;

    if (!why)
        return error;
    free(why->sentence);
    size_t column = member_number(answer, "column");
    *why = (struct refusal){
        .sentence = strdup(message),
        .line = (unsigned)member_number(answer, "line"),
        .end = column ? column - 1 + first_word_length(answer) : 0,
        .at_end =
            json_object_object_get_ex(answer, "at_end", &at_end) && json_object_get_boolean(at_end),
    };
    return error;
}

int peer_ask(struct peer *p, struct json_object *request, unsigned timeout_ms, bool again,
             struct json_object **answer, struct refusal *why)
{
    struct control *control = NULL;
    struct json_object *got = NULL;
    const char *message;

    if (!request)
        return no_answer(p, -ENOMEM, why);
    uint64_t deadline = wire_now_ms() + timeout_ms;
    int error = begin(p, deadline, again, &control);
    if (!error) {
        bool kept = control;
        error = call(p, &control, request, deadline, &got);
        if (error && kept && error != -ETIMEDOUT) { /* it was of a gateway's former life */
            control_close(steal(control));
            peer_drop_idle(p);
            error = call(p, &control, request, deadline, &got);
        }
        end(p, control, !error);
        /* a long change that is not done in time does not mean that nothing else is */
        if (error && (error != -ETIMEDOUT || timeout_ms <= peer_places()->timeout_ms))
            error = peer_failed(p, error);
        else if (!error)
            peer_answered(p);
    }
    json_object_put(request);
    if (error)
        return no_answer(p, error, why);
    error = control_error(got, &message);
    if (error)
        refused(got, error, message, why);
    else if (answer)
        *answer = steal(got);
    json_object_put(got);
    return error;
}

struct json_object *peer_request(const char *op, const char *path)
{
    struct json_object *request = json_object_new_object();

    if (request && (json_object_object_add(request, "op", json_object_new_string(op)) ||
                    json_object_object_add(request, "path", json_object_new_string(path)))) {
        json_object_put(request);
        return NULL;
    }
    return request;
}

static int change(struct peer *p, const char *op, const char *path, const char *text, size_t size,
                  unsigned timeout_ms, struct refusal *why)
{
    struct json_object *request = peer_request(op, path);

    if (size > INT32_MAX)
        return -EFBIG;
    if (request && text &&
        json_object_object_add(request, "text", json_object_new_string_len(text, (int)size)))
        json_object_put(steal(request));
    /* of a check: who wrote the text gets no other answer, so last_error must have it */
    if (request && json_object_object_add(request, "keep", json_object_new_boolean(true)))
        json_object_put(steal(request));
    int error = peer_ask(p, request, timeout_ms, false, NULL, why);
    return error == -EMSGSIZE ? -EFBIG : error;
}

int peer_check(struct peer *p, const char *path, const char *text, size_t size, struct refusal *why)
{
    return change(p, "check", path, text, size, peer_places()->timeout_ms, why);
}

int peer_set(struct peer *p, const char *path, const char *text, size_t size, struct refusal *why)
{
    return change(p, "set", path, text, size, PEER_SET_MS, why);
}

int peer_remove(struct peer *p, const char *path, struct refusal *why)
{
    return change(p, "remove", path, NULL, 0, PEER_SET_MS, why);
}

int peer_get(struct peer *p, const char *path, char **text, size_t *size)
{
    struct json_object *answer = NULL, *member;
    int error =
        peer_ask(p, peer_request("get", path), peer_places()->timeout_ms, true, &answer, NULL);

    if (error)
        return error;
    if (!json_object_object_get_ex(answer, "text", &member) ||
        !json_object_is_type(member, json_type_string)) {
        error = -EPROTO;
    } else {
        *size = (size_t)json_object_get_string_len(member);
        *text = malloc(*size + 1);
        if (*text)
            memcpy(*text, json_object_get_string(member), *size + 1);
        else
            error = -ENOMEM;
    }
    json_object_put(answer);
    return error;
}

int peer_list(struct peer *p, const char *path, struct entries *ret)
{
    struct json_object *answer = NULL;
    int error =
        peer_ask(p, peer_request("list", path), peer_places()->timeout_ms, true, &answer, NULL);

    if (error)
        return error;
    error = peer_entries(answer, ret);
    json_object_put(answer);
    return error;
}

int peer_ping(struct peer *p)
{
    struct entries none = { 0 };
    int error = peer_list(p, "", &none);

    entries_finish(&none);
    return error;
}
