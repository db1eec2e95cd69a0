/* answer.c - how does a line of JSON become an answer?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "answer.h"

#include <errno.h>
#include <inttypes.h>
#include <json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../events.h"
#include "../scope.h"
#include "tree.h"
#include "wire.h"

enum {
    DEPTH = 4,              /* a request is an object of words; json-c counts its own levels too */
    EVENTS_WAIT_MS = 60000, /* the longest wait; who wants more asks again */
    EVENTS_LOOK_MS = 500,   /* how often to look whether the asker is still there */
};

/* ---- members of a request ---------------------------------------------------- */

int request_string(struct json_object *request, const char *key, const char **text, size_t *size,
                   struct refusal *refusal)
{
    struct json_object *member;

    *text = NULL;
    if (!json_object_object_get_ex(request, key, &member))
        return 0;
    if (!json_object_is_type(member, json_type_string)) {
        weir_print(&refusal->why, "\"%s\" must be a string", key);
        return -EINVAL;
    }
    *text = json_object_get_string(member);
    if (size)
        *size = (size_t)json_object_get_string_len(member);
    return *text ? 0 : -ENOMEM;
}

int request_need(struct json_object *request, const char *key, const char **text,
                 struct refusal *refusal)
{
    size_t size = 0;

    int error = request_string(request, key, text, &size, refusal);
    if (error)
        return error;
    if (!*text)
        weir_print(&refusal->why, "\"%s\" is missing: it must be a string", key);
    else if (strlen(*text) != size)
        weir_print(&refusal->why, "\"%s\" must not hold a NUL character", key);
    else
        return 0;
    return -EINVAL;
}

int request_number(struct json_object *request, const char *key, uint64_t *number,
                   struct refusal *refusal)
{
    struct json_object *member;

    if (!json_object_object_get_ex(request, key, &member))
        return 0;
    if (!json_object_is_type(member, json_type_int) || json_object_get_int64(member) < 0) {
        weir_print(&refusal->why, "\"%s\" must be a number of at least 0", key);
        return -EINVAL;
    }
    *number = json_object_get_uint64(member);
    return 0;
}

/* ---- refusals ---------------------------------------------------------------- */

void refusal_finish(struct refusal *refusal)
{
    text_finish(&refusal->why);
    mistakes_finish(&refusal->mistakes);
}

void refusal_print(const struct refusal *refusal, int error, struct weir_text *text)
{
    cleanup_text struct weir_text all = { 0 };

    if (refusal->mistakes.count)
        mistakes_print(&refusal->mistakes, &all);
    else
        weir_print(&all, "%s", text_string(&refusal->why));
    while (all.length && all.text[all.length - 1] == '\n')
        all.text[--all.length] = '\0';
    weir_print(text, "%s", all.length ? text_string(&all) : strerror(-error));
}

static void write_mistakes(struct json_out *out, const struct mistakes *mistakes)
{
    out_open(out, "mistakes", '[');
    for (size_t i = 0; i < mistakes->count; i++) {
        const struct mistake *mistake = &mistakes->list[i];
        out_open(out, NULL, '{');
        out_text(out, "file", mistake->file);
        out_number(out, "line", mistake->line);
        out_number(out, "column", mistake->column);
        out_text(out, "word", mistake->word);
        out_text(out, "sentence", mistake->sentence);
        out_close(out, '}');
    }
    out_close(out, ']');
}

static void write_refusal(struct json_out *out, int error, const struct refusal *refusal)
{
    cleanup_text struct weir_text message = { 0 };

    refusal_print(refusal, error, &message);
    out_open(out, NULL, '{');
    out_bool(out, "ok", false);
    out_text(out, "errno", wire_errno_name(error));
    out_text(out, "message", text_string(&message));
    if (refusal->mistakes.count) {
        const struct mistake *first = &refusal->mistakes.list[0];
        out_text(out, "file", first->file);
        out_number(out, "line", first->line);
        out_number(out, "column", first->column);
        out_bool(out, "at_end", first->at_end);
        write_mistakes(out, &refusal->mistakes);
    }
    out_close(out, '}');
}

/* ---- ops --------------------------------------------------------------------- */

static int find_path(struct place *place, struct json_object *request, struct refusal *refusal)
{
    const char *path;

    int error = request_need(request, "path", &path, refusal);
    return error ? error : place_find(place, path, refusal);
}

