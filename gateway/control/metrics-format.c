/* metrics-format.c - how is a sample spelled in Prometheus' text format?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json-out.h"
#include "metrics.h"

/* ---- families ---------------------------------------------------------------- */

static struct family *find(const struct metrics *metrics, const char *name)
{
    for (struct family *family = metrics->first; family; family = family->next) {
        if (strcmp(family->name, name) == 0)
            return family;
    }
    return NULL;
}

static struct family *append(struct metrics *metrics, const char *name, const char *type,
                             const char *help)
{
    struct family *family = calloc(1, sizeof(*family));

    if (family) {
        *family = (struct family){ .name = strdup(name), .help = strdup(help), .type = type };
        if (family->name && family->help) {
            *(metrics->last ? metrics->last : &metrics->first) = family;
            metrics->last = &family->next;
            return family;
        }
        free(family->name);
        free(family->help);
        free(family);
    }
    metrics->no_memory = true;
    return NULL;
}

struct family *metrics_family(struct metrics *metrics, const char *name, const char *type,
                              const char *help)
{
    struct weir_text other = { 0 };
    struct family *family = find(metrics, name);

    if (family && strcmp(family->type, type) != 0) {
        weir_print(&other, "%s_as_%s", name, type);
        family = find(metrics, text_string(&other));
        name = text_string(&other);
    }
    if (!family)
        family = append(metrics, name, type, help);
    text_finish(&other);
    return family;
}

static void write_help(const char *help, struct weir_text *text)
{
    for (; *help; help++) {
        if (*help == '\n')
            weir_print(text, "\\n");
        else
            weir_print(text, *help == '\\' ? "\\\\" : "%c", *help);
    }
}

void metrics_write(const struct metrics *metrics, struct weir_text *text)
{
    for (const struct family *family = metrics->first; family; family = family->next) {
        text->cut = text->cut || family->samples.cut;
        if (!family->samples.length)
            continue;
        weir_print(text, "# HELP %s ", family->name);
        write_help(family->help, text);
        weir_print(text, "\n# TYPE %s %s\n", family->name, family->type);
        text_append(text, family->samples.text, family->samples.length);
    }
    text->cut = text->cut || metrics->no_memory;
}

void metrics_finish(struct metrics *metrics)
{
    while (metrics->first) {
        struct family *family = metrics->first;
        metrics->first = family->next;
        free(family->name);
        free(family->help);
        text_finish(&family->samples);
        free(family);
    }
    *metrics = (struct metrics){ 0 };
}

/* ---- samples ----------------------------------------------------------------- */

void label_add(struct weir_text *labels, const char *key, const char *value)
{
    size_t size = value ? strlen(value) : 0;

    weir_print(labels, "%s%s=\"", labels->length ? "," : "", key);
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(value + i, size - i);
        if (!length)
            weir_print(labels, "\xef\xbf\xbd"); /* Prometheus takes nothing but UTF-8 */
        else if (value[i] == '\n')
            weir_print(labels, "\\n");
        else if (value[i] == '"' || value[i] == '\\')
            weir_print(labels, "\\%c", value[i]);
        else
            text_append(labels, value + i, length);
        i += length ? length : 1;
    }
    weir_print(labels, "\"");
}

static void begin(struct family *family, const char *suffix, const struct weir_text *labels)
{
    weir_print(&family->samples, "%s%s{%s} ", family->name, suffix, text_string(labels));
}

void sample_number(struct family *family, const struct weir_text *labels, uint64_t value)
{
    if (!family)
        return;
    begin(family, "", labels);
    weir_print(&family->samples, "%" PRIu64 "\n", value);
}

static void print_seconds(uint64_t ns, struct weir_text *text)
{
    weir_print(text, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

void sample_seconds(struct family *family, const struct weir_text *labels, uint64_t ns)
{
    if (!family)
        return;
    begin(family, "", labels);
    print_seconds(ns, &family->samples);
}

void sample_double(struct family *family, const struct weir_text *labels, double value)
{
    if (!family)
        return;
    begin(family, "", labels);
    weir_print(&family->samples, "%.15g\n", value);
}

/* ---- histograms -------------------------------------------------------------- */

enum { EDGES = 12 };

static const double second_edges[EDGES] = { 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3,
                                            5e-3,  10e-3,  50e-3,  200e-3, 1,    5 };
static const double other_edges[EDGES] = { 1,    4,     16,    64,     256,     1024,
                                           4096, 16384, 65536, 262144, 1048576, 16777216 };

/* What surely is not above the edge: a bucket that the edge cuts counts to the next one,
 * which shifts an edge by 1/16 at most. */
void sample_histogram(struct family *family, const struct weir_text *labels,
                      const struct weir_histogram *h, bool seconds, double scale)
{
    const double *edges = seconds ? second_edges : other_edges;
    uint64_t count = 0;
    unsigned bucket = 0;

    if (!family)
        return;
    for (size_t i = 0; i < EDGES; i++) {
        /* the last bucket has no upper edge */
        for (; bucket < WEIR_BUCKETS - 1 &&
               (double)bucket_edge(bucket) * scale <= edges[i] * (1 + 1e-12);
             bucket++)
            count += h->bucket[bucket].n;
        weir_print(&family->samples, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", family->name,
                   text_string(labels), edges[i], count);
    }
    for (; bucket < WEIR_BUCKETS; bucket++)
        count += h->bucket[bucket].n;
    weir_print(&family->samples, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", family->name,
               text_string(labels), count);
    begin(family, "_sum", labels);
    weir_print(&family->samples, "%.15g\n", (double)h->sum.n * scale);
    begin(family, "_count", labels);
    weir_print(&family->samples, "%" PRIu64 "\n", count);
}
