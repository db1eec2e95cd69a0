/* status.c - which exports are there, how do they do, and what is wrong with them?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "../gateway.h"
#include "gateways.h"
#include "iocontrol.h"

/* What one line of the table is made of. */
struct line {
    const struct gateway *gateway;
    struct json_object *entry;
    struct json_object *control; /* figures of I/O control; NULL: it has none */
    double seconds;              /* over which was measured; 0: never */
    struct measure all, read, write;
};

static double per_second(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

/* "pass, fault" in chain order; "-" for none. */
static void print_chain(struct json_object *entry, struct weir_text *text)
{
    struct json_object *filters = member_of(entry, "filters");

    for (size_t i = 0; i < items_of(filters); i++) {
        struct json_object *filter = json_object_array_get_idx(filters, i);
        weir_print(text, "%s%s%s", i ? ", " : "", text_of(filter, "label"),
                   flag_of(filter, "bypassed") ? " (bypassed)" : "");
    }
    if (!items_of(filters))
        weir_print(text, "-");
}

static const char *const control_columns[] = { "entitled_iops", "granted_iops", "queued", NULL };
enum { CONTROL_COLUMNS = 3 };

static void add_row(struct table *table, const struct line *line, bool many, bool controlled)
{
    struct json_object *entry = line->entry;
    struct number connections = count_number((double)number_of(entry, "connections"));
    struct number size = bytes_number((double)number_of(entry, "size_bytes"));
    struct number iops = count_number(per_second(line->all.requests, line->seconds));
    struct number read = rate_number(per_second(line->read.bytes, line->seconds));
    struct number write = rate_number(per_second(line->write.bytes, line->seconds));
    cleanup_text struct weir_text chain = { 0 };
    cleanup_text struct weir_text state = { 0 };

    print_chain(entry, &chain);
    weir_print(&state, "%s%s", text_of(entry, "state"),
               flag_of(entry, "read_only") ? ", read-only" : "");
    struct number control[CONTROL_COLUMNS];
    const char *cells[TABLE_COLUMNS] = { line->gateway->name,
                                         text_of(entry, "name"),
                                         text_string(&state),
                                         text_of(entry, "compliance"),
                                         *text_of(entry, "policy") ? text_of(entry, "policy") : "-",
                                         number_of(entry, "size_bytes") ? size.text : "-",
                                         connections.text,
                                         iops.text,
                                         read.text,
                                         write.text };
    size_t at = 10;

    for (size_t i = 0; i < CONTROL_COLUMNS && controlled; i++) {
        control[i] = figure_number(disk_figure(control_columns[i]), line->control);
        cells[at++] = control[i].text;
    }
    cells[at] = text_string(&chain);
    table_add(table, cells + !many);
}

static void print_reason(const struct line *line, bool many)
{
    struct json_object *entry = line->entry;
    const char *reasons[] = { "state", "reason", "compliance", "compliance_reason" };

    for (size_t i = 0; i < 4; i += 2)
        if (*text_of(entry, reasons[i + 1]))
            printf("%s%s%s is %s: %s\n", many ? line->gateway->name : "", many ? "/" : "",
                   text_of(entry, "name"), text_of(entry, reasons[i]),
                   text_of(entry, reasons[i + 1]));
}

static void print_lines(const struct line *lines, size_t count, bool many)
{
    struct table table;
    const char *titles[TABLE_COLUMNS + 1] = {
        "GATEWAY", "EXPORT", "STATE", "COMPLIANCE", "POLICY",
        ">SIZE",   ">CONN",  ">IOPS", ">READ",      ">WRITE"
    };
    size_t at = 10;
    bool reasons = false, controlled = false;

    if (!count) {
        puts("no exports");
        return;
    }
    for (size_t i = 0; i < count; i++)
        controlled |= lines[i].control != NULL;
    for (size_t i = 0; i < CONTROL_COLUMNS && controlled; i++)
        titles[at++] = disk_figure(control_columns[i])->title;
    titles[at] = "CHAIN";
    table_begin(&table, titles + !many);
    for (size_t i = 0; i < count; i++)
        add_row(&table, &lines[i], many, controlled);
    table_print(&table, stdout);
    table_finish(&table);
    for (size_t i = 0; i < count; i++) {
        if (!*text_of(lines[i].entry, "reason") && !*text_of(lines[i].entry, "compliance_reason"))
            continue;
        if (!reasons)
            putchar('\n');
        reasons = true;
        print_reason(&lines[i], many);
    }
}

/* A second table, of the datastores that disks with I/O control share. */
static void print_datastores(struct json_object *datastores, bool many)
{
    enum { NAMES = 2 };
    const char *titles[TABLE_COLUMNS + 1] = { "GATEWAY", "DATASTORE" };
    struct table table;

    if (!items_of(datastores))
        return;
    figure_titles(datastore_figures, titles, NAMES);
    table_begin(&table, titles + !many);
    for (size_t i = 0; i < items_of(datastores); i++) {
        struct json_object *entry = json_object_array_get_idx(datastores, i);
        struct number numbers[TABLE_COLUMNS];
        const char *cells[TABLE_COLUMNS] = { text_of(entry, "gateway"), text_of(entry, "name") };
        figure_cells(datastore_figures, entry, numbers, cells, NAMES);
        table_add(&table, cells + !many);
    }
    putchar('\n');
    table_print(&table, stdout);
    table_finish(&table);
}

static struct json_object *line_document(const struct line *line)
{
    static const char *const same[] = { "name",       "description", "state",
                                        "reason",     "compliance",  "compliance_reason",
                                        "policy",     "datastore",   "size_bytes",
                                        "read_only",  "connections", "in_flight",
                                        "generation", NULL };
    struct json_object *ret = document();
    struct json_object *chain = enough(json_object_new_array());
    struct json_object *filters = member_of(line->entry, "filters");

    add_text(ret, "gateway", line->gateway->name);
    for (size_t i = 0; same[i]; i++)
        add_copy(ret, same[i], line->entry);
    add_real(ret, "measured_s", line->seconds);
    add_real(ret, "iops", per_second(line->all.requests, line->seconds));
    add_real(ret, "read_bytes_per_s", per_second(line->read.bytes, line->seconds));
    add_real(ret, "write_bytes_per_s", per_second(line->write.bytes, line->seconds));
    add_number(ret, "p50_ns", line->all.p50);
    add_number(ret, "p99_ns", line->all.p99);
    for (size_t i = 0; i < items_of(filters); i++) {
        struct json_object *label = member_of(json_object_array_get_idx(filters, i), "label");
        json_object_array_add(chain, json_object_get(label));
    }
    add_item(ret, "chain", chain);
    if (line->control)
        add_item(ret, "control", json_object_get(line->control));
    return ret;
}

static struct json_object *gateways_document(const struct gateways *all)
{
    struct json_object *ret = enough(json_object_new_array());

    for (size_t i = 0; i < all->count; i++) {
        const struct gateway *gateway = &all->list[i];
        struct json_object *entry = document();
        add_text(entry, "name", gateway->name);
        add_flag(entry, "answers", gateway->show != NULL);
        add_copy(entry, "pid", member_of(gateway->show, "gateway"));
        add_copy(entry, "version", member_of(gateway->show, "gateway"));
        add_copy(entry, "uptime_s", member_of(gateway->show, "gateway"));
        json_object_array_add(ret, entry);
    }
    return ret;
}

/* Takes the datastores over. */
static struct json_object *status_document(const struct gateways *all, const struct line *lines,
                                           size_t count, struct json_object *datastores)
{
    struct json_object *ret = document();
    struct json_object *exports = enough(json_object_new_array());

    for (size_t i = 0; i < count; i++)
        json_object_array_add(exports, line_document(&lines[i]));
    add_item(ret, "gateways", gateways_document(all));
    add_item(ret, "exports", exports);
    add_item(ret, "datastores", datastores);
    return ret;
}

/* The lines of one gateway; `before` is an earlier answer to "show", or NULL. */
static size_t take_lines(const struct gateway *gateway, struct json_object *before, double interval,
                         const char *only, struct line *lines)
{
    struct json_object *exports = member_of(gateway->show, "exports");
    struct json_object *old = member_of(before, "exports");
    double uptime = (double)number_of(member_of(gateway->show, "gateway"), "uptime_s");
    size_t count = 0;

    for (size_t i = 0; i < items_of(exports); i++) {
        struct line *line = &lines[count];
        struct json_object *entry = json_object_array_get_idx(exports, i);
        if (only && strcmp(only, text_of(entry, "name")) != 0)
            continue;
        struct json_object *was = entry_of(old, "name", text_of(entry, "name"));
        *line = (struct line){ .gateway = gateway, .entry = entry };
        line->control = control_document(entry, was);
        line->seconds = before ? interval : uptime < 1 ? 1 : uptime;
        struct json_object *ops = member_of(entry, "ops"), *ops_were = member_of(was, "ops");
        measure(ops, ops_were, MEASURED_OPS, &line->all, NULL);
        measure(ops, ops_were, WEIR_OP(WEIR_READ), &line->read, NULL);
        measure(ops, ops_were, WEIR_OP(WEIR_WRITE), &line->write, NULL);
        count++;
    }
    return count;
}

/* Of all exports, also where one was asked for: its datastore has the others, too. */
static struct json_object *datastores_of(const struct gateways *all, struct json_object **before)
{
    struct reading *disks = NULL;
    size_t count = 0;

    for (size_t i = 0; i < all->count; i++) {
        struct json_object *exports = member_of(all->list[i].show, "exports");
        disks = enough(reallocarray(disks, count + items_of(exports) + 1, sizeof(*disks)));
        for (size_t n = 0; n < items_of(exports); n++) {
            struct json_object *entry = json_object_array_get_idx(exports, n);
            struct json_object *old = member_of(before[i], "exports");
            disks[count++] = (struct reading){ all->list[i].name, entry,
                                               entry_of(old, "name", text_of(entry, "name")) };
        }
    }
    struct json_object *ret = control_datastores(disks, count);
    free(disks);
    return ret;
}

static bool has_line(struct json_object *datastore, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text_of(datastore, "gateway"), lines[i].gateway->name) == 0 &&
            strcmp(text_of(datastore, "name"), text_of(lines[i].entry, "datastore")) == 0)
            return true;
    return false;
}

