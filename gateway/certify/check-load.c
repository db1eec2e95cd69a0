/* check-load.c - is what the filter says of itself sound?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include "options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void note(struct kit *k, const struct weir_filter *f)
{
    snprintf(k->about->name, sizeof(k->about->name), "%s", f->name);
    snprintf(k->about->version, sizeof(k->about->version), "%s", f->version);
    snprintf(k->about->summary, sizeof(k->about->summary), "%s", f->summary);
    k->about->abi = f->abi;
    k->about->klass = f->klass;
    k->about->flags = f->flags;
}

/* People read it in the mount, the man page and the metrics. */
static void sentence(struct kit *k, const char *of, const char *name, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    if (!length)
        fail(k, "%s %s says nothing of itself", of, name);
    if (!strchr(".?", text[length - 1]) || strchr(text, '\n'))
        fail(k, "%s %s: \"%s\" is not one sentence with its stop", of, name, text);
}

static void unique(struct kit *k, const char *of, const char *name, const char *other)
{
    if (strcmp(name, other) == 0)
        fail(k, "there are two %ss %s", of, name);
}

static void judge_rows(struct kit *k, const struct weir_filter *f)
{
    for (const struct weir_option *o = f->options; o && o->name; o++) {
        sentence(k, "option", o->name, o->help);
        for (const struct weir_option *p = o + 1; p->name; p++)
            unique(k, "option", o->name, p->name);
    }
    for (const struct weir_stat *s = f->stats; s && s->name; s++) {
        sentence(k, "statistic", s->name, s->help);
        for (const struct weir_stat *p = s + 1; p->name; p++)
            unique(k, "statistic", s->name, p->name);
        if (s->kind != WEIR_TEXT && (!s->unit || !*s->unit))
            fail(k, "statistic %s has no unit", s->name);
    }
    for (const struct weir_verb *v = f->verbs; v && v->name; v++) {
        sentence(k, "verb", v->name, v->help);
        if (!v->run)
            fail(k, "verb %s does nothing", v->name);
    }
}

static void judge_statistics(struct kit *k, const struct weir_filter *f)
{
    for (const struct weir_stat *s = f->stats; s && s->name; s++) {
        cleanup_text struct weir_text text = { 0 };
        int r = export_print_stat(k->export, k->label, s->name, &text);
        if (r)
            fail(k, "statistic %s cannot be read: %s", s->name, strerror(-r));
    }
}

void check_load(struct kit *k)
{
    cleanup_text struct weir_text why = { 0 };
    struct settings *s = NULL;

    rig_begin(k);
    const struct weir_filter *f = &k->library->filter;
    note(k, f);
    sentence(k, "the filter", f->name, f->summary);
    judge_rows(k, f);
    if (rig_settings(k, &s, &why))
        fail(k, "its options are refused: %s", text_string(&why));
    settings_destroy(s);
    rig_open(k, true);
    judge_statistics(k, f);
    rig_close(k);
}
