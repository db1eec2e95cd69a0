/* control.c - what may each disk take of its datastore, and what did it get?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "gateways.h"
#include "iocontrol.h"

enum { COLUMNS = TABLE_COLUMNS, NAMES = 3 }; /* gateway, export, datastore */

static struct json_object *disk_document(const struct gateway *gateway, struct json_object *entry)
{
    struct json_object *ret = document(), *figures = control_document(entry, NULL);

    add_text(ret, "gateway", gateway->name);
    add_text(ret, "export", text_of(entry, "name"));
    add_text(ret, "datastore", text_of(entry, "datastore"));
    json_object_object_foreach(figures, key, value)
    {
        add_item(ret, key, json_object_get(value));
    }
    add_copy(ret, "options", control_of(entry));
    json_object_put(figures);
    return ret;
}

static void add_row(struct table *table, struct json_object *disk, bool many)
{
    struct number numbers[COLUMNS];
    const char *cells[COLUMNS + 1] = { text_of(disk, "gateway"), text_of(disk, "export"),
                                       text_of(disk, "datastore") };

    figure_cells(disk_figures, disk, numbers, cells, NAMES);
    table_add(table, cells + !many);
}

static enum exit_code say_no_control(const struct invocation *invocation, struct json_object *entry)
{
    return say(invocation, -ENOENT,
               "export \"%s\" has no filter of class control: { filter = \"control\"; } in its "
               "policy, \"%s\", gives it one",
               text_of(entry, "name"), text_of(entry, "policy"));
}

enum exit_code ctl_control_show(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    const char *titles[COLUMNS + 1] = { "GATEWAY", "EXPORT", "DATASTORE" };
    const char *only = invocation->words[0];
    struct gateway *owner = NULL;
    struct json_object *entry = NULL;
    struct table table;
    enum exit_code code = gateways_open(invocation, &all);

    if (!code && only)
        code = gateways_find_export(invocation, &all, only, &owner, &entry);
    if (!code && entry && !control_of(entry))
        code = say_no_control(invocation, entry);
    if (code)
        return code;
    if (!only)
        code = gateways_show(invocation, &all);
    bool many = all.count > 1;
    struct json_object *list = enough(json_object_new_array());
    figure_titles(disk_figures, titles, NAMES);
    table_begin(&table, titles + !many);
    for (size_t i = 0; i < all.count; i++) {
        struct json_object *exports = member_of(all.list[i].show, "exports");
        for (size_t n = 0; n < items_of(exports); n++) {
            entry = json_object_array_get_idx(exports, n);
            if (!control_of(entry) || (only && strcmp(only, text_of(entry, "name")) != 0))
                continue;
            struct json_object *disk = disk_document(&all.list[i], entry);
            add_row(&table, disk, many);
            json_object_array_add(list, disk);
        }
    }
    enum exit_code written = print_list(invocation, "control", list, &table);
    return written ? written : code;
}

enum exit_code ctl_control_set(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    char **words = invocation->words;
    struct gateway *gateway;
    struct json_object *entry;
    enum exit_code code = gateways_open(invocation, &all);

    if (!code)
        code = gateways_find_export(invocation, &all, words[0], &gateway, &entry);
    if (code)
        return code;
    struct json_object *filter = control_of(entry);
    if (!filter)
        return say_no_control(invocation, entry);
    return option_get_or_set(invocation, gateway, filter, text_of(filter, "label"), words[1],
                             words[2]);
}
