/* replica-status.c - what is sent from this host and what arrives here, and how far is it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "replica.h"

/* ---- one end -------------------------------------------------------------------------- */

static bool is_source(struct json_object *end)
{
    return member_of(end, "filter") != NULL;
}

/* "error" where it does not tell its status. */
static struct json_object *end_document(const struct invocation *invocation,
                                        const struct filtered *end)
{
    struct json_object *ret = document(), *status = NULL;
    cleanup_free char *why = NULL;

    add_text(ret, "gateway", end->gateway->name);
    add_text(ret, "export", end->export);
    if (end->filter)
        add_text(ret, "filter", text_of(end->filter, "label"));
    if (replica_ask(invocation, end, &status, &why)) {
        add_text(ret, "error", *why ? why : "the gateway does not answer");
        return ret;
    }
    json_object_object_foreach(status, key, value)
    {
        add_item(ret, key, json_object_get(value));
    }
    json_object_put(status);
    return ret;
}

/* NULL: it is neither end. */
static struct json_object *entry_end(const struct invocation *invocation, struct gateway *gateway,
                                     struct json_object *entry)
{
    const struct filtered end = {
        .gateway = gateway,
        .export = text_of(entry, "name"),
        .filter = filter_of(entry, "replication"),
    };

    return end.filter || replica_is_log(entry) ? end_document(invocation, &end) : NULL;
}

/* A source is meant by the name of its export, of its group, or of a disk of that. */
static bool is_meant(struct json_object *end, const char *name)
{
    return !name || strcmp(text_of(end, "export"), name) == 0 || replica_has(end, name);
}

/* ---- a line each ---------------------------------------------------------------------- */

static struct number dash(void)
{
    return (struct number){ "-" };
}

static struct number figure(struct json_object *end, const char *name)
{
    struct number ret = dash();

    if (member_of(end, name))
        snprintf(ret.text, sizeof(ret.text), "%" PRIu64, number_of(end, name));
    return ret;
}

static struct number bytes_of(struct json_object *end, const char *name, unsigned unit)
{
    return member_of(end, name) ? bytes_number((double)number_of(end, name) * unit) : dash();
}

/* How old the newest state is that the target has as a whole: the source knows whether anything
 * came after it, the target does not. */
static struct number age_of(struct json_object *end)
{
    cleanup_text struct weir_text text = { 0 };
    struct number ret = dash();
    uint64_t then, now = when_now();

    if (member_of(end, "rpo_ms")) {
        uint64_t ms = number_of(end, "rpo_ms");
        return ms ? latency_number(ms * 1000000) : (struct number){ "0 s" };
    }
    if (parse_when(text_of(end, "complete_time"), &then) != 0)
        return ret;
    show_duration(then < now ? (now - then) / 1000000000 : 0, &text);
    snprintf(ret.text, sizeof(ret.text), "%s", text_string(&text));
    return ret;
}

static void add_row(struct table *table, struct json_object *end, bool many)
{
    bool source = is_source(end);
    struct number lsn = figure(end, source ? "lsn" : "received_lsn");
    struct number durable = figure(end, source ? "durable_lsn" : "complete_lsn");
    struct number behind = bytes_of(end, "lag_bytes", 1), age = age_of(end);
    struct number lacks = bytes_of(end, source ? "dirty_granules" : "needs", GRANULE);
    struct number points = figure(end, "points");
    const char *cells[] = { text_of(end, "gateway"),
                            text_of(end, "export"),
                            or_dash(text_of(end, "role")),
                            or_dash(text_of(end, "state")),
                            lsn.text,
                            durable.text,
                            behind.text,
                            age.text,
                            lacks.text,
                            points.text,
                            or_dash(text_of(end, "target")) };

    table_add(table, cells + !many);
}

/* ---- what is wrong, below the table --------------------------------------------------- */

static void print_fork(const char *export, struct json_object *fork)
{
    printf("%s: both sites went on alone since LSN %" PRIu64 ", generation %s: %" PRIu64
           " LSNs here and %" PRIu64 " at the target are in conflict; which shall be given up? See "
           "weir-failover(7)\n",
           export, number_of(fork, "lsn"), text_of(fork, "common"), number_of(fork, "source_lost"),
           number_of(fork, "target_lost"));
}

