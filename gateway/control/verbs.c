/* verbs.c - what can be done to exports, and to the gateway, besides editing?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <json.h>
#include <string.h>

#include "../dynamic.h"
#include "../gateway.h"
#include "../scope.h"
#include "stun.h"
#include "tree.h"

/* One request. */
struct deed {
    struct json_object *request;
    struct export *export;
    struct weir_text text; /* for people, the "text" of the answer */
    struct weir_text what; /* for the events: "grown to 20G" */
};

static int do_reload(struct deed *deed, struct refusal *refusal)
{
    weir_print(&deed->what, "configuration read again");
    return config_reload(&refusal->mistakes);
}

static int do_open(struct deed *deed, struct refusal *refusal)
{
    weir_print(&deed->what, "opened");
    return export_open(deed->export, &refusal->why);
}

/* A point that a client asked for is gone with that. */
static int close_it(struct export *e)
{
    int error = export_config(e)->base ? dynamic_close(e) : export_close(e);

    return error == -ENOENT ? 0 : error; /* somebody else was quicker */
}

static int do_close(struct deed *deed, struct refusal *refusal)
{
    weir_print(&deed->what, "closed");
    int error = close_it(deed->export);
    if (error == -EBUSY)
        weir_print(&refusal->why, "export %s is stunned: unstun it first",
                   export_name(deed->export));
    else if (error)
        weir_print(&refusal->why, "export %s was closed, but its last flush failed: %s",
                   export_name(deed->export), strerror(-error));
    return error;
}

static int do_stun(struct deed *deed, struct refusal *refusal)
{
    uint64_t limit_ms = STUN_LIMIT_MS;

    int error = request_number(deed->request, "limit_ms", &limit_ms, refusal);
    if (error)
        return error;
    if (limit_ms > INT32_MAX)
        limit_ms = INT32_MAX;
    weir_print(&deed->what, "stunned for at most %" PRIu64 " ms", limit_ms);
    return stun_begin(deed->export, limit_ms, &refusal->why);
}

static int do_unstun(struct deed *deed, struct refusal *refusal)
{
    (void)refusal;
    weir_print(&deed->what, "unstunned");
    stun_end(deed->export);
    return 0;
}

/* A name or a reason: it ends up in logs, in files of the mount that have one line, and on the
 * terminals of others. */
static int need_line(struct deed *deed, const char *key, const char **line, struct refusal *refusal)
{
    int error = request_need(deed->request, key, line, refusal);
    if (error)
        return error;
    for (const char *c = *line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            weir_print(&refusal->why,
                       "\"%s\" has the control character 0x%02x: it takes one line of text", key,
                       (unsigned)(unsigned char)*c);
            return -EINVAL;
        }
    return 0;
}

static int do_lock(struct deed *deed, struct refusal *refusal)
{
    const char *reason;

    int error = need_line(deed, "reason", &reason, refusal);
    if (error)
        return error;
    weir_print(&deed->what, "locked");
    export_lock(deed->export, reason);
    return 0;
}

/* What a filter locked stays locked: it alone knows when its reason is gone. */
static int judge_unlocked(struct export *e, struct weir_text *why)
{
    struct export_view view;

    int error = export_view(e, &view);
    if (error)
        return error;
    if (view.state == EXPORT_LOCKED) {
        weir_print(why,
                   "it is not locked by export lock, or not any more, but still locked, by one of "
                   "its filters: %s",
                   view.reason);
        error = -EACCES;
    }
    export_view_finish(&view);
    return error;
}

/* One that could not be opened has nothing to unlock: it is tried again. */
static int do_unlock(struct deed *deed, struct refusal *refusal)
{
    struct export_view view;

    weir_print(&deed->what, "unlocked");
    export_unlock(deed->export);
    int error = export_view(deed->export, &view);
    if (error)
        return error;
    bool locked = view.state == EXPORT_LOCKED;
    export_view_finish(&view);
    if (locked)
        error = export_open(deed->export, &refusal->why);
    return error ? error : judge_unlocked(deed->export, &refusal->why);
}

/* A number of bytes, or a string as in the configuration. */
static int read_size(struct json_object *request, uint64_t *size, struct refusal *refusal)
{
    struct json_object *member;

    if (!json_object_object_get_ex(request, "size", &member)) {
        weir_print(&refusal->why, "\"size\" is missing: it must be a size, as \"20G\"");
        return -EINVAL;
    }
    if (!json_object_is_type(member, json_type_string))
        return request_number(request, "size", size, refusal);
    const char *text = json_object_get_string(member);
    int error = text ? parse_size(text, size) : -ENOMEM;
    if (error)
        weir_print(&refusal->why, "\"%s\" is no size; \"20G\" would be one", text ? text : "");
    return error;
}

static int do_grow(struct deed *deed, struct refusal *refusal)
{
    uint64_t size = 0;

    int error = read_size(deed->request, &size, refusal);
    if (error)
        return error;
    weir_print(&deed->what, "grown to ");
    print_size(size, &deed->what);
    return export_event(deed->export, WEIR_EVENT_GROW, "", size, &refusal->why);
}

static int named_event(struct deed *deed, enum weir_event_type type, const char *what,
                       struct refusal *refusal)
{
    const char *name;

    int error = need_line(deed, "name", &name, refusal);
    if (error)
        return error;
    if (!*name) {
        weir_print(&refusal->why, "\"name\" must not be empty");
        return -EINVAL;
    }
    weir_print(&deed->what, "%s %s", what, name);
    return export_event(deed->export, type, name, 0, &refusal->why);
}

