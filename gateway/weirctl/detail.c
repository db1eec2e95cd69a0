/* detail.c - where does one disk spend its time?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "paint.h"

/* ---- tables of operations ---------------------------------------------------- */

/* Cells of one line: a word at the left and numbers of nine columns. */
enum { WORD = 14, CELL = 9 };

static void put_cells(WINDOW *window, int y, int columns, attr_t attributes, const char *word,
                      const struct number *cells, int count)
{
    put(window, y, 1, WORD, attributes, word);
    for (int i = 0; i < count; i++)
        if (1 + WORD + (i + 1) * CELL <= columns)
            put_right(window, y, 1 + WORD + i * CELL, CELL, attributes, cells[i].text);
}

static void put_titles(WINDOW *window, int y, int columns, const char *word,
                       const char *const *titles)
{
    struct number cells[12];
    int count = 0;

    for (; titles[count]; count++)
        snprintf(cells[count].text, sizeof(cells[count].text), "%s", titles[count]);
    mvwhline(window, y, 0, ' ' | A_UNDERLINE, columns);
    put_cells(window, y, columns, A_UNDERLINE | A_BOLD, word, cells, count);
}

static struct json_object *before_of(const struct disk *disk, const struct view *view)
{
    return view->since_start ? NULL : disk->before;
}

static double seconds_of(const struct disk *disk, const struct view *view)
{
    double seconds = view->since_start ? disk->uptime : disk->seconds;

    return seconds > 0 ? seconds : 1;
}

/* One line per operation that ran. */
static int draw_ops(WINDOW *window, int y, int columns, struct json_object *now,
                    struct json_object *before, double seconds)
{
    static const char *const titles[] = { "IOPS", "BYTES/s", "MEAN", "P50",    "P90",
                                          "P99",  "P99.9",   "MAX",  "FAILED", NULL };

    put_titles(window, y++, columns, "OPERATION", titles);
    for (enum weir_op op = 0; op < WEIR_OP_COUNT; op++) {
        struct measure m, ever;
        measure(now, NULL, WEIR_OP(op), &ever, NULL);
        if (!ever.requests)
            continue;
        measure(now, before, WEIR_OP(op), &m, NULL);
        const struct number cells[] = { count_number((double)m.requests / seconds),
                                        bytes_number((double)m.bytes / seconds),
                                        latency_number(m.mean),
                                        latency_number(m.p50),
                                        latency_number(m.p90),
                                        latency_number(m.p99),
                                        latency_number(m.p999),
                                        latency_number(m.max),
                                        count_number((double)m.failed) };
        put_cells(window, y++, columns,
                  m.failed     ? ink(INK_BAD)
                  : m.requests ? 0
                               : ink(INK_DIM),
                  op_name(op), cells, 9);
    }
    return y;
}

/* ---- the distribution of latencies ------------------------------------------- */

/* One bar per power of two of nanoseconds that has any request. */
static int draw_latencies(WINDOW *window, int y, int columns, struct json_object *now,
                          struct json_object *before)
{
    struct weir_histogram *histogram = enough(calloc(1, sizeof(*histogram)));
    uint64_t power[64] = { 0 }, total = 0, most = 0;
    struct measure m;
    int first = 64, last = 0;

    measure(now, before, MEASURED_OPS, &m, histogram);
    for (unsigned i = 0; i < WEIR_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&histogram->bucket[i].n, memory_order_relaxed);
        int top = 63 - __builtin_clzll(bucket_edge(i) | 1);
        if (!count)
            continue;
        power[top] += count;
        total += count;
        first = top < first ? top : first;
        last = top > last ? top : last;
        most = power[top] > most ? power[top] : most;
    }
    free(histogram);
    put_format(window, y++, 0, columns, A_BOLD, " LATENCY of %s requests",
               count_number((double)total).text);
    for (int i = first; i <= last; i++) {
        double part = (double)power[i] / (double)total;
        int room = columns - 32;
        put_format(window, y, 1, 13, 0, "≥ %s", latency_number(1ull << i).text);
        put_format(window, y, 14, 8, part > 0 ? 0 : ink(INK_DIM), "%6.2f%%", part * 100);
        put_share(window, y++, 23, room > 4 ? room : 4, (double)power[i] / (double)most,
                  ink(m.p99 >> i == 0 || (m.p99 >> i) == 1 ? INK_WARN : INK_LINE));
    }
    return y;
}

