/* control-ask.c - how does a test ask and judge in one line?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-ask.h"
#include "control-world.h"
#include "control/control.h"

#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct json_object *ask_line(const char *line, size_t size)
{
    char *answer = control_answer(line, size);

    assert_non_null(answer);
    assert_int_equal(answer[strlen(answer) - 1], '\n');
    assert_null(memchr(answer, '\n', strlen(answer) - 1));
    struct json_object *parsed = json_tokener_parse(answer);
    if (!json_object_is_type(parsed, json_type_object))
        fail_msg("no JSON: %s", answer);
    free(answer);
    return parsed;
}

struct json_object *ask_text(const char *line)
{
    return ask_line(line, strlen(line));
}

struct json_object *ask(const char *op, const char *path, const char *text)
{
    struct json_object *request = json_object_new_object();

    json_object_object_add(request, "op", json_object_new_string(op));
    json_object_object_add(request, "path", json_object_new_string(path));
    if (text)
        json_object_object_add(request, "text", json_object_new_string(text));
    const char *line = json_object_to_json_string(request);
    struct json_object *answer = ask_line(line, strlen(line));
    json_object_put(request);
    return answer;
}

const char *member(struct json_object *object, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value)
                                                          : "(none)";
}

/* The answer to a request must be this refusal. */
void refused(struct json_object *answer, const char *name, const char *message)
{
    assert_string_equal(member(answer, "ok"), "false");
    assert_string_equal(member(answer, "message"), message);
    assert_string_equal(member(answer, "errno"), name);
    json_object_put(answer);
}

void refused_line(const char *line, const char *name, const char *message)
{
    refused(ask_line(line, strlen(line)), name, message);
}

void granted(struct json_object *answer)
{
    if (strcmp(member(answer, "ok"), "true") != 0)
        fail_msg("refused: %s", member(answer, "message"));
    json_object_put(answer);
}

/* What the file holds must be this. */
void holds(const char *path, const char *text)
{
    struct json_object *answer = ask("get", path, NULL);

    if (strcmp(member(answer, "ok"), "true") != 0)
        fail_msg("%s: %s", path, member(answer, "message"));
    assert_string_equal(member(answer, "text"), text);
    json_object_put(answer);
}

char *get(const char *path)
{
    struct json_object *answer = ask("get", path, NULL);
    char *text = strdup(member(answer, "text"));

    json_object_put(answer);
    return text;
}

void has_event(const char *part)
{
    char *events = get("events");

    if (!strstr(events, part))
        fail_msg("no event says: %s", part);
    free(events);
}

int begin_world(void **state)
{
    (void)state;
    world_start();
    return 0;
}

int end_world(void **state)
{
    (void)state;
    world_stop();
    return 0;
}
