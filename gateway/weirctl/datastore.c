/* datastore.c - where do disks lie, how busy is it there, and at which latency is it shared out?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateways.h"
#include "measure.h"

/* ---- list -------------------------------------------------------------------- */

static void list_row(struct table *table, struct json_object *entry, bool many)
{
    cleanup_text struct weir_text exports = { 0 };
    struct number latency = latency_number(number_of(entry, "latency_ns"));
    struct number queue = count_number((double)number_of(entry, "in_flight"));
    struct number space = bytes_number((double)number_of(entry, "free_bytes"));

    print_words(member_of(entry, "exports"), &exports);
    const char *cells[] = { text_of(entry, "gateway"),
                            text_of(entry, "name"),
                            text_of(entry, "type"),
                            text_of(entry, "latency_threshold"),
                            number_of(entry, "latency_ns") ? latency.text : "-",
                            queue.text,
                            number_of(entry, "size_bytes") ? space.text : "-",
                            text_of(entry, "emulate"),
                            exports.length ? text_string(&exports) : "-" };
    table_add(table, cells + !many);
}

enum exit_code ctl_datastore_list(const struct invocation *invocation)
{
    static const char *const titles[] = { "GATEWAY",  "DATASTORE", "TYPE",  ">THRESHOLD",
                                          ">LATENCY", ">QUEUE",    ">FREE", "EMULATES",
                                          "EXPORTS",  NULL };
    static const struct entry_kind datastores = { "datastores", "datastores", titles, list_row,
                                                  entry_document };

    return list_entries(invocation, &datastores);
}

/* ---- one --------------------------------------------------------------------- */

static void show_text(const struct gateway *gateway, struct json_object *entry)
{
    static const char *const texts[] = { "name",     "type",    "path", "latency_threshold",
                                         "exchange", "emulate", NULL };
    cleanup_text struct weir_text exports = { 0 };

    printf("%-18s %s\n", "gateway", gateway->name);
    for (size_t i = 0; texts[i]; i++)
        if (*text_of(entry, texts[i]))
            printf("%-18s %s\n", texts[i], text_of(entry, texts[i]));
    if (number_of(entry, "size_bytes"))
        printf("%-18s %s\n%-18s %s\n", "size",
               bytes_number((double)number_of(entry, "size_bytes")).text, "free",
               bytes_number((double)number_of(entry, "free_bytes")).text);
    if (number_of(entry, "latency_ns"))
        printf("%-18s %s\n", "latency", latency_number(number_of(entry, "latency_ns")).text);
    printf("%-18s %s\n", "in_flight", count_number((double)number_of(entry, "in_flight")).text);
    print_words(member_of(entry, "exports"), &exports);
    printf("%-18s %s\n", "exports", exports.length ? text_string(&exports) : "none");
}

enum exit_code ctl_datastore_show(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    const char *name = invocation->words[0];
    struct gateway *gateway;
    enum exit_code code = gateways_open(invocation, &all);

    if (!code)
        code = gateways_find_datastore(invocation, &all, name, &gateway);
    if (code)
        return code;
    struct json_object *entry = entry_of(member_of(gateway->show, "datastores"), "name", name);
    if (invocation->option[OPTION_JSON])
        return print_document(invocation, entry_document(invocation, gateway, entry));
    show_text(gateway, entry);
    return finish_output(invocation);
}

/* Can it be set?  The gateway says which can. */
static enum exit_code check_key(const struct invocation *invocation, struct json_object *entry)
{
    struct json_object *live = member_of(entry, "live");
    const char **known = enough(calloc(items_of(live) + 1, sizeof(*known)));
    const char *key = invocation->words[1];
    cleanup_text struct weir_text all = { 0 };
    cleanup_text struct weir_text near = { 0 };
    bool found = false;

    for (size_t i = 0; i < items_of(live); i++) {
        known[i] = json_object_get_string(json_object_array_get_idx(live, i));
        found |= strcmp(known[i], key) == 0;
    }
    print_words(live, &all);
    print_nearest(&near, key, known);
    free(known);
    if (found)
        return DONE;
    if (member_of(entry, key))
        return say(invocation, -EPERM,
                   "\"%s\" of datastore \"%s\" cannot be set while it is used: edit the "
                   "configuration and reload",
                   key, invocation->words[0]);
    return say(invocation, -ENOENT, "nothing of a datastore that can be set is called \"%s\"%s; %s",
               key, text_string(&near), text_string(&all));
}

enum exit_code ctl_datastore_set(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    cleanup_text struct weir_text path = { 0 };
    char **words = invocation->words;
    struct gateway *gateway;
    enum exit_code code = gateways_open(invocation, &all);

    if (!code)
        code = gateways_find_datastore(invocation, &all, words[0], &gateway);
    if (!code)
        code = check_key(invocation,
                         entry_of(member_of(gateway->show, "datastores"), "name", words[0]));
    if (code)
        return code;
    weir_print(&path, "datastores/%s/%s", words[0], words[1]);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", words[2]);
    code = gateway_ask(invocation, gateway, ask, NULL);
    if (code || !invocation->option[OPTION_JSON])
        return code;
    struct json_object *ret = document();
    add_text(ret, "gateway", gateway->name);
    add_text(ret, "datastore", words[0]);
    add_text(ret, "key", words[1]);
    add_text(ret, "value", words[2]);
    return print_document(invocation, ret);
}
