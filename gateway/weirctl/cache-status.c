/* cache-status.c - which disks have a cache, and what do they gain by it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "measure.h"

static struct json_object *disk_document(const struct invocation *invocation,
                                         const struct filtered *disk)
{
    static const char *const said[] = { "mode", "state", "pool", NULL };
    struct json_object *ret = document(), *stats = member_of(disk->filter, "stats");

    add_text(ret, "gateway", disk->gateway->name);
    add_text(ret, "export", disk->export);
    add_text(ret, "filter", text_of(disk->filter, "label"));
    for (size_t i = 0; said[i]; i++)
        filtered_add(invocation, disk, said[i], ret);
    if (!json_object_is_type(stats, json_type_object))
        return ret;
    json_object_object_foreach(stats, name, value)
    {
        const char *text = json_object_get_string(value);
        if (*text && !text[strspn(text, "0123456789")]) /* a histogram is more than a number */
            add_number(ret, name, strtoull(text, NULL, 10));
    }
    return ret;
}

static struct number hit_ratio(struct json_object *disk)
{
    double hits = (double)number_of(disk, "hits");
    double all = hits + (double)number_of(disk, "misses");
    struct number ret = { "-" };

    if (all > 0)
        snprintf(ret.text, sizeof(ret.text), "%.1f%%", hits / all * 100);
    return ret;
}

static struct number bytes_of(struct json_object *disk, const char *name)
{
    return member_of(disk, name) ? bytes_number((double)number_of(disk, name))
                                 : (struct number){ "-" };
}

static void list_row(struct table *table, struct json_object *disk, bool many)
{
    struct number hits = hit_ratio(disk), dirty = bytes_of(disk, "dirty_bytes");
    struct number clean = bytes_of(disk, "clean_bytes");
    struct number age = latency_number(number_of(disk, "destage_backlog") * 1000000);
    const char *cells[] = { text_of(disk, "gateway"),
                            text_of(disk, "export"),
                            or_dash(text_of(disk, "mode")),
                            or_dash(text_of(disk, "pool")),
                            hits.text,
                            dirty.text,
                            clean.text,
                            age.text,
                            or_dash(text_of(disk, "state")) };

    table_add(table, cells + !many);
}

static struct json_object *list_document(const struct invocation *invocation,
                                         struct gateway *gateway, struct json_object *entry)
{
    return filtered_entry(invocation, gateway, entry, "cache", disk_document);
}

static const char *const titles[] = { "GATEWAY", "EXPORT", "MODE",     "POOL",  ">HITS",
                                      ">DIRTY",  ">CLEAN", ">BACKLOG", "STATE", NULL };

static enum exit_code show_all(const struct invocation *invocation)
{
    static const struct entry_kind caches = { "exports", "caches", titles, list_row,
                                              list_document };

    return list_entries(invocation, &caches);
}

static enum exit_code show_one(const struct invocation *invocation)
{
    cleanup_filtered struct filtered disk = { 0 };
    enum exit_code code = cache_open(invocation, &disk);
    struct table table;

    if (code)
        return code;
    struct json_object *list = enough(json_object_new_array());
    struct json_object *one = disk_document(invocation, &disk);
    table_begin(&table, titles + 1);
    list_row(&table, one, false);
    json_object_array_add(list, one);
    return print_list(invocation, "caches", list, &table);
}

enum exit_code ctl_cache_status(const struct invocation *invocation)
{
    return *invocation->words ? show_one(invocation) : show_all(invocation);
}