static enum exit_code print_all(const struct invocation *invocation, const struct gateways *all,
                                struct json_object **before, const struct line *lines, size_t count,
                                bool many)
{
    struct json_object *datastores = datastores_of(all, before);

    for (size_t i = items_of(datastores); i-- > 0;)
        if (!has_line(json_object_array_get_idx(datastores, i), lines, count))
            json_object_array_del_idx(datastores, i, 1);
    if (invocation->option[OPTION_JSON])
        return print_document(invocation, status_document(all, lines, count, datastores));
    print_lines(lines, count, many);
    print_datastores(datastores, many);
    json_object_put(datastores);
    return finish_output(invocation);
}

/* Asks again after the interval; `before` takes the first answers. */
static enum exit_code ask_again(const struct invocation *invocation, struct gateways *all,
                                struct json_object **before, double *interval)
{
    double begun = now_seconds();

    for (size_t i = 0; i < all->count; i++) {
        before[i] = all->list[i].show;
        all->list[i].show = NULL;
    }
    wait_seconds(*interval);
    enum exit_code code = gateways_show(invocation, all);
    *interval = now_seconds() - begun;
    return code;
}

enum exit_code ctl_status(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    const char *only = invocation->words[0];
    struct gateway *owner = NULL;
    struct json_object *entry;
    double interval = 0;
    size_t count = 0, room = 1, living = 0;
    enum exit_code code = option_seconds(invocation, OPTION_INTERVAL, 0.01, &interval);

    if (!code)
        code = gateways_open(invocation, &all);
    if (!code && only)
        code = gateways_find_export(invocation, &all, only, &owner, &entry);
    if (code)
        return code;
    code = gateways_show(invocation, &all);
    struct json_object **before = enough(calloc(all.count + 1, sizeof(*before)));
    if (interval > 0)
        code = ask_again(invocation, &all, before, &interval);
    for (size_t i = 0; i < all.count; i++) {
        room += items_of(member_of(all.list[i].show, "exports"));
        living += all.list[i].show != NULL;
    }
    cleanup_free struct line *lines = enough(calloc(room, sizeof(*lines)));
    for (size_t i = 0; i < all.count; i++)
        if (!owner || owner == &all.list[i])
            count += take_lines(&all.list[i], before[i], interval, only, lines + count);
    enum exit_code written = print_all(invocation, &all, before, lines, count, living > 1);
    for (size_t i = 0; i < count; i++)
        json_object_put(lines[i].control);
    for (size_t i = 0; i < all.count; i++)
        json_object_put(before[i]);
    free(before);
    return written ? written : code;
}