static int do_snapshot(struct deed *deed, struct refusal *refusal)
{
    return named_event(deed, WEIR_EVENT_SNAPSHOT, "snapshot", refusal);
}

static int do_clone(struct deed *deed, struct refusal *refusal)
{
    return named_event(deed, WEIR_EVENT_CLONE, "clone", refusal);
}

static int do_migrate(struct deed *deed, struct refusal *refusal)
{
    return named_event(deed, WEIR_EVENT_MIGRATE, "migrated to", refusal);
}

/* Whether the filters would let go of the disk; whoever deletes it does so afterwards. */
static int do_delete_check(struct deed *deed, struct refusal *refusal)
{
    weir_print(&deed->what, "asked whether it may be deleted");
    return export_ask(deed->export, WEIR_EVENT_DELETE, "", 0, &refusal->why);
}

static int do_assign(struct deed *deed, struct refusal *refusal)
{
    const char *policy;

    int error = need_line(deed, "policy", &policy, refusal);
    if (error)
        return error;
    weir_print(&deed->what, "policy set to %s", policy);
    return config_policy_assign(export_name(deed->export), policy, &refusal->mistakes);
}

/* ---- filters ------------------------------------------------------------------ */

static int do_filter_prepare(struct deed *deed, struct refusal *refusal)
{
    const char *name, *package;

    int error = request_need(deed->request, "filter", &name, refusal);
    if (!error)
        error = request_need(deed->request, "package", &package, refusal);
    if (error)
        return error;
    weir_print(&deed->what, "asked whether package %s of filter %s would do", package, name);
    return config_filter_prepare(name, package, &refusal->mistakes, &refusal->why);
}

static int do_filter_upgrade(struct deed *deed, struct refusal *refusal)
{
    const char *name;

    int error = request_need(deed->request, "filter", &name, refusal);
    if (error)
        return error;
    weir_print(&deed->what, "over to filter %s as it is installed", name);
    return config_filter_upgrade(name, &deed->text, &refusal->mistakes, &refusal->why);
}

static int do_filter_release(struct deed *deed, struct refusal *refusal)
{
    struct json_object *check;
    const char *name;

    int error = request_need(deed->request, "filter", &name, refusal);
    if (error)
        return error;
    bool check_only =
        json_object_object_get_ex(deed->request, "check", &check) && json_object_get_boolean(check);
    weir_print(&deed->what, check_only ? "asked who uses filter %s" : "filter %s forgotten", name);
    return config_filter_release(name, check_only, &refusal->why);
}

static const struct verb {
    const char *name;
    bool of_export;
    int (*run)(struct deed *, struct refusal *);
} verbs[] = {
    { "reload", false, do_reload },
    { "open", true, do_open },
    { "close", true, do_close },
    { "stun", true, do_stun },
    { "unstun", true, do_unstun },
    { "lock", true, do_lock },
    { "unlock", true, do_unlock },
    { "grow", true, do_grow },
    { "snapshot", true, do_snapshot },
    { "clone", true, do_clone },
    { "migrate", true, do_migrate },
    { "delete-check", true, do_delete_check },
    { "assign", true, do_assign },
    { "filter-prepare", false, do_filter_prepare },
    { "filter-upgrade", false, do_filter_upgrade },
    { "filter-release", false, do_filter_release },
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static int find_verb(const char *name, const struct verb **ret, struct refusal *refusal)
{
    const char *words[VERBS + 1] = { NULL };

    for (size_t i = 0; i < VERBS; i++) {
        words[i] = verbs[i].name;
        if (strcmp(verbs[i].name, name) == 0) {
            *ret = &verbs[i];
            return 0;
        }
    }
    const char *nearest = nearest_word(name, words);
    weir_print(&refusal->why, "\"%s\" is no verb%s%s%s", name, nearest ? "; did you mean \"" : "",
               nearest ? nearest : "", nearest ? "\"?" : "");
    return -EOPNOTSUPP;
}

static int find_export(struct deed *deed, struct refusal *refusal)
{
    const char *name;

    int error = request_need(deed->request, "export", &name, refusal);
    if (error)
        return error;
    deed->export = gateway_find(name);
    if (deed->export)
        return 0;
    weir_print(&refusal->why, "there is no export \"%s\"", name);
    return -ENOENT;
}

int verb_answer(const struct caller *caller, struct json_object *request, struct json_out *out,
                struct refusal *refusal)
{
    struct deed deed = { .request = request };
    struct place place = { .caller = caller };
    const struct verb *verb;
    const char *name;

    int error = request_need(request, "verb", &name, refusal);
    if (!error)
        error = find_verb(name, &verb, refusal);
    if (!error && verb->of_export)
        error = find_export(&deed, refusal);
    if (!error) {
        error = verb->run(&deed, refusal);
        place.export = deed.export;
        change_done(&place, error, refusal, "%s",
                    deed.what.length ? text_string(&deed.what) : verb->name);
        weir_print(&deed.text, "%s%s%s\n", deed.export ? export_name(deed.export) : "",
                   deed.export ? ": " : "", text_string(&deed.what));
    }
    if (!error)
        out_bytes(out, "text", text_string(&deed.text), deed.text.length);
    export_unref(deed.export);
    text_finish(&deed.text);
    text_finish(&deed.what);
    return error;
}
