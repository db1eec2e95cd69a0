/* tree.c - what is at a path of the mount, and which gateway has it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The root: these are there even when no gateway is. */
static const struct top {
    const char *name;
    enum node_kind kind;
    bool one_owner; /* a name below means a thing of one gateway */
    bool edits;
} top[] = {
    { "exports", NODE_FOLDER, true, false },   { "policies", NODE_FOLDER, false, true },
    { "filters", NODE_FOLDER, false, false },  { "datastores", NODE_FOLDER, true, false },
    { "gateways", NODE_FOLDER, false, false }, { "metrics", NODE_METRICS, false, false },
    { "events", NODE_EVENTS, false, false },   { "last_error", NODE_LAST_ERROR, false, false },
};
enum { TOPS = sizeof(top) / sizeof(*top) };

static const struct top *top_of(const char *path)
{
    size_t length = strcspn(path, "/");

    for (size_t i = 0; i < TOPS; i++)
        if (strlen(top[i].name) == length && strncmp(top[i].name, path, length) == 0)
            return &top[i];
    return NULL;
}

/* The number of names in a path: 0 for "". */
static unsigned depth_of(const char *path)
{
    unsigned depth = *path != '\0';

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static bool last_is(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash ? slash + 1 : path, name) == 0;
}

bool path_in_edits(const char *path)
{
    return (strncmp(path, "policies/", 9) == 0 && depth_of(path) == 2) ||
           (strncmp(path, "exports/", 8) == 0 && depth_of(path) == 3);
}

bool path_is_policy(const char *path)
{
    return path_in_edits(path) && (*path == 'p' || last_is(path, "policy.conf"));
}

void node_finish(struct node *node)
{
    peer_unref(node->peer);
    free(node->path);
    *node = (struct node){ 0 };
}

static int node_set(struct node *ret, enum node_kind kind, bool writable, struct peer *peer,
                    const char *path)
{
    char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    *ret = (struct node){
        .kind = kind, .writable = writable, .peer = peer ? peer_ref(peer) : NULL, .path = copy
    };
    return 0;
}

/* ---- the owner of an export or a datastore ----------------------------------- */

/* Asks everybody who did not answer yet, or anew, what they have. */
static void look_again(struct peer **list, const char *folder)
{
    for (size_t i = 0; list[i]; i++) {
        cleanup_entries struct entries names = { 0 };
        if (peer_list(list[i], folder, &names) == 0)
            peer_remember(list[i], folder, &names);
    }
}

static struct peer *only_holder(struct peer **list, const char *folder, const char *name)
{
    struct peer *found = NULL;

    for (size_t i = 0; list[i]; i++) {
        if (!peer_had(list[i], folder, name))
            continue;
        if (found)
            return NULL;
        found = list[i];
    }
    return found;
}

/* NAME@GATEWAY */
static struct peer *named_holder(struct peer **list, const char *folder, const char *name,
                                 size_t *length)
{
    const char *at = strrchr(name, '@');
    cleanup_free char *base = at ? strndup(name, (size_t)(at - name)) : NULL;

    for (size_t i = 0; base && list[i]; i++) {
        if (strcmp(peer_name(list[i]), at + 1) != 0 || !peer_had(list[i], folder, base))
            continue;
        *length = (size_t)(at - name);
        return list[i];
    }
    return NULL;
}

static struct peer *holder(struct peer **list, const char *folder, const char *name, size_t *length)
{
    struct peer *p = only_holder(list, folder, name);

    *length = strlen(name);
    return p ? p : named_holder(list, folder, name, length);
}

/* FOLDER/NAME[/REST], where NAME is of one gateway: *peer and the path as it knows it. */
static int owned(const char *path, struct peer **ret, char **inner)
{
    const char *name = strchr(path, '/') + 1;
    size_t whole = strcspn(name, "/"), length;
    cleanup_free char *folder = strndup(path, (size_t)(name - path - 1));
    cleanup_free char *word = strndup(name, whole);
    struct peer **list = peers_list();
    struct peer *p = NULL;

    if (folder && word && list) {
        p = holder(list, folder, word, &length);
        if (!p) {
            look_again(list, folder);
            p = holder(list, folder, word, &length);
        }
    }
    if (p && asprintf(inner, "%s/%.*s%s", folder, (int)length, name, name + whole) < 0)
        p = NULL;
    *ret = p ? peer_ref(p) : NULL;
    peers_put(list);
    return !folder || !word || !list ? -ENOMEM : p ? 0 : -ENOENT;
}

/* ---- one gateway's tree ------------------------------------------------------ */

/* What its own listing says of `path`. */
static int find_in(struct peer *p, const char *path, struct node *ret)
{
    const char *slash = strrchr(path, '/');
    cleanup_free char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
    cleanup_entries struct entries names = { 0 };

    if (!parent)
        return -ENOMEM;
    int error = peer_list(p, parent, &names);
    if (error)
        return error;
    const struct entry *entry = entries_find(&names, slash ? slash + 1 : path);
    if (!entry)
        return -ENOENT;
    enum node_kind kind = entry->folder          ? NODE_FOLDER
                          : path_is_policy(path) ? NODE_POLICY
                                                 : NODE_VALUE;
    return node_set(ret, kind, entry->writable, p, path);
}

static int find_owned(const char *path, struct node *ret)
{
    struct peer *p = NULL;
    cleanup_free char *inner = NULL;
    int error = owned(path, &p, &inner);

    if (error)
        return error;
    error = find_in(p, inner, ret);
    if (depth_of(path) == 2) {
        /* it was there, and what is in it will say why not now */
        if (error == -ESHUTDOWN || error == -ETIMEDOUT)
            error = node_set(ret, NODE_FOLDER, false, p, inner);
        if (!error)
            ret->edits = *path == 'e';
    }
    peer_unref(p);
    return error;
}

