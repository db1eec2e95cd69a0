/* effective.c - what is the policy of one export, all said and overridden, as a text to edit?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../gateway.h"
#include "../scope.h"
#include "../text.h"
#include "running.h"

#include <errno.h>
#include <string.h>

/* A set option as a line; one that was not as a comment that shows what could be. */
static void print_option(const struct plan_filter *f, const struct weir_option *o,
                         struct weir_text *text)
{
    cleanup_text struct weir_text value = { 0 };
    bool is_set = settings_was_set(f->settings, o->name);

    settings_print(f->settings, o->name, &value);
    weir_print(text, "      %s%s = ", is_set ? "" : "# ", o->name);
    print_literal(o, text_string(&value), text);
    weir_print(text, ";%s%s\n", is_set || !o->help ? "" : "  # ",
               is_set || !o->help ? "" : o->help);
}

static void print_filter(const struct plan_filter *f, bool last, struct weir_text *text)
{
    const struct weir_filter *filter = &f->library->filter;

    weir_print(text, "    { filter = \"%s\";\n", filter->name);
    if (strcmp(f->label, filter->name))
        weir_print(text, "      label = \"%s\";\n", f->label);
    for (const struct weir_option *o = filter->options; o && o->name && !standin_is(f->library);
         o++)
        print_option(f, o, text);
    weir_print(text, "    }%s\n", last ? "" : ",");
}

static void print_plan(const struct configuration *c, const struct export_entry *e,
                       struct weir_text *text)
{
    const struct policy *policy = policy_find(c, e->policy);
    const struct plan *p = &e->plan;

    weir_print(text, "# What export \"%s\" runs with: ", e->name);
    if (policy)
        weir_print(text, "policy \"%s\" (%s)", policy->name, policy->source->name);
    else
        weir_print(text, "no policy");
    weir_print(text, "%s.\n# An edit here is for this export alone.\n",
               e->options || e->override ? " and options of its own" : "");
    weir_print(text, "plaintext_filters = %s;\nhold_limit = \"",
               p->plaintext_filters ? "true" : "false");
    print_time(p->hold_limit, text);
    weir_print(text, "\";\non_filter_failure = \"%s\";\nfilters = (\n",
               failure_words[p->on_filter_failure]);
    for (size_t i = 0; i < p->count; i++)
        print_filter(&p->filter[i], i + 1 == p->count, text);
    weir_print(text, ");\n");
}

int effective_text(const struct configuration *c, const struct export_entry *e,
                   struct weir_text *text)
{
    if (e->override && source_is_policy(e->override))
        weir_print(text, "%s", e->override->text);
    else
        print_plan(c, e, text);
    return text->cut ? -ENOMEM : 0;
}

/* One that is there because a client asked for it. */
static int point_text(const char *name, struct weir_text *text)
{
    struct export *e = gateway_find(name);
    const struct export *base = e ? export_config(e)->base : NULL;

    if (base)
        weir_print(text,
                   "# Export \"%s\" has no policy of its own.  In front of it are the filters of "
                   "the policy of\n# \"%s\" without which a disk cannot be read.\n",
                   name, export_name(base));
    export_unref(e);
    return base ? 0 : -ENOENT;
}

int config_export_policy(const char *name, struct weir_text *text)
{
    struct configuration *c = running_get();
    const struct export_entry *e = c ? export_entry_find(c, name) : NULL;
    int err = e ? effective_text(c, e, text) : point_text(name, text);

    configuration_unref(c);
    return err;
}

const char *config_export_policy_name(const char *name, char buffer[256])
{
    struct configuration *c = running_get();
    const struct export_entry *e = c ? export_entry_find(c, name) : NULL;

    buffer[0] = '\0';
    if (e)
        strncat(buffer, e->policy, 255);
    configuration_unref(c);
    return buffer;
}