static int op_list(const struct caller *caller, struct json_object *request, struct json_out *out,
                   struct refusal *refusal)
{
    cleanup_place struct place place = { .caller = caller };
    struct names names = { 0 };

    int error = find_path(&place, request, refusal);
    if (!error)
        error = tree_list(&place, &names, refusal);
    out_open(out, "names", '[');
    for (size_t i = 0; i < names.count; i++) {
        out_open(out, NULL, '{');
        out_text(out, "name", names.list[i].name);
        out_text(out, "kind", names.list[i].kind == NODE_FOLDER ? "folder" : "file");
        out_bool(out, "writable", names.list[i].writable);
        out_close(out, '}');
    }
    out_close(out, ']');
    names_finish(&names);
    return error;
}

static int op_get(const struct caller *caller, struct json_object *request, struct json_out *out,
                  struct refusal *refusal)
{
    cleanup_place struct place place = { .caller = caller };
    cleanup_text struct weir_text text = { 0 };

    int error = find_path(&place, request, refusal);
    if (!error)
        error = tree_read(&place, &text, refusal);
    if (!error)
        out_bytes(out, "text", text_string(&text), text.length);
    return error;
}

static int write_path(const struct caller *caller, struct json_object *request, bool check_only,
                      struct json_out *out, struct refusal *refusal)
{
    cleanup_place struct place place = { .caller = caller, .creating = true };
    struct change change = { .check_only = check_only };
    cleanup_text struct weir_text answer = { 0 };
    struct json_object *keep;

    change.keep =
        json_object_object_get_ex(request, "keep", &keep) && json_object_get_boolean(keep);
    int error = request_string(request, "text", &change.text, &change.size, refusal);
    if (!error && !change.text) {
        weir_print(&refusal->why, "\"text\" is missing: it must be a string");
        error = -EINVAL;
    }
    if (!error)
        error = find_path(&place, request, refusal);
    if (!error)
        error = tree_write(&place, &change, &answer, refusal);
    if (!error && answer.length)
        out_bytes(out, "text", text_string(&answer), answer.length);
    return error;
}

static int op_set(const struct caller *caller, struct json_object *request, struct json_out *out,
                  struct refusal *refusal)
{
    return write_path(caller, request, false, out, refusal);
}

static int op_check(const struct caller *caller, struct json_object *request, struct json_out *out,
                    struct refusal *refusal)
{
    return write_path(caller, request, true, out, refusal);
}

static int op_remove(const struct caller *caller, struct json_object *request, struct json_out *out,
                     struct refusal *refusal)
{
    cleanup_place struct place place = { .caller = caller };

    (void)out;
    int error = find_path(&place, request, refusal);
    return error ? error : tree_remove(&place, refusal);
}

static int op_show(const struct caller *caller, struct json_object *request, struct json_out *out,
                   struct refusal *refusal)
{
    (void)caller;
    return show_answer(request, out, refusal);
}

static bool hung_up(const struct caller *caller)
{
    struct pollfd peer = { .fd = caller->fd, .events = POLLRDHUP };

    return caller->fd >= 0 && poll(&peer, 1, 0) > 0;
}

static void write_lines(struct json_out *out, char *lines)
{
    out_open(out, "lines", '[');
    for (char *line = lines; line && *line;) {
        char *end = strchrnul(line, '\n');
        char *next = *end ? end + 1 : end;
        *end = '\0';
        out_text(out, NULL, line);
        line = next;
    }
    out_close(out, ']');
}

static int op_events(const struct caller *caller, struct json_object *request, struct json_out *out,
                     struct refusal *refusal)
{
    cleanup_text struct weir_text lines = { 0 };
    uint64_t after = 0, wait_ms = 0, last = 0;

    int error = request_number(request, "after", &after, refusal);
    if (!error)
        error = request_number(request, "wait_ms", &wait_ms, refusal);
    if (error)
        return error;
    if (caller->fd < 0)
        wait_ms = 0; /* nobody could hang up */
    uint64_t end = wire_now_ms() + (wait_ms < EVENTS_WAIT_MS ? wait_ms : EVENTS_WAIT_MS);
    for (;;) {
        uint64_t now = wire_now_ms();
        uint64_t left = now < end ? end - now : 0;
        error =
            events_read(after, (int)(left < EVENTS_LOOK_MS ? left : EVENTS_LOOK_MS), &lines, &last);
        if (error || lines.length || left == 0 || control_ending() || hung_up(caller))
            break;
    }
    out_number(out, "last", last);
    write_lines(out, lines.text);
    return lines.cut ? -ENOMEM : error;
}