/* ---- the disk ---------------------------------------------------------------- */

static int draw_head(WINDOW *window, const struct disk *disk, int columns)
{
    struct json_object *entry = disk->now;
    cleanup_text struct weir_text text = { 0 };
    const char *state = disk->silent ? "silent" : text_of(entry, "state");
    int y = 0;

    put(window, y, 1, 12, ink(ink_of_state(state)) | A_BOLD, state);
    weir_print(&text, "policy %s (%s)  %s%s  %u client%s  %u in flight  %u waiting",
               *text_of(entry, "policy") ? text_of(entry, "policy") : "-",
               text_of(entry, "compliance"),
               bytes_number((double)number_of(entry, "size_bytes")).text,
               flag_of(entry, "read_only") ? ", read-only" : "", (unsigned)disk->pace.connections,
               disk->pace.connections == 1 ? "" : "s", (unsigned)disk->pace.in_flight,
               (unsigned)disk->pace.waiting);
    put(window, y++, 14, columns - 15, 0, text_string(&text));
    text_clear(&text);
    weir_print(&text, "%s   generation %u   longest pause %s",
               *text_of(entry, "description") ? text_of(entry, "description")
                                              : text_of(entry, "image"),
               (unsigned)number_of(entry, "generation"),
               latency_number(number_of(entry, "longest_pause_ns")).text);
    put(window, y++, 1, columns - 2, ink(INK_DIM), text_string(&text));
    if (*text_of(entry, "reason"))
        put(window, y++, 1, columns - 2, ink(INK_BAD), text_of(entry, "reason"));
    if (*text_of(entry, "compliance_reason"))
        put(window, y++, 1, columns - 2, ink(INK_WARN), text_of(entry, "compliance_reason"));
    return y;
}

static struct number name_latency(double ns)
{
    return latency_number((uint64_t)ns);
}

int draw_charts(WINDOW *window, int y, const struct pace *pace, int columns)
{
    enum { ROWS = 5 };
    const struct {
        const char *title;
        struct number now;
        const struct history *past;
        struct number (*name)(double);
        enum ink ink;
    } charts[] = {
        { "IOPS", count_number(pace->iops), &pace->iops_past, count_number, INK_LINE },
        { "P99", latency_number(pace->p99), &pace->p99_past, name_latency, INK_WARN },
        { "BANDWIDTH", rate_number(pace->read + pace->write), &pace->bytes_past, bytes_number,
          INK_GOOD },
    };
    int shown = columns >= 110 ? 3 : columns >= 60 ? 2 : 1, width = (columns - 1) / shown;

    for (int i = 0; i < shown; i++) {
        put_format(window, y, i * width + 11, width - 12, A_BOLD, "%s %s", charts[i].title,
                   charts[i].now.text);
        put_chart(window, y + 1, i * width, ROWS, width - 1, charts[i].past, charts[i].name,
                  ink(charts[i].ink));
    }
    return y + ROWS + 1;
}

/* One line per place of the chain, with the store as the last. */
static void draw_place_line(WINDOW *window, int y, int columns, const char *name,
                            struct json_object *filter, struct json_object *ops,
                            struct json_object *ops_were, double seconds, bool chosen)
{
    struct measure m;

    measure(ops, ops_were, WEIR_ALL_OPS, &m, NULL);
    const struct number cells[] = { count_number((double)m.requests / seconds),
                                    latency_number(m.p50),
                                    latency_number(m.p99),
                                    latency_number(m.below_p50),
                                    latency_number(m.below_p99),
                                    count_number((double)number_of(filter, "held")),
                                    latency_number(number_of(filter, "longest_hold_ns")),
                                    count_number((double)m.derived),
                                    count_number((double)m.failed) };
    attr_t attributes = chosen                        ? A_REVERSE
                        : flag_of(filter, "bypassed") ? ink(INK_WARN)
                        : m.failed                    ? ink(INK_BAD)
                        : m.requests                  ? 0
                                                      : ink(INK_DIM);
    if (chosen)
        mvwhline(window, y, 0, ' ' | A_REVERSE, columns);
    put_cells(window, y, columns, attributes, name, cells, 9);
}

