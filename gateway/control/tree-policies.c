/* tree-policies.c - how are policies read and edited through the tree?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <string.h>

#include "../events.h"
#include "../scope.h"

int policy_names(struct place *place, struct names *names)
{
    cleanup_free char **list = config_policies();
    int error = list ? 0 : -ENOMEM;

    (void)place;
    for (size_t i = 0; list && list[i] && !error; i++)
        error = names_add(names, list[i], NODE_FILE, true);
    return error;
}

int policy_enter(struct place *place, const char *name)
{
    struct policy_view view = { 0 };

    if (place->creating)
        return 0;
    int error = config_policy(name, &view);
    if (!error)
        policy_view_finish(&view);
    return error;
}

static const char *last_part(const struct place *place)
{
    return place->part[place->parts - 1];
}

int policy_read(struct place *place, struct weir_text *text)
{
    struct policy_view view = { 0 };

    int error = config_policy(last_part(place), &view);
    if (error)
        return error;
    weir_print(text, "%s", view.text ? view.text : "");
    policy_view_finish(&view);
    return 0;
}

/* The text of a whole file: a string, as libconfig reads it. */
static int change_text(const struct change *change, char **text, struct refusal *refusal)
{
    if (memchr(change->text, '\0', change->size)) {
        weir_print(&refusal->why, "a text without NUL bytes was expected");
        return -EINVAL;
    }
    *text = strndup(change->text, change->size);
    return *text ? 0 : -ENOMEM;
}

/* The name becomes that of a file under policies.d. */
static int judge_name(const char *name, struct refusal *refusal)
{
    bool good = *name && *name != '.';

    for (const char *c = name; *c; c++)
        good = good && *c != '/' && (unsigned char)*c >= ' ';
    if (good)
        return 0;
    weir_print(&refusal->why,
               "\"%s\" cannot be the name of a policy: it must not begin with a "
               "dot and hold no slash",
               name);
    return -EINVAL;
}

/* A policy has no folder of its own: its last error is kept at the exports that name it. */
static int policy_done(const struct place *place, int error, const struct refusal *refusal,
                       const char *what)
{
    struct policy_view view = { 0 };
    cleanup_text struct weir_text reason = { 0 };

    if (error)
        refusal_print(refusal, error, &reason);
    if (config_policy(last_part(place), &view) == 0) {
        for (size_t i = 0; view.exports && view.exports[i]; i++)
            kept_set(KEPT_ERROR, view.exports[i], "", error ? text_string(&reason) : NULL);
        policy_view_finish(&view);
    }
    return change_done(place, error, refusal, "policy %s %s", last_part(place), what);
}

/* Was this check the last word on a text?  Not where more of it could cure the mistake. */
static bool check_is_final(const struct change *change, int error, const struct refusal *refusal)
{
    return change->keep && error && !(refusal->mistakes.count && refusal->mistakes.list[0].at_end);
}

int policy_write(struct place *place, const struct change *change, struct weir_text *answer,
                 struct refusal *refusal)
{
    cleanup_free char *text = NULL;

    (void)answer;
    int error = judge_name(last_part(place), refusal);
    if (!error)
        error = change_text(change, &text, refusal);
    if (!error && change->check_only)
        error = config_policy_check(last_part(place), text, &refusal->mistakes);
    if (change->check_only && !check_is_final(change, error, refusal))
        return error;
    if (!change->check_only && !error)
        error = config_policy_set(last_part(place), text, &refusal->mistakes);
    return policy_done(place, error, refusal, "set");
}

int policy_remove(struct place *place, struct refusal *refusal)
{
    int error = config_policy_remove(last_part(place), &refusal->mistakes);

    return policy_done(place, error, refusal, "removed");
}

/* ---- of one export ----------------------------------------------------------- */

int export_policy_name(struct place *place, struct weir_text *text)
{
    char buffer[256];
    const char *name = config_export_policy_name(export_name(place->export), buffer);

    weir_print(text, "%s", name && *name ? name : "none");
    return 0;
}

int export_policy_assign(struct place *place, const struct change *change, struct weir_text *answer,
                         struct refusal *refusal)
{
    const char *export = export_name(place->export);
    cleanup_free char *policy = NULL;
    struct policy_view view = { 0 };

    (void)answer;
    int error = change_line(change, &policy, refusal);
    if (!error && change->check_only) {
        error = config_policy(policy, &view);
        if (!error)
            policy_view_finish(&view);
        else
            weir_print(&refusal->why, "there is no policy \"%s\"", policy);
    }
    if (change->check_only)
        return error;
    if (!error)
        error = config_policy_assign(export, policy, &refusal->mistakes);
    return change_done(place, error, refusal, "policy of %s set to %s", export,
                       policy ? policy : "(no single name)");
}

int export_policy_text(struct place *place, struct weir_text *text)
{
    return config_export_policy(export_name(place->export), text);
}

int export_policy_edit(struct place *place, const struct change *change, struct weir_text *answer,
                       struct refusal *refusal)
{
    const char *export = export_name(place->export);
    cleanup_free char *text = NULL;

    (void)answer;
    int error = change_text(change, &text, refusal);
    if (!error && change->check_only)
        error = config_export_policy_check(export, text, &refusal->mistakes);
    if (change->check_only && !check_is_final(change, error, refusal))
        return error;
    if (!change->check_only && !error)
        error = config_export_policy_set(export, text, &refusal->mistakes);
    return change_done(place, error, refusal, "policy of %s edited", export);
}

int export_compliance(struct place *place, struct weir_text *text)
{
    weir_print(text, "%s", compliance_name(config_compliance(export_name(place->export), NULL)));
    return 0;
}

int export_compliance_reason(struct place *place, struct weir_text *text)
{
    config_compliance(export_name(place->export), text);
    return 0;
}
