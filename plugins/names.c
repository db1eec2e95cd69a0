/* names.c - which export does a client mean by the name that it asks for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include "dynamic.h"
#include "gateway.h"
#include "text.h"

#include <errno.h>
#include <string.h>

bool name_is_hidden(const struct export *e)
{
    return export_config(e)->base || !strncmp(export_name(e), "log:", 4);
}

struct export *name_find(const char *name)
{
    struct export *e = gateway_find(name);

    if (e && !export_config(e)->base)
        return e;
    export_unref(e);
    return dynamic_base(name);
}

static int judge_state(struct export *e, struct weir_text *why)
{
    struct export_view v;
    int r = export_view(e, &v);

    if (r)
        return r;
    if (v.state != EXPORT_ACTIVE) {
        weir_print(why, "is %s%s%s", export_state_name(v.state), *v.reason ? ": " : "", v.reason);
        r = -ESHUTDOWN;
    }
    export_view_finish(&v);
    return r;
}

static int open_point(struct export *base, const char *name, struct export **ret,
                      struct weir_text *why)
{
    cleanup_text struct weir_text reason = { 0 };
    int r = dynamic_open(base, name, ret, &reason);

    if (r)
        weir_print(why, "cannot be opened: %s",
                   reason.length ? text_string(&reason) : strerror(-r));
    export_unref(base);
    return r;
}

int name_open(struct export *found, const char *name, struct export **ret, struct weir_text *why)
{
    struct export *e = found;
    int r = strcmp(export_name(found), name) ? open_point(found, name, &e, why) : 0;

    if (r)
        return r;
    r = judge_state(e, why);
    if (r)
        name_leave(e);
    else
        *ret = e;
    return r;
}

void name_leave(struct export *e)
{
    if (e && export_config(e)->base)
        dynamic_leave(e);
    else
        export_unref(e);
}

static struct export *only_one(struct export *const *all)
{
    struct export *only = NULL;

    for (; all && *all; all++) {
        if (name_is_hidden(*all))
            continue;
        if (only)
            return NULL;
        only = *all;
    }
    return only ? export_ref(only) : NULL;
}

struct export *name_default(void)
{
    struct export *e = gateway_find("default");

    if (e)
        return e;
    struct export **all = gateway_list();
    e = only_one(all);
    gateway_put_list(all);
    return e;
}
