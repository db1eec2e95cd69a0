/* gateways.c - which running gateway is a command for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "gateways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../options.h"

static bool nobody_serves(int error)
{
    return error == -ECONNREFUSED || error == -ENOENT;
}

/* None of them serves: where we looked, and what to do. */
static enum exit_code say_none(const struct invocation *invocation, const struct gateways *all)
{
    cleanup_text struct weir_text dead = { 0 };
    const char *run = run_folder(invocation);
    const char *wanted = invocation->option[OPTION_GATEWAY];

    for (size_t i = 0; i < all->count; i++) {
        if (!nobody_serves(all->list[i].error))
            return say_silent(invocation, &all->list[i]);
        weir_print(&dead, "%s\"%s\"", i ? ", " : "", all->list[i].name);
    }
    if (wanted && all->count == 1)
        return say(invocation, -ECONNREFUSED,
                   "gateway \"%s\" does not run: nobody serves %s/ctl/%s.sock", wanted, run,
                   wanted);
    return say(invocation, -ECONNREFUSED,
               "no gateway runs: looked for sockets in %s/ctl%s%s; start one with "
               "'nbdkit weir conf=FILE', or say --run=DIR",
               run, all->count ? ", dead ones of " : "", text_string(&dead));
}

size_t gateways_connect(const struct invocation *invocation, struct gateways *ret)
{
    const char *wanted = invocation->option[OPTION_GATEWAY];
    size_t count = 0, living = 0;

    *ret = (struct gateways){ .names = enough(control_gateways(run_folder(invocation))) };
    while (ret->names[count])
        count++;
    ret->list = enough(calloc(count + 1, sizeof(*ret->list)));
    for (size_t i = 0; i < count; i++) {
        struct gateway *gateway = &ret->list[ret->count];
        if (wanted && strcmp(wanted, ret->names[i]) != 0)
            continue;
        ret->count++;
        gateway->name = ret->names[i];
        gateway->error = control_connect(run_folder(invocation), gateway->name, &gateway->control);
        living += !gateway->error;
    }
    return living;
}

enum exit_code gateways_open(const struct invocation *invocation, struct gateways *ret)
{
    const char *wanted = invocation->option[OPTION_GATEWAY];

    if (gateways_connect(invocation, ret))
        return DONE;
    if (wanted && !ret->count && *ret->names) {
        cleanup_text struct weir_text near = { 0 };
        print_nearest(&near, wanted, (const char *const *)ret->names);
        return say(invocation, -ENOENT, "no gateway \"%s\" in %s/ctl%s; weirctl gateway list",
                   wanted, run_folder(invocation), text_string(&near));
    }
    return say_none(invocation, ret);
}

void gateways_close(struct gateways *all)
{
    for (size_t i = 0; i < all->count; i++) {
        control_close(all->list[i].control);
        json_object_put(all->list[i].show);
    }
    free(all->list);
    free(all->names);
    *all = (struct gateways){ 0 };
}

/* "'a' and 'b'" of those for which `has` holds, or of all that live. */
static size_t list_names(const struct gateways *all, const bool *has, struct weir_text *ret)
{
    size_t count = 0;

    for (size_t i = 0; i < all->count; i++)
        if (has ? has[i] : !nobody_serves(all->list[i].error))
            weir_print(ret, "%s\"%s\"", count++ ? " and " : "", all->list[i].name);
    return count;
}

enum exit_code gateways_only(const struct invocation *invocation, struct gateways *all,
                             struct gateway **ret)
{
    cleanup_text struct weir_text names = { 0 };

    if (list_names(all, NULL, &names) > 1)
        return say_misuse(invocation, "gateways %s run: say which with --gateway=NAME",
                          text_string(&names));
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].control)
            *ret = &all->list[i];
    return DONE;
}

struct json_object *entry_of(struct json_object *array, const char *key, const char *name)
{
    for (size_t i = 0; i < items_of(array); i++) {
        struct json_object *entry = json_object_array_get_idx(array, i);
        if (strcmp(text_of(entry, key), name) == 0)
            return entry;
    }
    return NULL;
}

/* No gateway has it: the nearest name that one has, or who did not answer. */
static enum exit_code say_missing(const struct invocation *invocation, struct gateways *all,
                                  const char *array, const char *what, const char *name)
{
    const char **known = NULL;
    size_t count = 0;
    cleanup_text struct weir_text near = { 0 };

    for (size_t i = 0; i < all->count; i++) {
        struct gateway *gateway = &all->list[i];
        if (gateway->control)
            gateway_show(invocation, gateway, NULL);
        if (gateway->error && !nobody_serves(gateway->error))
            return say_silent(invocation, gateway);
        struct json_object *entries = member_of(gateway->show, array);
        known = enough(reallocarray(known, count + items_of(entries) + 1, sizeof(*known)));
        for (size_t n = 0; n < items_of(entries); n++)
            known[count++] = text_of(json_object_array_get_idx(entries, n), "name");
        known[count] = NULL;
    }
    print_nearest(&near, name, known ? known : (const char *const[]){ NULL });
    free(known);
    return say(invocation, -ENOENT, "no %s \"%s\"%s; weirctl %s list shows what there is", what,
               name, text_string(&near), what);
}

/* The one gateway whose "show" has `name` in `array`; 0 gateways is for the caller. */
static enum exit_code find(const struct invocation *invocation, struct gateways *all,
                           const char *array, const char *what, const char *name,
                           struct gateway **ret)
{
    cleanup_text struct weir_text names = { 0 };
    cleanup_free bool *has = enough(calloc(all->count + 1, sizeof(*has)));
    bool is_export = strcmp(what, "export") == 0;

    *ret = NULL;
    for (size_t i = 0; i < all->count; i++) {
        struct gateway *gateway = &all->list[i];
        if (!gateway->control || gateway_show(invocation, gateway, is_export ? name : NULL))
            continue;
        has[i] = entry_of(member_of(gateway->show, array), "name", name) != NULL;
        if (has[i])
            *ret = gateway;
    }
    if (list_names(all, has, &names) < 2)
        return DONE;
    return say_misuse(invocation, "gateways %s have %s %s \"%s\": say which with --gateway=NAME",
                      text_string(&names), is_export ? "an" : "a", what, name);
}

enum exit_code gateways_find_export(const struct invocation *invocation, struct gateways *all,
                                    const char *name, struct gateway **ret,
                                    struct json_object **entry)
{
    enum exit_code code = find(invocation, all, "exports", "export", name, ret);

    if (!code && !*ret)
        code = say_missing(invocation, all, "exports", "export", name);
    if (!code)
        *entry = entry_of(member_of((*ret)->show, "exports"), "name", name);
    return code;
}

enum exit_code gateways_find_policy(const struct invocation *invocation, struct gateways *all,
                                    const char *name, bool may_be_new, struct gateway **ret)
{
    enum exit_code code = find(invocation, all, "policies", "policy", name, ret);

    if (code || *ret)
        return code;
    return may_be_new ? gateways_only(invocation, all, ret)
                      : say_missing(invocation, all, "policies", "policy", name);
}

enum exit_code gateways_find_datastore(const struct invocation *invocation, struct gateways *all,
                                       const char *name, struct gateway **ret)
{
    enum exit_code code = find(invocation, all, "datastores", "datastore", name, ret);

    return code || *ret ? code : say_missing(invocation, all, "datastores", "datastore", name);
}
