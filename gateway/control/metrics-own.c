/* metrics-own.c - under which names do the statistics of filters and stores reach Prometheus?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * weir_FILTER_STATISTIC_UNIT and weir_store_TYPE_STATISTIC_UNIT, in base units, so that the
 * table is all there is to write.  Parts of a name that Prometheus' lint takes for units or types
 * are left out. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "../scope.h"
#include "metrics.h"

static const struct unit {
    const char *unit, *base;
    double scale;
} units[] = {
    { "ns", "seconds", 1e-9 },   { "us", "seconds", 1e-6 },    { "ms", "seconds", 1e-3 },
    { "s", "seconds", 1 },       { "seconds", "seconds", 1 },  { "bytes", "bytes", 1 },
    { "B", "bytes", 1 },         { "byte", "bytes", 1 },       { "KiB", "bytes", 1024 },
    { "MiB", "bytes", 1 << 20 }, { "percent", "ratio", 0.01 }, { "%", "ratio", 0.01 },
    { "ratio", "ratio", 1 },
};

static const struct unit *find_unit(const char *name)
{
    for (size_t i = 0; name && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i].unit, name) == 0)
            return &units[i];
    }
    return NULL;
}

static bool is_left_out(const char *part)
{
    static const char *const words[] = {
        "ns",
        "us",
        "ms",
        "s",
        "sec",
        "m",
        "h",
        "d",
        "b",
        "kb",
        "mb",
        "gb",
        "tb",
        "pb",
        "kib",
        "mib",
        "gib",
        "seconds",
        "bytes",
        "ratio",
        "nanoseconds",
        "microseconds",
        "milliseconds",
        "minutes",
        "hours",
        "days",
        "weeks",
        "percent",
        "bits",
        "kilobytes",
        "megabytes",
        "gigabytes",
        "counter",
        "gauge",
        "histogram",
        "summary",
        "total",
        "count",
        "sum",
        "bucket",
        "info",
        "",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], part) == 0)
            return true;
    }
    return false;
}

/* Appends "_part" for each part of `name` that may stay. */
static size_t add_parts(const char *name, struct weir_text *text)
{
    cleanup_free char *copy = strdup(name);
    size_t kept = 0;

    for (char *c = copy; c && *c; c++)
        *c = (unsigned char)*c < 0x80 && isalnum((unsigned char)*c) ? (char)tolower(*c) : '_';
    for (char *rest = copy, *part; rest && (part = strsep(&rest, "_"));) {
        if (is_left_out(part))
            continue;
        weir_print(text, "_%s", part);
        kept++;
    }
    return kept;
}

void metrics_own_name(const char *owner, const struct weir_stat *stat, struct weir_text *name,
                      double *scale)
{
    const struct unit *unit = find_unit(stat->unit);

    weir_print(name, "weir");
    add_parts(owner, name);
    if (!add_parts(stat->name, name))
        weir_print(name, "_value");
    if (unit)
        weir_print(name, "_%s", unit->base);
    if (stat->kind == WEIR_COUNTER)
        weir_print(name, "_total");
    *scale = unit ? unit->scale : 1;
}

static void add_number(struct family *family, const struct weir_text *labels, const char *printed,
                       double scale)
{
    char *end;

    if (scale == 1 && *printed != '-')
        sample_number(family, labels, strtoull(printed, &end, 10));
    else
        sample_double(family, labels, (double)strtoll(printed, &end, 10) * scale);
}

static void add_stat(struct metrics *metrics, struct export *export, const struct stat_owner *owner,
                     const struct weir_stat *stat, const struct weir_text *labels)
{
    cleanup_text struct weir_text name = { 0 };
    cleanup_text struct weir_text value = { 0 };
    cleanup_free struct weir_histogram *histogram = NULL;
    const char *help = stat->help && *stat->help ? stat->help : stat->name;
    double scale;

    metrics_own_name(owner->name, stat, &name, &scale);
    if (stat->kind == WEIR_HISTOGRAM) {
        const struct unit *unit = find_unit(stat->unit);
        if (export_stat_histogram(export, owner->label, stat->name, &histogram) == 0)
            sample_histogram(metrics_family(metrics, text_string(&name), "histogram", help), labels,
                             histogram, unit && strcmp(unit->base, "seconds") == 0, scale);
    } else if (export_print_stat(export, owner->label, stat->name, &value) == 0) {
        const char *type = stat->kind == WEIR_COUNTER ? "counter" : "gauge";
        add_number(metrics_family(metrics, text_string(&name), type, help), labels,
                   text_string(&value), scale);
    }
}

void metrics_own_stats(struct metrics *metrics, struct export *export,
                       const struct stat_owner *owner, const struct weir_text *labels)
{
    for (const struct weir_stat *row = owner->stats; row && row->name; row++) {
        if (row->kind != WEIR_TEXT)
            add_stat(metrics, export, owner, row, labels);
    }
}
