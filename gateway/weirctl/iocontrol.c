/* iocontrol.c - what does I/O control say of a disk, and of the datastore that it shares?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "iocontrol.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateways.h"

#define DELAY "delay_us"

/* clang-format off */
const struct figure datastore_figures[] = {
    { "normalized_latency_us", ">LATENCY", FIGURE_US, 8, 0, false },
    { "threshold_us", ">THRESHOLD", FIGURE_US, 9, 0, false },
    { "window", ">WINDOW", FIGURE_COUNT, 6, 0, false },
    { "in_flight", ">INFLIGHT", FIGURE_COUNT, 8, 1, false },
    { "queued", ">QUEUED", FIGURE_COUNT, 6, 1, true },
    { "entitled_iops", ">ENTITLED", FIGURE_COUNT, 8, 5, true },
    { "granted_iops", ">GRANTED", FIGURE_COUNT, 7, 4, true },
    { "delay_p50_us", ">DELAY P50", FIGURE_P50, 9, 7, true },
    { "delay_p99_us", ">DELAY P99", FIGURE_P99, 9, 6, true },
    { "learnt_peak_iops", ">PEAK", FIGURE_LEARNT, 5, 2, false },
    { "external_load", ">EXTERNAL", FIGURE_PERCENT, 8, 3, false },
    { "gateways", ">GATEWAYS", FIGURE_COUNT, 8, 3, false },
    { 0 },
};

const struct figure disk_figures[] = {
    { "mode", "MODE", FIGURE_OPTION, 8, 7, false },
    { "shares", ">SHARES", FIGURE_OPTION, 6, 0, false },
    { "share_percent", ">SHARE", FIGURE_PERCENT, 5, 1, false },
    { "reservation", ">RESERVED", FIGURE_OPTION, 8, 5, false },
    { "iops", ">IOPS", FIGURE_OPTION, 7, 4, false },
    { "bytes_per_sec", ">BYTES/s", FIGURE_OPTION, 10, 6, false },
    { "entitled_iops", ">ENTITLED", FIGURE_COUNT, 8, 0, false },
    { "granted_iops", ">GRANTED", FIGURE_COUNT, 7, 0, false },
    { "queued", ">QUEUED", FIGURE_COUNT, 6, 1, false },
    { "delayed_requests", ">DELAYED", FIGURE_COUNT, 7, 2, false },
    { "limit_hits", ">LIMITED", FIGURE_COUNT, 7, 3, false },
    { "delay_p50_us", ">DELAY P50", FIGURE_P50, 9, 1, false },
    { "delay_p99_us", ">DELAY P99", FIGURE_P99, 9, 1, false },
    { 0 },
};
/* clang-format on */

const struct figure *disk_figure(const char *name)
{
    const struct figure *figure = disk_figures;

    while (figure->name && strcmp(figure->name, name) != 0)
        figure++;
    return figure;
}

/* ---- one disk ---------------------------------------------------------------- */

struct json_object *control_of(struct json_object *entry)
{
    return entry_of(member_of(entry, "filters"), "class", "control");
}

static bool is_of_delay(const struct figure *figure)
{
    return figure->kind == FIGURE_P50 || figure->kind == FIGURE_P99;
}

/* Adds what waited between the two readings. */
static void add_delays(struct weir_histogram *to, struct json_object *entry,
                       struct json_object *before)
{
    measure_growth(member_of(member_of(control_of(entry), "histograms"), DELAY),
                   member_of(member_of(control_of(before), "histograms"), DELAY), to);
}

static void add_percentiles(struct json_object *document, const struct weir_histogram *delays)
{
    add_number(document, "delay_p50_us", histogram_quantile(delays, 0.5));
    add_number(document, "delay_p99_us", histogram_quantile(delays, 0.99));
}

static bool has_delays(struct json_object *entry)
{
    return member_of(member_of(control_of(entry), "histograms"), DELAY) != NULL;
}

/* Statistics come as text, and numbers of documents are numbers. */
static bool statistic(struct json_object *filter, const char *name, int64_t *ret)
{
    const char *text = text_of(member_of(filter, "stats"), name);
    char *end;

    *ret = strtoll(text, &end, 10);
    return end != text && !*end;
}

struct json_object *control_document(struct json_object *entry, struct json_object *before)
{
    struct json_object *filter = control_of(entry);
    int64_t value;