static const struct op {
    const char *name;
    int (*answer)(const struct caller *, struct json_object *, struct json_out *, struct refusal *);
} ops[] = {
    { "list", op_list },     { "get", op_get },   { "set", op_set },       { "check", op_check },
    { "remove", op_remove }, { "show", op_show }, { "events", op_events }, { "do", verb_answer },
};

enum { OPS = sizeof(ops) / sizeof(ops[0]) };

static int find_op(struct json_object *request, const struct op **ret, struct refusal *refusal)
{
    const char *words[OPS + 1] = { NULL };
    const char *name;

    int error = request_need(request, "op", &name, refusal);
    if (error)
        return error;
    for (size_t i = 0; i < OPS; i++) {
        words[i] = ops[i].name;
        if (strcmp(ops[i].name, name) == 0) {
            *ret = &ops[i];
            return 0;
        }
    }
    const char *nearest = nearest_word(name, words);
    weir_print(&refusal->why, "\"%s\" is no op%s%s%s", name, nearest ? "; did you mean \"" : "",
               nearest ? nearest : "", nearest ? "\"?" : "");
    return -EOPNOTSUPP;
}

/* ---- lines ------------------------------------------------------------------- */

static int parse(const char *line, size_t length, struct json_object **request,
                 struct refusal *refusal)
{
    if (length > CONTROL_LINE || memchr(line, '\0', length)) {
        weir_print(&refusal->why,
                   length > CONTROL_LINE ? "the line is longer than %d bytes"
                                         : "the line holds a NUL byte",
                   CONTROL_LINE);
        return -EINVAL;
    }
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    *request = json_tokener_parse_ex(tokener, line, (int)length);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue) {
        /* a number or a word ends at what follows it */
        *request = json_tokener_parse_ex(tokener, " ", 1);
        error = json_tokener_get_error(tokener);
    }
    size_t at = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    if (error == json_tokener_success && json_object_is_type(*request, json_type_object))
        return 0;
    json_object_put(*request);
    *request = NULL;
    if (error == json_tokener_success)
        weir_print(&refusal->why, "a request must be a JSON object");
    else if (error == json_tokener_continue)
        weir_print(&refusal->why, "the JSON of the request ends too early");
    else
        weir_print(&refusal->why, "the request is not JSON: %s at byte %zu",
                   json_tokener_error_desc(error), at + 1);
    return -EBADMSG;
}

/* The finished line of an answer, or NULL. */
static char *take_line(struct json_out *out)
{
    weir_print(&out->text, "\n");
    if (out->text.cut) {
        text_finish(&out->text);
        return NULL;
    }
    return text_take(&out->text);
}

char *control_answer_for(const struct caller *caller, const char *line, size_t length)
{
    struct json_out out = { 0 };
    struct json_object *request = NULL;
    cleanup_refusal struct refusal refusal = { 0 };
    const struct op *op;

    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    int error = parse(line, length, &request, &refusal);
    if (!error)
        error = find_op(request, &op, &refusal);
    if (!error) {
        out_open(&out, NULL, '{');
        out_bool(&out, "ok", true);
        error = op->answer(caller, request, &out, &refusal);
        out_close(&out, '}');
    }
    if (!error && out.text.length >= CONTROL_ANSWER) {
        weir_print(&refusal.why, "the answer is longer than %d bytes: ask for less at a time",
                   CONTROL_ANSWER);
        error = -EOVERFLOW;
    }
    if (error) {
        text_clear(&out.text);
        out.comma = false;
        write_refusal(&out, error, &refusal);
    }
    json_object_put(request);
    return take_line(&out);
}

char *control_answer(const char *line, size_t length)
{
    const struct caller nobody = { .fd = -1 };

    return control_answer_for(&nobody, line, length);
}

const char *caller_name(const struct caller *caller, char buffer[32])
{
    if (caller && caller->known)
        snprintf(buffer, 32, "uid %u", caller->uid);
    else
        snprintf(buffer, 32, "an unknown user");
    return buffer;
}
