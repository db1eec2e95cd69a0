/* filtered.c - how is the filter of one class, or the store, of one export asked?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "filtered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct json_object *filter_of(struct json_object *entry, const char *class)
{
    return entry_of(member_of(entry, "filters"), "class", class);
}

struct json_object *filtered_entry(const struct invocation *invocation, struct gateway *gateway,
                                   struct json_object *entry, const char *class,
                                   struct json_object *(*describe)(const struct invocation *,
                                                                   const struct filtered *))
{
    const struct filtered disk = {
        .gateway = gateway,
        .export = text_of(entry, "name"),
        .filter = filter_of(entry, class),
    };

    return disk.filter ? describe(invocation, &disk) : NULL;
}

enum exit_code filtered_open(const struct invocation *invocation, struct filtered *disk,
                             const char *class, const char *example)
{
    struct json_object *entry;
    enum exit_code code = gateways_open(invocation, &disk->all);

    if (!code)
        code = gateways_find_export(invocation, &disk->all, invocation->words[0], &disk->gateway,
                                    &entry);
    if (code)
        return code;
    disk->filter = filter_of(entry, class);
    disk->export = text_of(entry, "name");
    if (disk->filter)
        return DONE;
    return say(invocation, -ENOENT,
               "export \"%s\" has no filter of class %s: %s in its policy, \"%s\", gives it one",
               disk->export, class, example, text_of(entry, "policy"));
}

void filtered_close(struct filtered *disk)
{
    gateways_close(&disk->all);
}

void filtered_path(const struct filtered *disk, const char *rest, struct weir_text *ret)
{
    weir_print(ret, "exports/");
    print_part(disk->export, ret);
    if (disk->filter)
        weir_print(ret, "/filters/%s/%s", text_of(disk->filter, "place"), rest);
    else
        weir_print(ret, "/store/%s", rest);
}

enum exit_code filtered_verb(const struct invocation *invocation, const struct filtered *disk,
                             const char *doing, const char *verb, const char *argument,
                             struct json_object **answer)
{
    cleanup_text struct weir_text path = { 0 };
    cleanup_text struct weir_text line = { 0 };
    cleanup_text struct weir_text what = { 0 };

    filtered_path(disk, "ctl", &path);
    weir_print(&line, "%s%s%s", verb, argument ? " " : "", argument ? argument : "");
    weir_print(&what, "%s %s", doing, disk->export);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", text_string(&line));
    return gateway_ask_long(invocation, disk->gateway, ask, text_string(&what), answer);
}

static int ask_quietly(const struct invocation *invocation, struct gateway *gateway,
                       struct json_object *ask, char **text)
{
    struct json_object *answer = NULL;
    const char *said = "";
    int error = -ESHUTDOWN;

    if (gateway->control)
        error = control_call(gateway->control, ask, timeout_ms(invocation, CONTROL_TIMEOUT_MS),
                             &answer);
    json_object_put(ask);
    if (error) {
        gateway->error = error;
    } else {
        error = control_error(answer, &said);
        said = error ? said : text_of(answer, "text");
    }
    *text = enough(strdup(said));
    json_object_put(answer);
    return error;
}

int filtered_lines(const struct invocation *invocation, const struct filtered *disk,
                   const char *name, char **text)
{
    cleanup_text struct weir_text path = { 0 };
    cleanup_text struct weir_text rest = { 0 };

    weir_print(&rest, "stats/%s", name);
    filtered_path(disk, text_string(&rest), &path);
    return ask_quietly(invocation, disk->gateway, request("get", text_string(&path)), text);
}

int filtered_statistic(const struct invocation *invocation, const struct filtered *disk,
                       const char *name, char **text)
{
    int error = filtered_lines(invocation, disk, name, text);

    (*text)[strcspn(*text, "\n")] = '\0';
    return error;
}

void filtered_add(const struct invocation *invocation, const struct filtered *disk,
                  const char *name, struct json_object *to)
{
    cleanup_free char *text = NULL;

    if (filtered_statistic(invocation, disk, name, &text) == 0)
        add_text(to, name, text);
}

int filtered_ask(const struct invocation *invocation, const struct filtered *disk, const char *verb,
                 char **text)
{
    cleanup_text struct weir_text path = { 0 };

    filtered_path(disk, "ctl", &path);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", verb);
    return ask_quietly(invocation, disk->gateway, ask, text);
}

enum exit_code filtered_finish(const struct invocation *invocation, const struct filtered *disk,
                               const char *done, const char *text)
{
    size_t length = strlen(text);

    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "gateway", disk->gateway->name);
        add_text(ret, "export", disk->export);
        add_text(ret, "done", done);
        add_text(ret, "text", text);
        return print_document(invocation, ret);
    }
    if (length)
        printf("%s%s", text, text[length - 1] == '\n' ? "" : "\n");
    return finish_output(invocation);
}

enum exit_code filtered_run(const struct invocation *invocation,
                            enum exit_code (*open)(const struct invocation *, struct filtered *),
                            const char *doing)
{
    cleanup_filtered struct filtered disk = { 0 };
    const char *verb = invocation->command->verb;
    struct json_object *answer = NULL;
    enum exit_code code = open(invocation, &disk);

    if (!code)
        code = filtered_verb(invocation, &disk, doing, verb, invocation->words[1], &answer);
    if (!code)
        code = filtered_finish(invocation, &disk, verb, text_of(answer, "text"));
    json_object_put(answer);
    return code;
}
