/* describe.c - what do a filter's own tables say of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../options.h"
#include "filters.h"
#include "measure.h"

static const char *const kinds[] = {
    [WEIR_COUNTER] = "counter", [WEIR_GAUGE] = "gauge", [WEIR_HISTOGRAM] = "histogram",
    [WEIR_VALUE] = "value",     [WEIR_TEXT] = "text",
};

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* How a table looks in text and in POD: printf formats that take what is named. */
struct style {
    const char *head;    /* name, version, class, summary */
    const char *section; /* title */
    const char *none;    /* no row */
    const char *begin, *end;
    const char *row;      /* name, what it is, help */
    const char *bare_row; /* name, help */
};

static const struct style text_style = {
    "%s %s (class %s): %s\n", "\n%s\n",           "  none\n", "", "",
    "  %s (%s)\n      %s\n",  "  %s\n      %s\n",
};

static const struct style pod_style = {
    "=head1 NAME\n\n%s - version %s, class %s: %s\n\n",
    "=head1 %s\n\n",
    "There are none.\n\n",
    "=over 4\n\n",
    "=back\n\n",
    "=item B<%s> (%s)\n\n%s\n\n",
    "=item B<%s>\n\n%s\n\n",
};

/* The formats are all above: a warning about them would be about nothing. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void begin_section(const struct style *style, const char *title, bool empty, FILE *out)
{
    fprintf(out, style->section, title);
    fputs(empty ? style->none : style->begin, out);
}

static void end_section(const struct style *style, bool empty, FILE *out)
{
    if (!empty)
        fputs(style->end, out);
}

static void describe(const struct style *style, const struct library *library, FILE *out)
{
    const struct weir_filter *filter = &library->filter;
    bool none = !filter->options || !filter->options->name;

    fprintf(out, style->head, filter->name, or_empty(filter->version), class_name(filter->klass),
            or_empty(filter->summary));
    begin_section(style, "OPTIONS", none, out);
    for (const struct weir_option *row = filter->options; row && row->name; row++) {
        cleanup_text struct weir_text what = { 0 };
        option_describe(row, &what);
        fprintf(out, style->row, row->name, text_string(&what), or_empty(row->help));
    }
    end_section(style, none, out);
    none = !filter->stats || !filter->stats->name;
    begin_section(style, "STATISTICS", none, out);
    for (const struct weir_stat *row = filter->stats; row && row->name; row++) {
        cleanup_text struct weir_text what = { 0 };
        weir_print(&what, "%s%s%s", kinds[row->kind], row->unit && *row->unit ? ", " : "",
                   or_empty(row->unit));
        fprintf(out, style->row, row->name, text_string(&what), or_empty(row->help));
    }
    end_section(style, none, out);
    none = !filter->verbs || !filter->verbs->name;
    begin_section(style, "VERBS", none, out);
    for (const struct weir_verb *row = filter->verbs; row && row->name; row++)
        fprintf(out, style->bare_row, row->name, or_empty(row->help));
    end_section(style, none, out);
}

#pragma GCC diagnostic pop

void describe_text(const struct library *library, FILE *out)
{
    describe(&text_style, library, out);
}

void describe_pod(const struct library *library, FILE *out)
{
    describe(&pod_style, library, out);
}

static struct json_object *option_document(const struct weir_option *row)
{
    struct json_object *ret = document();
    cleanup_text struct weir_text what = { 0 };

    option_describe(row, &what);
    add_text(ret, "name", row->name);
    add_text(ret, "type", option_type_name(row));
    add_text(ret, "description", text_string(&what));
    if (row->fallback && !(row->flags & WEIR_SECRET))
        add_text(ret, "default", row->fallback);
    if (row->min || row->max) {
        add_item(ret, "min", enough(json_object_new_int64(row->min)));
        add_item(ret, "max", enough(json_object_new_int64(row->max)));
    }
    if (row->choices) {
        struct json_object *choices = enough(json_object_new_array());
        for (size_t i = 0; row->choices[i]; i++)
            json_object_array_add(choices, enough(json_object_new_string(row->choices[i])));
        add_item(ret, "choices", choices);
    }
    add_flag(ret, "live", row->flags & WEIR_LIVE);
    add_flag(ret, "required", row->flags & WEIR_REQUIRED);
    add_flag(ret, "secret", row->flags & WEIR_SECRET);
    add_text(ret, "help", or_empty(row->help));
    return ret;
}

static struct json_object *statistics_document(const struct weir_stat *row)
{
    struct json_object *list = enough(json_object_new_array());

    for (; row && row->name; row++) {
        struct json_object *entry = document();
        add_text(entry, "name", row->name);
        add_text(entry, "kind", kinds[row->kind]);
        add_text(entry, "unit", or_empty(row->unit));
        add_text(entry, "help", or_empty(row->help));
        json_object_array_add(list, entry);
    }
    return list;
}

struct json_object *describe_document(const struct library *library)
{
    const struct weir_filter *filter = &library->filter;
    struct json_object *ret = document();
    struct json_object *ops = enough(json_object_new_array());
    struct json_object *options = enough(json_object_new_array());
    struct json_object *verbs = enough(json_object_new_array());

    add_text(ret, "name", filter->name);
    add_text(ret, "version", or_empty(filter->version));
    add_text(ret, "class", class_name(filter->klass));
    add_text(ret, "summary", or_empty(filter->summary));
    add_number(ret, "abi", filter->abi);
    add_text(ret, "path", library->path);
    for (enum weir_op op = 0; op < WEIR_OP_COUNT; op++)
        if (filter->ops & WEIR_OP(op))
            json_object_array_add(ops, enough(json_object_new_string(op_name(op))));
    add_item(ret, "ops", ops);
    add_flag(ret, "needs_order", filter->flags & WEIR_NEEDS_ORDER);
    for (const struct weir_option *row = filter->options; row && row->name; row++)
        json_object_array_add(options, option_document(row));
    add_item(ret, "options", options);
    add_item(ret, "statistics", statistics_document(filter->stats));
    for (const struct weir_verb *row = filter->verbs; row && row->name; row++) {
        struct json_object *verb = document();
        add_text(verb, "name", row->name);
        add_text(verb, "help", or_empty(row->help));
        json_object_array_add(verbs, verb);
    }
    add_item(ret, "verbs", verbs);
    return ret;
}