static int draw_chain(WINDOW *window, int y, int columns, const struct disk *disk,
                      struct view *view, int *chosen_line)
{
    static const char *const titles[] = { "IOPS", "HERE P50", "HERE P99", "REST P50", "REST P99",
                                          "HELD", "LONGEST",  "DERIVED",  "FAILED",   NULL };
    struct json_object *filters = member_of(disk->now, "filters");
    struct json_object *were = member_of(before_of(disk, view), "filters");
    int count = (int)items_of(filters);

    if (view->place > count)
        view->place = count;
    put_titles(window, y++, columns, "CHAIN", titles);
    for (int i = 0; i < count; i++) {
        struct json_object *filter = json_object_array_get_idx(filters, (size_t)i);
        struct json_object *was = entry_of(were, "place", text_of(filter, "place"));
        if (i == view->place)
            *chosen_line = y;
        draw_place_line(window, y++, columns, text_of(filter, "place"), filter,
                        member_of(filter, "ops"), member_of(was, "ops"), seconds_of(disk, view),
                        i == view->place);
    }
    if (view->place == count)
        *chosen_line = y;
    draw_place_line(window, y++, columns, "store", NULL, member_of(disk->now, "store"),
                    member_of(before_of(disk, view), "store"), seconds_of(disk, view),
                    view->place == count);
    return y;
}

int draw_disk(WINDOW *window, const struct board *board, const struct disk *disk, struct view *view,
              int columns, int *chosen_line)
{
    struct json_object *now = member_of(disk->now, "ops");
    struct json_object *before = member_of(before_of(disk, view), "ops");
    int y = draw_head(window, disk, columns);

    y = draw_charts(window, y + 1, &disk->pace, columns) + 1;
    y = draw_ops(window, y, columns, now, before, seconds_of(disk, view)) + 1;
    y = draw_chain(window, y, columns, disk, view, chosen_line) + 1;
    y = draw_control(window, y, board, disk, view->since_start, columns);
    return draw_latencies(window, y, columns, now, before);
}

/* ---- one place of the chain -------------------------------------------------- */

static int draw_values(WINDOW *window, int y, int columns, const char *title,
                       struct json_object *values)
{
    put(window, y++, 1, columns - 2, A_BOLD, title);
    if (!json_object_is_type(values, json_type_object) || !json_object_object_length(values)) {
        put(window, y++, 3, columns - 4, ink(INK_DIM), "none");
        return y;
    }
    json_object_object_foreach(values, name, value)
    {
        put(window, y, 3, 24, 0, name);
        put(window, y++, 28, columns - 29, ink(INK_LINE), json_object_get_string(value));
    }
    return y;
}

int draw_place(WINDOW *window, const struct disk *disk, struct view *view, int columns)
{
    struct json_object *filters = member_of(disk->now, "filters");
    struct json_object *before = before_of(disk, view);
    struct json_object *now = disk->now;
    const char *ops = "store";
    int y = 0;

    if (view->place < (int)items_of(filters)) {
        now = json_object_array_get_idx(filters, (size_t)view->place);
        before = entry_of(member_of(before, "filters"), "place", text_of(now, "place"));
        ops = "ops";
        put_format(window, y++, 1, columns - 2, A_BOLD, "%s   class %s%s", text_of(now, "place"),
                   text_of(now, "class"), flag_of(now, "bypassed") ? "   bypassed" : "");
        put_format(window, y++, 1, columns - 2, 0, "holds %u now, oldest %s, longest ever %s",
                   (unsigned)number_of(now, "held"),
                   latency_number(number_of(now, "oldest_hold_ns")).text,
                   latency_number(number_of(now, "longest_hold_ns")).text);
    } else {
        put_format(window, y++, 1, columns - 2, A_BOLD, "store   datastore %s   image %s",
                   text_of(now, "datastore"), text_of(now, "image"));
    }
    y = draw_ops(window, y + 1, columns, member_of(now, ops), member_of(before, ops),
                 seconds_of(disk, view));
    y = draw_latencies(window, y + 1, columns, member_of(now, ops), member_of(before, ops)) + 1;
    if (now == disk->now)
        return draw_values(window, y, columns, "STATISTICS", member_of(now, "store_stats"));
    y = draw_values(window, y, columns, "OPTIONS", member_of(now, "options")) + 1;
    return draw_values(window, y, columns, "STATISTICS", member_of(now, "stats"));
}
