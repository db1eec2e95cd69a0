/* events.c - what has happened, and what are all the figures?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "gateways.h"

/* One line of the gateway's: text with its name in front where there are several, JSON
 * with one document per line, so that a follower can be piped into a program. */
static void print_event(const struct invocation *invocation, const struct gateway *gateway,
                        uint64_t number, const char *line, bool many)
{
    if (!invocation->option[OPTION_JSON]) {
        printf("%s%s%s\n", many ? gateway->name : "", many ? ": " : "", line);
        return;
    }
    struct json_object *event = document();
    add_text(event, "gateway", gateway->name);
    add_number(event, "number", number);
    add_text(event, "line", line);
    puts(json_object_to_json_string_ext(event,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(event);
}

/* Asks one gateway for what came after *last and moves *last on. */
static enum exit_code read_events(const struct invocation *invocation, struct gateway *gateway,
                                  uint64_t *last, unsigned wait_ms, bool many)
{
    struct json_object *ask = request("events", NULL), *answer = NULL;

    add_number(ask, "after", *last);
    add_number(ask, "wait_ms", wait_ms);
    int error = control_call(gateway->control, ask,
                             timeout_ms(invocation, CONTROL_TIMEOUT_MS) + (int)wait_ms, &answer);
    json_object_put(ask);
    gateway->error = error;
    if (error) {
        control_close(gateway->control);
        gateway->control = NULL;
        return say_silent(invocation, gateway);
    }
    enum exit_code code = say_answer(invocation, answer);
    if (!code) {
        struct json_object *lines = member_of(answer, "lines");
        uint64_t newest = number_of(answer, "last");
        uint64_t first = newest - items_of(lines) + 1;
        for (size_t i = 0; i < items_of(lines); i++)
            print_event(invocation, gateway, first + i,
                        json_object_get_string(json_object_array_get_idx(lines, i)), many);
        *last = newest;
    }
    json_object_put(answer);
    return code;
}

enum exit_code ctl_events(const struct invocation *invocation)
{
    enum { ONE_MS = 5000, MANY_MS = 200 };
    cleanup_gateways struct gateways all = { 0 };
    uint64_t since = 0;
    size_t living;
    bool follow = invocation->option[OPTION_FOLLOW] != NULL;
    enum exit_code code = option_count(invocation, OPTION_SINCE, 0, &since);

    if (!code)
        code = gateways_open(invocation, &all);
    if (code)
        return code;
    cleanup_free uint64_t *last = enough(calloc(all.count + 1, sizeof(*last)));
    for (size_t i = 0; i < all.count; i++)
        last[i] = since;
    bool many = all.count > 1;
    for (unsigned wait_ms = 0;; wait_ms = many ? MANY_MS : ONE_MS) {
        living = 0;
        for (size_t i = 0; i < all.count; i++) {
            if (!all.list[i].control)
                continue;
            code = read_events(invocation, &all.list[i], &last[i], wait_ms, many);
            living += all.list[i].control != NULL;
        }
        enum exit_code written = finish_output(invocation);
        if (written || ferror(stdout))
            return written;
        if (!follow || !living)
            return code;
    }
}

enum exit_code ctl_metrics(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    struct json_object *list = enough(json_object_new_array());
    enum exit_code code = gateways_open(invocation, &all);

    if (!code && !invocation->option[OPTION_JSON]) {
        struct gateway *only;
        code = gateways_only(invocation, &all, &only);
    }
    for (size_t i = 0; i < all.count && !code; i++) {
        struct json_object *answer = NULL;
        if (!all.list[i].control)
            continue;
        code = gateway_ask(invocation, &all.list[i], request("get", "metrics"), &answer);
        if (code)
            break;
        if (!invocation->option[OPTION_JSON])
            fputs(text_of(answer, "text"), stdout);
        struct json_object *entry = document();
        add_text(entry, "gateway", all.list[i].name);
        add_copy(entry, "text", answer);
        json_object_array_add(list, entry);
        json_object_put(answer);
    }
    if (code || !invocation->option[OPTION_JSON]) {
        json_object_put(list);
        return code ? code : finish_output(invocation);
    }
    struct json_object *ret = document();
    add_item(ret, "metrics", list);
    return print_document(invocation, ret);
}