    if (!filter)
        return NULL;
    struct json_object *ret = document();
    add_text(ret, "filter", text_of(filter, "label"));
    for (const struct figure *figure = disk_figures; figure->name; figure++) {
        if (figure->kind == FIGURE_OPTION)
            add_copy(ret, figure->name, member_of(filter, "options"));
        else if (!is_of_delay(figure) && statistic(filter, figure->name, &value))
            add_item(ret, figure->name, enough(json_object_new_int64(value)));
    }
    if (flag_of(filter, "bypassed"))
        add_text(ret, "mode", "bypassed"); /* whatever the option says */
    if (has_delays(entry)) {
        cleanup_free struct weir_histogram *delays = enough(calloc(1, sizeof(*delays)));
        add_delays(delays, entry, before);
        add_percentiles(ret, delays);
    }
    return ret;
}

/* ---- one datastore ----------------------------------------------------------- */

static bool same_datastore(const struct reading *one, const struct reading *other)
{
    return control_of(other->now) && strcmp(one->gateway, other->gateway) == 0 &&
           strcmp(text_of(one->now, "datastore"), text_of(other->now, "datastore")) == 0;
}

/* What all its disks say alike is told by the first that says it. */
static void add_figure(struct json_object *document, const struct figure *figure,
                       struct json_object *filter)
{
    struct json_object *present = member_of(document, figure->name);
    int64_t value;

    if (is_of_delay(figure) || (present && !figure->summed) ||
        !statistic(filter, figure->name, &value))
        return;
    if (present)
        json_object_int_inc(present, value);
    else
        add_item(document, figure->name, enough(json_object_new_int64(value)));
}

static struct json_object *datastore_document(const struct reading *first,
                                              const struct reading *end)
{
    struct json_object *ret = document(), *exports = enough(json_object_new_array());
    cleanup_free struct weir_histogram *delays = enough(calloc(1, sizeof(*delays)));
    bool delayed = false;

    add_text(ret, "gateway", first->gateway);
    add_text(ret, "name", text_of(first->now, "datastore"));
    add_item(ret, "exports", exports);
    for (const struct reading *disk = first; disk < end; disk++) {
        if (!same_datastore(first, disk))
            continue;
        json_object_array_add(exports, enough(json_object_new_string(text_of(disk->now, "name"))));
        for (const struct figure *figure = datastore_figures; figure->name; figure++)
            add_figure(ret, figure, control_of(disk->now));
        add_delays(delays, disk->now, disk->before);
        delayed |= has_delays(disk->now);
    }
    if (delayed)
        add_percentiles(ret, delays);
    return ret;
}

struct json_object *control_datastores(const struct reading *disks, size_t count)
{
    struct json_object *ret = enough(json_object_new_array());

    for (size_t i = 0; i < count; i++) {
        bool seen = !control_of(disks[i].now);
        for (size_t n = 0; n < i && !seen; n++)
            seen = same_datastore(&disks[i], &disks[n]);
        if (!seen)
            json_object_array_add(ret, datastore_document(&disks[i], disks + count));
    }
    return ret;
}

/* ---- columns ----------------------------------------------------------------- */

struct number figure_number(const struct figure *figure, struct json_object *document)
{
    struct json_object *member = member_of(document, figure->name);
    int64_t value = json_object_get_int64(member);
    struct number ret = { "-" };

    if (!member || (figure->kind == FIGURE_LEARNT && !value))
        return ret;
    switch (figure->kind) {
    case FIGURE_COUNT:
    case FIGURE_LEARNT:
        return count_number((double)value);
    case FIGURE_US:
    case FIGURE_P50:
    case FIGURE_P99:
        return latency_number(value > 0 ? (uint64_t)value * 1000 : 0);
    case FIGURE_PERCENT:
        snprintf(ret.text, sizeof(ret.text), "%" PRId64 "%%", value);
        break;
    case FIGURE_OPTION:
        snprintf(ret.text, sizeof(ret.text), "%s", json_object_get_string(member));
        break;
    }
    return ret;
}

size_t figure_titles(const struct figure *figures, const char **titles, size_t at)
{
    for (; figures->name; figures++)
        titles[at++] = figures->title;
    titles[at] = NULL;
    return at;
}

void figure_cells(const struct figure *figures, struct json_object *document,
                  struct number *numbers, const char **cells, size_t at)
{
    for (; figures->name; figures++, numbers++) {
        *numbers = figure_number(figures, document);
        cells[at++] = numbers->text;
    }
}
