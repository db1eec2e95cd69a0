/* attr.c - what do stat() and ls say of the files of the mount?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fs.h"
#include "log.h"
#include "policy.h"
#include "scratch.h"
#include "stamp.h"
#include "tree.h"
#include "veil.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    MODE_READ = S_IFREG | 0440,
    MODE_WRITE = S_IFREG | 0640,
    MODE_FOLDER = S_IFDIR | 0550,
    MODE_EDITS = S_IFDIR | 0750
};

/* What is of no one gateway belongs to whom all of them belong to. */
static void common_owner(uid_t *uid, gid_t *gid)
{
    struct peer **list = peers_list();
    bool same = list && list[0];

    for (size_t i = 0; same && list[i]; i++) {
        uid_t u;
        gid_t g;
        peer_owner(list[i], &u, &g);
        same = i == 0 || (u == *uid && g == *gid);
        *uid = u;
        *gid = g;
    }
    peers_put(list);
    if (same)
        return;
    *uid = geteuid();
    *gid = getegid();
}

static void owner_of(struct peer *p, struct stat *st)
{
    if (p)
        peer_owner(p, &st->st_uid, &st->st_gid);
    else
        common_owner(&st->st_uid, &st->st_gid);
}

static void times(struct stat *st, const struct timespec *when)
{
    st->st_mtim = st->st_ctim = st->st_atim = *when;
}

/* A policy has a size and a time for editors, which look at both before they save. */
static int stat_policy(const char *path, const struct node *node, struct stat *st)
{
    cleanup_free char *text = NULL;
    size_t size;
    int error = node_read(node, &text, &size);
    struct timespec changed;

    if (error)
        return error;
    st->st_size = (off_t)size;
    stamp_of(path, text, size, &changed);
    times(st, &changed);
    return 0;
}

static int stat_node(const char *path, const struct node *node, struct stat *st)
{
    struct timespec when;
    size_t size;

    st->st_mode = node->kind == NODE_FOLDER ? (node->edits ? MODE_EDITS : MODE_FOLDER)
                  : node->writable          ? MODE_WRITE
                                            : MODE_READ;
    stamp_start(&when);
    times(st, &when);
    if (node->kind == NODE_POLICY)
        return stat_policy(path, node, st);
    if (node->kind == NODE_EVENTS) {
        log_size(&size, &when);
        st->st_size = (off_t)size;
        times(st, &when);
    } else if (node->kind == NODE_METRICS) {
        /* node_exporter exports the time, for alerts about files that nobody renews */
        clock_gettime(CLOCK_REALTIME, &when);
        times(st, &when);
    }
    return 0;
}

static void stat_scratch(struct scratch *s, struct stat *st)
{
    struct timespec changed;
    unsigned mode;
    size_t size;

    scratch_stat(s, &size, &changed, &mode);
    st->st_mode = mode ? S_IFREG | mode : MODE_WRITE;
    st->st_size = (off_t)size;
    times(st, &changed);
    owner_of(NULL, st);
}

static void stat_pending(size_t size, struct stat *st)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    st->st_mode = MODE_WRITE;
    st->st_size = (off_t)size;
    times(st, &now);
    owner_of(NULL, st);
}

int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    cleanup_node struct node node = { 0 };
    size_t size;
    struct scratch *s = path ? scratch_find(path + 1) : NULL;

    (void)fi;
    if (!path)
        return -ENOENT;
    path++;
    *st = (struct stat){ .st_nlink = 1, .st_blksize = 4096 };
    if (s) {
        stat_scratch(s, st);
        scratch_unref(s);
        return 0;
    }
    enum veil veil = veil_of(path, &size);
    if (veil == VEIL_HIDDEN)
        return -ENOENT;
    if (veil == VEIL_PENDING) {
        stat_pending(size, st);
        return 0;
    }
    int error = node_find(path, &node);
    if (error)
        return error;
    owner_of(node.peer, st);
    return stat_node(path, &node, st);
}

/* ---- folders ----------------------------------------------------------------- */

static int add_file(void *context, const char *name)
{
    return entries_add(context, name, false, true);
}

static bool hidden(const char *folder, const char *name)
{
    cleanup_free char *path = NULL;
    size_t size;

    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return false;
    }
    return veil_of(path, &size) == VEIL_HIDDEN;
}

int fs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
               struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    cleanup_node struct node node = { 0 };
    cleanup_entries struct entries names = { 0 };
    const char *folder = fs_path_of(fi);
    int error = node_find(folder, &node);

    (void)path, (void)offset, (void)flags;
    if (!error)
        error = node_list(&node, &names);
    if (!error && node.edits)
        error = scratch_each(folder, add_file, &names);
    if (!error && node.edits)
        error = veil_each_pending(folder, add_file, &names);
    if (error)
        return error;
    entries_sort(&names);
    fill(buffer, ".", NULL, 0, 0);
    fill(buffer, "..", NULL, 0, 0);
    for (size_t i = 0; i < names.count; i++) {
        const struct entry *e = &names.list[i];
        struct stat st = { .st_mode = e->folder ? S_IFDIR : S_IFREG };
        if (!(node.edits && hidden(folder, e->name)))
            fill(buffer, e->name, &st, 0, 0);
    }
    return 0;
}

/* ---- what editors set and nobody keeps --------------------------------------- */

/* 0: a file of which attributes may be set, to no effect. */
static int settable(const char *path)
{
    cleanup_node struct node node = { 0 };
    size_t size;

    if (!path || veil_of(path + 1, &size) == VEIL_PENDING)
        return 0;
    int error = node_find(path + 1, &node);
    return error ? error : node.kind == NODE_POLICY ? 0 : -EPERM;
}

int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    struct scratch *s = path ? scratch_find(path + 1) : NULL;

    (void)fi;
    if (!s)
        return settable(path);
    scratch_chmod(s, mode & 0777);
    scratch_unref(s);
    return 0;
}

int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    struct scratch *s = path ? scratch_find(path + 1) : NULL;

    (void)uid, (void)gid, (void)fi;
    if (!s)
        return settable(path);
    scratch_unref(s);
    return 0;
}

/* touch(1) does no harm anywhere. */
int fs_utimens(const char *path, const struct timespec when[2], struct fuse_file_info *fi)
{
    (void)path, (void)when, (void)fi;
    return 0;
}