/* The first gateway that has it.  A dead one has nothing; when none has it, but one that
 * lives does not answer, nobody knows. */
static int find_anywhere(const char *path, struct node *ret)
{
    struct peer **list = peers_list();
    int error = list ? -ENOENT : -ENOMEM;

    for (size_t i = 0; list && list[i]; i++) {
        int one = find_in(list[i], path, ret);
        if (one == -ETIMEDOUT)
            error = one;
        if (one == -ETIMEDOUT || one == -ENOENT || one == -ESHUTDOWN)
            continue;
        error = one;
        break;
    }
    peers_put(list);
    return error;
}

static int find_gateway(const char *path, struct node *ret)
{
    const char *name = path + strlen("gateways/");
    cleanup_free char *word = strndup(name, strcspn(name, "/"));
    struct peer *p = word ? peer_find(word) : NULL;
    int error;

    if (!p)
        return word ? -ENOENT : -ENOMEM;
    if (depth_of(path) == 2)
        error = node_set(ret, NODE_FOLDER, false, p, path);
    else if (depth_of(path) == 3 && last_is(path, "state"))
        error = node_set(ret, NODE_STATE, false, p, path);
    else
        error = find_in(p, path, ret);
    peer_unref(p);
    return error;
}

static int find_filter(const char *path, struct node *ret)
{
    int error = find_anywhere(path, ret);

    if (!error && depth_of(path) == 3 && last_is(path, "exports"))
        ret->kind = NODE_USERS;
    return error;
}

int node_find_to_read(const char *path, struct node *ret)
{
    const struct top *t = top_of(path);
    struct peer *p = NULL;
    cleanup_free char *inner = NULL;

    if (!t || !t->one_owner || depth_of(path) < 3)
        return node_find(path, ret);
    int error = owned(path, &p, &inner);
    if (!error)
        error = node_set(ret, path_is_policy(inner) ? NODE_POLICY : NODE_VALUE, false, p, inner);
    peer_unref(p);
    return error;
}

int node_find(const char *path, struct node *ret)
{
    const struct top *t = top_of(path);

    if (!*path)
        return node_set(ret, NODE_FOLDER, false, NULL, path);
    if (t && depth_of(path) == 1) {
        int error = node_set(ret, t->kind, false, NULL, path);
        if (!error)
            ret->edits = t->edits;
        return error;
    }
    if (!t)
        return find_anywhere(path, ret);
    if (t->kind != NODE_FOLDER)
        return -ENOTDIR;
    if (t->one_owner)
        return find_owned(path, ret);
    return strcmp(t->name, "gateways") == 0  ? find_gateway(path, ret)
           : strcmp(t->name, "filters") == 0 ? find_filter(path, ret)
                                             : find_anywhere(path, ret);
}

/* ---- listings ---------------------------------------------------------------- */

static int list_root(struct entries *ret)
{
    int error = 0;

    for (size_t i = 0; i < TOPS && !error; i++)
        error = entries_add(ret, top[i].name, top[i].kind == NODE_FOLDER, false);
    return error;
}

static int list_gateways(struct peer **list, struct entries *ret)
{
    int error = 0;

    for (size_t i = 0; list[i] && !error; i++)
        error = entries_add(ret, peer_name(list[i]), true, false);
    return error;
}

/* NAME, or NAME@GATEWAY where more than one has it. */
static int list_owned(struct peer **list, const char *folder, struct entries *ret)
{
    int error = 0;

    look_again(list, folder);
    for (size_t i = 0; list[i] && !error; i++) {
        cleanup_entries struct entries names = { 0 };
        error = peer_had_names(list[i], folder, &names);
        for (size_t k = 0; k < names.count && !error; k++) {
            const char *name = names.list[k].name;
            bool only = only_holder(list, folder, name);
            cleanup_free char *shown = NULL;
            if (asprintf(&shown, "%s%s%s", name, only ? "" : "@", only ? "" : peer_name(list[i])) <
                0) {
                shown = NULL;
                return -ENOMEM;
            }
            error = entries_add(ret, shown, true, false);
        }
    }
    return error;
}

/* What cannot be asked is left out: its place in gateways/ says why. */
static void list_everywhere(struct peer **list, const char *path, struct entries *ret)
{
    for (size_t i = 0; list[i]; i++)
        peer_list(list[i], path, ret);
}

static int list_shared(const char *path, struct entries *ret)
{
    struct peer **list = peers_list();
    const struct top *t = top_of(path);
    int error = 0;

    if (!list)
        return -ENOMEM;
    if (!*path)
        error = list_root(ret);
    if (t && t->one_owner)
        error = list_owned(list, t->name, ret);
    else if (t && strcmp(t->name, "gateways") == 0)
        error = list_gateways(list, ret);
    else
        list_everywhere(list, path, ret);
    peers_put(list);
    return error;
}

static int list_gateway(const struct node *node, struct entries *ret)
{
    int error = peer_list(node->peer, node->path, ret);

    if (error && error != -ESHUTDOWN && error != -ETIMEDOUT && error != -ENOENT)
        return error;
    return entries_add(ret, "state", false, false);
}

int node_list(const struct node *node, struct entries *ret)
{
    int error;

    if (!node->peer || strcmp(node->path, "filters") == 0)
        error = list_shared(node->path, ret);
    else if (strncmp(node->path, "gateways/", 9) == 0 && depth_of(node->path) == 2)
        error = list_gateway(node, ret);
    else
        error = peer_list(node->peer, node->path, ret);
    entries_sort(ret);
    return error;
}
