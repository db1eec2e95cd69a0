/* export-option.c - what is an option of one filter of one export, and may it be another?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateways.h"

/* The filter by label ("pass-2"), place ("10-pass") or name, in this order. */
static struct json_object *find_filter(struct json_object *filters, const char *word)
{
    static const char *const keys[] = { "label", "place", "name" };

    for (size_t i = 0; i < 3; i++) {
        struct json_object *filter = entry_of(filters, keys[i], word);
        if (filter)
            return filter;
    }
    return NULL;
}

static enum exit_code say_no_filter(const struct invocation *invocation,
                                    struct json_object *filters)
{
    const char **known = enough(calloc(items_of(filters) + 1, sizeof(*known)));
    cleanup_text struct weir_text near = { 0 };
    cleanup_text struct weir_text list = { 0 };

    for (size_t i = 0; i < items_of(filters); i++) {
        known[i] = text_of(json_object_array_get_idx(filters, i), "label");
        weir_print(&list, "%s%s", i ? ", " : "", known[i]);
    }
    print_nearest(&near, invocation->words[1], known);
    free(known);
    return say(invocation, -ENOENT, "export \"%s\" has no filter \"%s\"%s; its filters: %s",
               invocation->words[0], invocation->words[1], text_string(&near),
               items_of(filters) ? text_string(&list) : "none");
}

static enum exit_code say_no_option(const struct invocation *invocation, const char *filter,
                                    const char *option, struct json_object *options)
{
    const char **known =
        enough(calloc((size_t)json_object_object_length(options) + 1, sizeof(*known)));
    cleanup_text struct weir_text near = { 0 };
    size_t count = 0;

    json_object_object_foreach(options, name, value)
    {
        (void)value;
        known[count++] = name;
    }
    print_nearest(&near, option, known);
    free(known);
    return say(invocation, -ENOENT,
               "filter \"%s\" has no option \"%s\"%s; weirctl filter describe %s", filter, option,
               text_string(&near), filter);
}

static enum exit_code print_value(const struct invocation *invocation, const char *filter,
                                  const char *option, const char *value)
{
    size_t length = strlen(value);

    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "export", invocation->words[0]);
        add_text(ret, "filter", filter);
        add_text(ret, "option", option);
        add_item(ret, "value",
                 enough(json_object_new_string_len(
                     value, (int)(length && value[length - 1] == '\n' ? length - 1 : length))));
        return print_document(invocation, ret);
    }
    printf("%s%s", value, length && value[length - 1] == '\n' ? "" : "\n");
    return finish_output(invocation);
}

enum exit_code option_get_or_set(const struct invocation *invocation, struct gateway *gateway,
                                 struct json_object *filter, const char *word, const char *option,
                                 const char *value)
{
    struct json_object *options = member_of(filter, "options"), *answer = NULL;
    cleanup_text struct weir_text path = { 0 };
    enum exit_code code;

    if (json_object_is_type(options, json_type_object) && !member_of(options, option))
        return say_no_option(invocation, word, option, options);
    weir_print(&path, "exports/");
    print_part(invocation->words[0], &path);
    weir_print(&path, "/filters/%s/options/%s", text_of(filter, "place"), option);
    if (!value) {
        code = gateway_ask(invocation, gateway, request("get", text_string(&path)), &answer);
        if (!code)
            code = print_value(invocation, word, option, text_of(answer, "text"));
        json_object_put(answer);
        return code;
    }
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", value);
    code = gateway_ask(invocation, gateway, ask, NULL);
    if (!code && invocation->option[OPTION_JSON])
        code = print_value(invocation, word, option, value);
    return code;
}

enum exit_code ctl_export_option(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    struct gateway *gateway;
    struct json_object *entry;
    char **words = invocation->words;
    enum exit_code code = gateways_open(invocation, &all);

    if (!code)
        code = gateways_find_export(invocation, &all, words[0], &gateway, &entry);
    if (code)
        return code;
    struct json_object *filter = find_filter(member_of(entry, "filters"), words[1]);
    if (!filter)
        return say_no_filter(invocation, member_of(entry, "filters"));
    return option_get_or_set(invocation, gateway, filter, words[1], words[2], words[3]);
}
