/* metrics.c - how do the metrics of several gateways become one text?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include "../scope.h"

#include <errno.h>
#include <string.h>

struct family {
    struct family *next;
    char *name;
    struct weir_text help, type, samples;
};

struct metrics {
    struct family *first, **end;
};

struct metrics *metrics_create(void)
{
    struct metrics *m = calloc(1, sizeof(*m));

    if (m)
        m->end = &m->first;
    return m;
}

void metrics_destroy(struct metrics *m)
{
    while (m && m->first) {
        struct family *f = m->first;
        m->first = f->next;
        text_finish(&f->help);
        text_finish(&f->type);
        text_finish(&f->samples);
        free(f->name);
        free(f);
    }
    free(m);
}

static struct family *family_of(struct metrics *m, const char *name, size_t length)
{
    for (struct family *f = m->first; f; f = f->next)
        if (strncmp(f->name, name, length) == 0 && !f->name[length])
            return f;
    struct family *f = calloc(1, sizeof(*f));
    if (!f || !(f->name = strndup(name, length))) {
        free(f);
        return NULL;
    }
    *m->end = f;
    m->end = &f->next;
    return f;
}

/* Is `sample` the family's name, or that with a suffix as summaries and histograms have? */
static bool belongs(const struct family *f, const char *sample, size_t length)
{
    static const char *const suffixes[] = { "", "_bucket", "_sum", "_count", "_total", "_created" };
    size_t base = strlen(f->name);

    if (length < base || strncmp(f->name, sample, base) != 0)
        return false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        if (strlen(suffixes[i]) == length - base &&
            strncmp(suffixes[i], sample + base, length - base) == 0)
            return true;
    return false;
}

/* Does a label set (after its brace) have the label `gateway`? */
static bool has_gateway(const char *labels, const char *end)
{
    static const char name[] = "gateway=\"";
    bool quoted = false;

    for (const char *at = labels; at < end && (quoted || *at != '}'); at++) {
        if (quoted && *at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (at == labels || at[-1] == ',') &&
                 (size_t)(end - at) >= sizeof(name) - 1 && memcmp(at, name, sizeof(name) - 1) == 0)
            return true;
    }
    return false;
}

static void label_print(const char *gateway, struct weir_text *t)
{
    weir_print(t, "gateway=\"");
    for (; *gateway; gateway++)
        weir_print(t, *gateway == '"' || *gateway == '\\' ? "\\%c" : "%c", *gateway);
    weir_print(t, "\"");
}

static void sample_print(const char *gateway, const char *line, const char *end, size_t name,
                         struct weir_text *t)
{
    const char *rest = line + name;
    bool braces = rest < end && *rest == '{';

    text_append(t, line, name);
    if (braces && has_gateway(rest + 1, end)) {
        text_append(t, rest, (size_t)(end - rest));
    } else {
        weir_print(t, "{");
        label_print(gateway, t);
        if (!braces)
            weir_print(t, "}");
        else if (rest[1] != '}')
            weir_print(t, ",");
        rest += braces;
        text_append(t, rest, (size_t)(end - rest));
    }
    weir_print(t, "\n");
}

/* "# HELP name …", "# TYPE name …": kept as the first gateway said it. */
static int comment(struct metrics *m, const char *line, const char *end, struct family **now)
{
    size_t length = (size_t)(end - line);
    bool help = length > 7 && memcmp(line, "# HELP ", 7) == 0;

    if (!help && !(length > 7 && memcmp(line, "# TYPE ", 7) == 0))
        return 0;
    *now = family_of(m, line + 7, strcspn(line + 7, " \n"));
    if (!*now)
        return -ENOMEM;
    struct weir_text *t = help ? &(*now)->help : &(*now)->type;
    if (!t->length) {
        text_append(t, line, length);
        weir_print(t, "\n");
    }
    return 0;
}

int metrics_add(struct metrics *m, const char *gateway, const char *text)
{
    struct family *now = NULL;

    for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        if (line == end)
            continue;
        if (*line == '#') {
            if (comment(m, line, end, &now))
                return -ENOMEM;
            continue;
        }
        size_t name = strcspn(line, "{ \t\n");
        if (!now || !belongs(now, line, name))
            now = family_of(m, line, name);
        if (!now)
            return -ENOMEM;
        sample_print(gateway, line, end, name, &now->samples);
    }
    return 0;
}

void metrics_print(const struct metrics *m, struct weir_text *t)
{
    for (const struct family *f = m->first; f; f = f->next) {
        if (!f->samples.length)
            continue;
        text_append(t, text_string(&f->help), f->help.length);
        text_append(t, text_string(&f->type), f->type.length);
        text_append(t, text_string(&f->samples), f->samples.length);
    }
}