/* What a guest was told to be at both sites is there on some of them only. */
static void print_modes(const char *export, struct json_object *end)
{
    struct json_object *disks = member_of(end, "disks");
    cleanup_text struct weir_text list = { 0 };
    bool mixed = false;

    for (size_t i = 0; i < items_of(disks); i++) {
        struct json_object *disk = json_object_array_get_idx(disks, i);
        const char *mode = text_of(disk, "mode");
        mixed |= *mode && strcmp(mode, text_of(end, "mode")) != 0;
        weir_print(&list, "%s\"%s\" is %s", i ? ", " : "", text_of(disk, "name"), mode);
    }
    if (mixed)
        printf(
            "%s: the disks of group \"%s\" have different modes (%s), and together they are no "
            "safer than %s: give all of them one, by their policy or weirctl export option EXPORT "
            "replication mode\n",
            export, text_of(end, "group"), text_string(&list), text_of(end, "mode"));
}

static void print_remarks(struct json_object *end)
{
    static const char *const said[] = { "error", "last_error", "fold_error", NULL };
    const char *export = text_of(end, "export");
    uint64_t all = number_of(end, "verify_total"), done = number_of(end, "verify_done");

    for (size_t i = 0; said[i]; i++)
        if (*text_of(end, said[i]))
            printf("%s: %s\n", export, text_of(end, said[i]));
    if (*text_of(end, "target_error"))
        printf("%s: target: %s\n", export, text_of(end, "target_error"));
    if (json_object_get_boolean(member_of(end, "shortened")))
        printf("%s: there is no room for as much history as is wanted: it begins at %s\n", export,
               text_of(end, "oldest"));
    if (strcmp(text_of(end, "state"), "fork") == 0)
        print_fork(export, member_of(end, "fork"));
    print_modes(export, end);
    if (done < all)
        printf("%s: verify has compared %s of %s\n", export, bytes_number((double)done).text,
               bytes_number((double)all).text);
    if (number_of(end, "mismatches"))
        printf("%s: verify has found %" PRIu64 " granules that differed\n", export,
               number_of(end, "mismatches"));
}

/* ---- the command ------------------------------------------------------------------------ */

static void collect(const struct invocation *invocation, const struct gateways *all,
                    struct json_object *list)
{
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *entries = member_of(all->list[i].show, "exports");
        for (size_t n = 0; n < items_of(entries); n++) {
            struct json_object *end =
                entry_end(invocation, &all->list[i], json_object_array_get_idx(entries, n));
            if (end && is_meant(end, invocation->words[0]))
                json_object_array_add(list, end);
            else
                json_object_put(end);
        }
    }
}

static enum exit_code print_ends(const struct invocation *invocation, struct json_object *list,
                                 bool many)
{
    static const char *const titles[] = { "GATEWAY", "EXPORT",   "ROLE",    "STATE",
                                          ">LSN",    ">DURABLE", ">BEHIND", ">AGE",
                                          ">LACKS",  ">POINTS",  "TARGET",  NULL };
    struct json_object *keep = json_object_get(list);
    struct table table;

    table_begin(&table, titles + !many);
    for (size_t i = 0; i < items_of(list); i++)
        add_row(&table, json_object_array_get_idx(list, i), many);
    enum exit_code code = print_list(invocation, "replicas", list, &table);
    if (!invocation->option[OPTION_JSON])
        for (size_t i = 0; i < items_of(keep); i++)
            print_remarks(json_object_array_get_idx(keep, i));
    json_object_put(keep);
    return code ? code : finish_output(invocation);
}

enum exit_code ctl_replica_status(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    enum exit_code code = gateways_open(invocation, &all);

    if (code)
        return code;
    enum exit_code shown = gateways_show(invocation, &all);
    struct json_object *list = enough(json_object_new_array());
    collect(invocation, &all, list);
    if (invocation->words[0] && !items_of(list)) {
        json_object_put(list);
        return shown ? shown
                     : say(invocation, -ENOENT,
                           "\"%s\" is neither sent from here nor arrives here; weirctl replica "
                           "status shows what does",
                           invocation->words[0]);
    }
    code = print_ends(invocation, list, all.count > 1);
    return code ? code : shown;
}
