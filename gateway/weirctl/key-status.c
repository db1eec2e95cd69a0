/* key-status.c - which disks are encrypted, are they unlocked, and by which key slots do they open?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "key.h"

static void add_figure(struct json_object *to, struct json_object *stats, const char *name)
{
    if (member_of(stats, name))
        add_number(to, name, strtoull(text_of(stats, name), NULL, 10));
}

static struct json_object *disk_document(const struct invocation *invocation,
                                         const struct filtered *disk)
{
    static const char *const said[] = { "state", "cipher", "key_provider", NULL };
    static const char *const figures[] = { "sector_size", "rekey_progress_percent", NULL };
    struct json_object *ret = document();

    add_text(ret, "gateway", disk->gateway->name);
    add_text(ret, "export", disk->export);
    add_text(ret, "filter", text_of(disk->filter, "label"));
    add_copy(ret, "key", member_of(disk->filter, "options"));
    for (size_t i = 0; said[i]; i++)
        filtered_add(invocation, disk, said[i], ret);
    for (size_t i = 0; figures[i]; i++)
        add_figure(ret, member_of(disk->filter, "stats"), figures[i]);
    return ret;
}

static void list_row(struct table *table, struct json_object *disk, bool many)
{
    bool rekeying = strcmp(text_of(disk, "state"), "rekeying") == 0;
    char sector[24] = "-", percent[24] = "-";

    if (number_of(disk, "sector_size"))
        snprintf(sector, sizeof(sector), "%u", (unsigned)number_of(disk, "sector_size"));
    if (rekeying)
        snprintf(percent, sizeof(percent), "%u%%",
                 (unsigned)number_of(disk, "rekey_progress_percent"));
    const char *cells[] = { text_of(disk, "gateway"),
                            text_of(disk, "export"),
                            or_dash(text_of(disk, "state")),
                            percent,
                            sector,
                            or_dash(text_of(disk, "cipher")),
                            or_dash(text_of(disk, "key")) };
    table_add(table, cells + !many);
}

static struct json_object *list_document(const struct invocation *invocation,
                                         struct gateway *gateway, struct json_object *entry)
{
    return filtered_entry(invocation, gateway, entry, "encryption", disk_document);
}

static enum exit_code show_all(const struct invocation *invocation)
{
    static const char *const titles[] = { "GATEWAY", "EXPORT", "STATE", ">REKEY",
                                          ">SECTOR", "CIPHER", "KEY",   NULL };
    static const struct entry_kind keys = { "exports", "keys", titles, list_row, list_document };

    return list_entries(invocation, &keys);
}

/* ---- one disk: what its verb status says, line by line ----------------------- */

/* "slot 3: WORDS" is an entry of `slots`, "NAME: WORDS" a member that is not there yet. */
static void add_line(struct json_object *to, struct json_object *slots, const char *line)
{
    size_t name = strcspn(line, ":");
    int slot;

    if (strncmp(line + name, ": ", 2) != 0)
        return;
    if (sscanf(line, "slot %d:", &slot) == 1) {
        struct json_object *entry = document();
        add_number(entry, "slot", (uint64_t)slot);
        add_text(entry, "about", line + name + 2);
        json_object_array_add(slots, entry);
        return;
    }
    cleanup_free char *key = enough(strndup(line, name));
    if (!member_of(to, key))
        add_text(to, key, line + name + 2);
}

static enum exit_code print_lines(const struct invocation *invocation, const struct filtered *disk,
                                  const char *text)
{
    struct json_object *ret = document(), *list = enough(json_object_new_array());
    struct json_object *one = disk_document(invocation, disk);
    struct json_object *slots = enough(json_object_new_array());
    cleanup_free char *copy = enough(strdup(text));
    char *rest = copy;

    for (char *line; (line = strsep(&rest, "\n"));)
        add_line(one, slots, line);
    add_item(one, "slots", slots);
    json_object_array_add(list, one);
    add_item(ret, "keys", list);
    return print_document(invocation, ret);
}

static enum exit_code show_one(const struct invocation *invocation)
{
    cleanup_filtered struct filtered disk = { 0 };
    struct json_object *answer = NULL;
    enum exit_code code = key_open(invocation, &disk);

    if (!code)
        code = filtered_verb(invocation, &disk, "asking", "status", NULL, &answer);
    if (!code && invocation->option[OPTION_JSON])
        code = print_lines(invocation, &disk, text_of(answer, "text"));
    else if (!code)
        code = filtered_finish(invocation, &disk, "status", text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

enum exit_code ctl_key_status(const struct invocation *invocation)
{
    return *invocation->words ? show_one(invocation) : show_all(invocation);
}
