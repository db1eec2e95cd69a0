/* export.c - what can be asked of one export, and done to it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "../options.h"
#include "gateways.h"
#include "measure.h"

/* An export, the gateway that has it and the connection to ask more of it. */
struct target {
    struct gateways all;
    struct gateway *gateway;
    struct json_object *entry;
};
#define cleanup_target __attribute__((cleanup(target_close)))

static void target_close(struct target *target)
{
    gateways_close(&target->all);
}

static enum exit_code target_open(const struct invocation *invocation, struct target *target)
{
    enum exit_code code = gateways_open(invocation, &target->all);

    if (code)
        return code;
    return gateways_find_export(invocation, &target->all, invocation->words[0], &target->gateway,
                                &target->entry);
}

/* ---- list -------------------------------------------------------------------- */

static void list_row(struct table *table, struct json_object *entry, bool many)
{
    struct number size = bytes_number((double)number_of(entry, "size_bytes"));
    const char *cells[] = { text_of(entry, "gateway"),
                            text_of(entry, "name"),
                            text_of(entry, "state"),
                            *text_of(entry, "policy") ? text_of(entry, "policy") : "-",
                            number_of(entry, "size_bytes") ? size.text : "-",
                            text_of(entry, "description") };

    table_add(table, cells + !many);
}

static struct json_object *list_document(const struct invocation *invocation,
                                         struct gateway *gateway, struct json_object *entry)
{
    static const char *const same[] = { "name",  "description", "state", "policy", "datastore",
                                        "image", "size_bytes",  "uri",   NULL };
    struct json_object *ret = document();

    (void)invocation;
    add_text(ret, "gateway", gateway->name);
    for (size_t i = 0; same[i]; i++)
        add_copy(ret, same[i], entry);
    return ret;
}

enum exit_code ctl_export_list(const struct invocation *invocation)
{
    static const char *const titles[] = { "GATEWAY", "EXPORT",      "STATE", "POLICY",
                                          ">SIZE",   "DESCRIPTION", NULL };
    static const struct entry_kind exports = { "exports", "exports", titles, list_row,
                                               list_document };

    return list_entries(invocation, &exports);
}

/* ---- show -------------------------------------------------------------------- */

static const char *const shown[] = {
    "name",        "description", "state",   "reason",     "compliance",    "compliance_reason",
    "policy",      "datastore",   "image",   "uri",        "size_bytes",    "read_only",
    "connections", "in_flight",   "waiting", "generation", "last_pause_ns", "longest_pause_ns",
    NULL
};

static void show_values(struct json_object *values, const char *sign)
{
    if (!json_object_is_type(values, json_type_object))
        return;
    json_object_object_foreach(values, name, value)
    {
        printf("    %s%s%s %s\n", name, *sign == '=' ? " " : "", sign,
               json_object_get_string(value));
    }
}

static void show_filters(struct json_object *filters)
{
    for (size_t i = 0; i < items_of(filters); i++) {
        struct json_object *filter = json_object_array_get_idx(filters, i);
        printf("\n%s (%s)%s\n", text_of(filter, "place"), text_of(filter, "class"),
               flag_of(filter, "bypassed") ? ", bypassed" : "");
        show_values(member_of(filter, "options"), "=");
        show_values(member_of(filter, "stats"), ":");
    }
}

static void show_store(struct json_object *stats)
{
    if (!json_object_is_type(stats, json_type_object) || !json_object_object_length(stats))
        return;
    printf("\nstore\n");
    show_values(stats, ":");
}

/* Empty values are left out: a reader looks for what is there. */
static void show_text(const struct gateway *gateway, struct json_object *entry)
{
    printf("%-18s %s\n", "gateway", gateway->name);
    for (size_t i = 0; shown[i]; i++) {
        struct json_object *value = member_of(entry, shown[i]);
        const char *text = value ? json_object_get_string(value) : "";
        const char *unit = strstr(shown[i], "_ns");
        if (unit)
            printf("%-*.*s %s\n", 18, (int)(unit - shown[i]), shown[i],
                   latency_number(number_of(entry, shown[i])).text);
        else if (strcmp(shown[i], "size_bytes") == 0)
            printf("%-18s %s (%s bytes)\n", "size",
                   bytes_number((double)number_of(entry, shown[i])).text, text);
        else if (json_object_is_type(value, json_type_boolean))
            printf("%-18s %s\n", shown[i], flag_of(entry, shown[i]) ? "yes" : "no");
        else if (*text)
            printf("%-18s %s\n", shown[i], text);
    }
    show_filters(member_of(entry, "filters"));
    show_store(member_of(entry, "store_stats"));
}

static struct json_object *show_document(const struct gateway *gateway, struct json_object *entry)
{
    static const char *const of_filter[] = { "place",    "label",          "name",
                                             "class",    "version",        "held",
                                             "bypassed", "oldest_hold_ns", "longest_hold_ns",
                                             "options",  "stats",          NULL };
    struct json_object *ret = document();
    struct json_object *chain = enough(json_object_new_array());
    struct json_object *filters = member_of(entry, "filters");

