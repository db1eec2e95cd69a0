/* tree-verbs.c - how does a line that is written to `ctl` become a verb of a filter or store?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <string.h>

#include "../scope.h"

/* Whose verbs. */
struct listener {
    const char *label;      /* as export_run_verb() wants it */
    const char *kind, *who; /* for sentences: "filter pass", "vm1/pass" */
    const char *where;
    const struct weir_verb *verbs;
};

static struct listener filter_of(struct place *place)
{
    const struct filter_view *view = place_filter(place);

    return (struct listener){ view->label, "filter", view->label, view->label,
                              view->filter->verbs };
}

static struct listener store_of(struct place *place)
{
    const struct store_type *type = export_config(place->export)->datastore->type;

    return (struct listener){ NULL, "a store of type", type->name, "store", type->verbs };
}

/* A filter's label is never empty. */
static const char *kept_label(const struct listener *l)
{
    return l->label ? l->label : "";
}

/* A word that is none is repeated nowhere: it may be a passphrase that was written here by mistake,
 * and this is logged. */
static int find_verb(const struct listener *l, const char *verb, struct refusal *refusal)
{
    const struct weir_verb *row = l->verbs;
    struct weir_text *why = &refusal->why;

    if (!row || !row->name) {
        weir_print(why, "%s %s has no verbs", l->kind, l->who);
        return -EOPNOTSUPP;
    }
    for (; row->name; row++) {
        if (strcmp(row->name, verb) == 0)
            return 0;
    }
    weir_print(why, "the first word is no verb of %s %s; it has", l->kind, l->who);
    for (row = l->verbs; row->name; row++)
        weir_print(why, "%s %s", row == l->verbs ? "" : ",", row->name);
    return -EINVAL;
}

static int run_verb(struct place *place, const struct listener *l, const char *verb,
                    const char *arguments, struct weir_text *answer, struct refusal *refusal)
{
    int error = export_run_verb(place->export, l->label, verb, arguments, answer);

    kept_set(KEPT_CTL, export_name(place->export), kept_label(l), text_string(answer));
    if (error)
        weir_print(&refusal->why, "%s", text_string(answer));
    return error;
}

static int ctl_write(struct place *place, const struct listener *l, const struct change *change,
                     struct weir_text *answer, struct refusal *refusal)
{
    cleanup_free char *line = NULL;
    const char *arguments = "", *verb = "that is none";

    int error = change_line(change, &line, refusal);
    if (!error) {
        char *end = line + strcspn(line, " \t");
        arguments = end + strspn(end, " \t");
        *end = '\0';
        error = find_verb(l, line, refusal);
    }
    if (change->check_only)
        return error;
    if (!error) {
        verb = line;
        error = run_verb(place, l, verb, arguments, answer, refusal);
    }
    return change_done(place, error, refusal, "verb %s of %s/%s run", verb,
                       export_name(place->export), l->where);
}

int filter_ctl_read(struct place *place, struct weir_text *text)
{
    kept_print(KEPT_CTL, export_name(place->export), place_filter(place)->label, text);
    return 0;
}

int filter_ctl_write(struct place *place, const struct change *change, struct weir_text *answer,
                     struct refusal *refusal)
{
    const struct listener l = filter_of(place);

    return ctl_write(place, &l, change, answer, refusal);
}

int store_ctl_read(struct place *place, struct weir_text *text)
{
    kept_print(KEPT_CTL, export_name(place->export), "", text);
    return 0;
}

int store_ctl_write(struct place *place, const struct change *change, struct weir_text *answer,
                    struct refusal *refusal)
{
    const struct listener l = store_of(place);

    return ctl_write(place, &l, change, answer, refusal);
}
