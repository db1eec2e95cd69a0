/* names.c - what do unlink and rename mean for policies and for editors' files?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fs.h"
#include "policy.h"
#include "scratch.h"
#include "tree.h"
#include "veil.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool exists(const char *path)
{
    cleanup_node struct node node = { 0 };

    return node_find(path, &node) == 0;
}

/* Is this the name of a policy, be it one that is not there yet? */
static bool policy_target(const char *path)
{
    return path_is_policy(path) && (!scratch_name(last_of(path)) || exists(path));
}

/* Removes the policy, or hides what is in force and cannot go. */
static int remove_or_hide(const char *path)
{
    int error = policy_remove(path);

    return error == -EBUSY ? veil_hide(path) : error;
}

int fs_unlink(const char *path)
{
    size_t size;

    path++;
    if (scratch_remove(path) == 0)
        return 0;
    if (!path_is_policy(path))
        return -EPERM;
    switch (veil_of(path, &size)) {
    case VEIL_HIDDEN:
        return -ENOENT;
    case VEIL_PENDING:
        return veil_hide(path);
    case VEIL_NONE:
        break;
    }
    return remove_or_hide(path);
}

/* ---- rename ------------------------------------------------------------------ */

/* rename(2) gives EINVAL a meaning of its own, and mv a sentence: another word for a text
 * that is wrong. */
static int for_rename(int error)
{
    return error == -EINVAL || error == -ENOENT ? -EBADMSG : error;
}

static int apply(const char *path, const char *text, size_t size)
{
    cleanup_refusal struct refusal why = { 0 };
    int error = policy_set(path, text, size, &why);

    if (!error)
        veil_lift(path);
    return for_rename(error);
}

static int rename_scratch(struct scratch *s, const char *from, const char *to)
{
    cleanup_free char *text = NULL;
    size_t size;

    if (!policy_target(to))
        return path_in_edits(to) && scratch_name(last_of(to)) ? scratch_rename(from, to) : -EPERM;
    int error = scratch_text(s, &text, &size);
    if (!error)
        error = apply(to, text, size);
    if (!error)
        scratch_remove(from);
    return error;
}

/* A policy under another name: both are changed, or none. */
static int rename_policy(const char *from, const char *to, const char *text, size_t size)
{
    cleanup_free char *old = NULL;
    cleanup_refusal struct refusal why = { 0 };
    size_t old_size = 0;
    int had = policy_get(to, &old, &old_size);

    if (had && had != -ENOENT)
        return had;
    int error = apply(to, text, size);
    if (error)
        return error;
    error = policy_remove(from);
    if (error && !had)
        policy_set(to, old, old_size, &why);
    else if (error)
        policy_remove(to);
    return error;
}

/* A backup: the editor is about to make the policy anew. */
static int set_aside(const char *from, const char *to, const char *text, size_t size)
{
    int error = scratch_put(to, text, size);

    return error ? error : remove_or_hide(from);
}

int fs_rename(const char *from, const char *to, unsigned flags)
{
    cleanup_free char *text = NULL;
    size_t size;

    from++;
    to++;
    if (flags & ~RENAME_NOREPLACE)
        return -EINVAL;
    struct scratch *s = scratch_find(from);
    if (s) {
        int error = rename_scratch(s, from, to);
        scratch_unref(s);
        return error;
    }
    if (!path_is_policy(from))
        return -EPERM;
    int error = policy_get(from, &text, &size);
    if (error)
        return error;
    if (policy_target(to))
        return rename_policy(from, to, text, size);
    return path_in_edits(to) && scratch_name(last_of(to)) ? set_aside(from, to, text, size)
                                                          : -EPERM;
}