    add_text(ret, "gateway", gateway->name);
    for (size_t i = 0; shown[i]; i++)
        add_copy(ret, shown[i], entry);
    for (size_t i = 0; i < items_of(filters); i++) {
        struct json_object *filter = document();
        for (size_t n = 0; of_filter[n]; n++)
            add_copy(filter, of_filter[n], json_object_array_get_idx(filters, i));
        json_object_array_add(chain, filter);
    }
    add_item(ret, "filters", chain);
    add_copy(ret, "store_stats", entry);
    return ret;
}

enum exit_code ctl_export_show(const struct invocation *invocation)
{
    cleanup_target struct target target = { 0 };
    enum exit_code code = target_open(invocation, &target);

    if (code)
        return code;
    if (invocation->option[OPTION_JSON])
        return print_document(invocation, show_document(target.gateway, target.entry));
    show_text(target.gateway, target.entry);
    return finish_output(invocation);
}

enum exit_code ctl_export_uri(const struct invocation *invocation)
{
    cleanup_target struct target target = { 0 };
    enum exit_code code = target_open(invocation, &target);

    if (code)
        return code;
    const char *uri = text_of(target.entry, "uri");
    if (!*uri || strcmp(uri, "none") == 0)
        return say(invocation, -ENODATA,
                   "gateway \"%s\" does not know on which socket nbdkit serves \"%s\"",
                   target.gateway->name, invocation->words[0]);
    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "uri", uri);
        return print_document(invocation, ret);
    }
    puts(uri);
    return finish_output(invocation);
}

/* ---- do ---------------------------------------------------------------------- */

static enum exit_code finish_do(const struct invocation *invocation, const struct target *target,
                                const char *verb, struct json_object *answer)
{
    const char *text = text_of(answer, "text");
    size_t length = strlen(text);

    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "gateway", target->gateway->name);
        add_text(ret, "export", text_of(target->entry, "name"));
        add_text(ret, "done", verb);
        add_text(ret, "text", text);
        json_object_put(answer);
        return print_document(invocation, ret);
    }
    if (length)
        printf("%s%s", text, text[length - 1] == '\n' ? "" : "\n");
    json_object_put(answer);
    return finish_output(invocation);
}

/* {"op":"do","verb":verb,"export":…}; `doing` is how progress calls it. */
static enum exit_code run_do(const struct invocation *invocation, struct target *target,
                             const char *verb, const char *doing, const char *key,
                             const char *value, uint64_t number)
{
    struct json_object *ask = request("do", NULL), *answer = NULL;
    cleanup_text struct weir_text what = { 0 };

    weir_print(&what, "%s %s", doing, text_of(target->entry, "name"));
    add_text(ask, "verb", verb);
    add_text(ask, "export", text_of(target->entry, "name"));
    if (key && value)
        add_text(ask, key, value);
    else if (key)
        add_number(ask, key, number);
    enum exit_code code =
        gateway_ask_long(invocation, target->gateway, ask, text_string(&what), &answer);
    return code ? code : finish_do(invocation, target, verb, answer);
}

enum exit_code ctl_export_do(const struct invocation *invocation)
{
    static const char *const doing[][2] = { { "open", "opening" },
                                            { "close", "closing" },
                                            { "unlock", "unlocking" },
                                            { "stun", "stunning" },
                                            { "unstun", "letting go on" } };
    cleanup_target struct target target = { 0 };
    const char *verb = invocation->command->verb;
    size_t i = 0;
    enum exit_code code = target_open(invocation, &target);

    if (code)
        return code;
    while (strcmp(doing[i][0], verb) != 0)
        i++;
    return run_do(invocation, &target, verb, doing[i][1], NULL, NULL, 0);
}

enum exit_code ctl_export_lock(const struct invocation *invocation)
{
    cleanup_target struct target target = { 0 };
    enum exit_code code = target_open(invocation, &target);

    if (code)
        return code;
    return run_do(invocation, &target, "lock", "locking", "reason", invocation->words[1], 0);
}

enum exit_code ctl_export_snapshot(const struct invocation *invocation)
{
    cleanup_target struct target target = { 0 };
    enum exit_code code = target_open(invocation, &target);

    if (code)
        return code;
    return run_do(invocation, &target, "snapshot", "taking a snapshot of", "name",
                  invocation->words[1], 0);
}

enum exit_code ctl_export_grow(const struct invocation *invocation)
{
    cleanup_target struct target target = { 0 };
    const char *word = invocation->words[1];
    uint64_t size;
    int error = parse_size(word + (*word == '+'), &size);

    if (error || !size)
        return say_misuse(invocation, "\"%s\" is no size: 40G or +10G are expected", word);
    enum exit_code code = target_open(invocation, &target);
    if (code)
        return code;
    uint64_t present = number_of(target.entry, "size_bytes");
    if (*word == '+')
        size += present; /* both are below 2^63: parse_size() */
    if (size < present)
        return say(invocation, -EINVAL,
                   "\"%s\" is smaller than \"%s\" is now (%s): a disk can only grow", word,
                   invocation->words[0], bytes_number((double)present).text);
    return run_do(invocation, &target, "grow", "growing", "size", NULL, size);
}

enum exit_code ctl_export_assign(const struct invocation *invocation)
{
    cleanup_target struct target target = { 0 };
    enum exit_code code = target_open(invocation, &target);

    if (code)
        return code;
    return run_do(invocation, &target, "assign", "changing the policy of", "policy",
                  invocation->words[1], 0);
}
