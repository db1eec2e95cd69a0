/* store-vault.c - what does the target of a replication offer as a store?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The log of a group, for its source; its disks, once this site is promoted; and each of them as it
 * was at any restore point (vault/vault.h). */
#include "store-vault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "gateway.h"
#include "instant.h"
#include "scope.h"
#include "stores.h"
#include "vault/serve.h"

enum { BLOCK_PREFERRED = 4096, BLOCK_MAX = 32 << 20 };

static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct vault_config, path, .flags = WEIR_REQUIRED,
                       .help = "The folder of the groups: their logs, and the disks at the oldest "
                               "state that is kept."),
    WEIR_OPTION_STRING(struct vault_config, heads, .fallback = "",
                       .help = "The folder of the disks at the latest state, as DISK.raw; unset: "
                               "that of their group."),
    WEIR_OPTION_TIME(struct vault_config, history, .fallback = "24h",
                     .help = "How far back one can go; 0 keeps the latest state alone, and no "
                             "restore points."),
    WEIR_OPTION_SIZE(struct vault_config, limit, .fallback = "0",
                     .help = "How much room the log of each group may take, which then has less "
                             "history; 0 is what the file system has, less 5 %."),
    WEIR_OPTION_TIME(struct vault_config, thin_after, .fallback = "0",
                     .help = "Of automatic restore points older than this, one a minute is listed, "
                             "and of those ten times older one an hour; 0 lists all."),
    WEIR_OPTION_STRING(struct vault_config, scratch, .fallback = "",
                       .help = "The folder for what is written to restore points; unset: that of "
                               "their group."),
    WEIR_OPTION_STRING(struct vault_config, key, .fallback = "",
                       .help = "The file with the secret that the source has, too; unset: frames "
                               "need not be signed."),
    { 0 },
};

/* ---- opening ----------------------------------------------------------------------- */

static int open_head(struct vault_store *v, struct weir_text *why)
{
    v->writable = true;
    return head_open(v->group, v->disk, &v->head, why);
}

static int open_image(struct vault_store *v, const struct image *image, struct weir_text *why)
{
    uint64_t size;
    int r;

    if (v->kind == IMAGE_LOG)
        return 0;
    if ((r = group_disk(v->group, image->disk, &v->disk, &size, why)))
        return r;
    if (v->kind == IMAGE_HEAD)
        return open_head(v, why);
    v->writable = image->writable;
    v->opened = wall_ns();
    return view_open(v->group, v->disk, image->point, image->since, image->writable, &v->view, why);
}

/* A group comes to be by its log: a disk of one that does not exist is a mistake. */
static int must_exist(const struct vault_config *c, const char *folder, const char *group,
                      struct weir_text *why)
{
    cleanup_free char *name = export_file_name(group), *path = NULL;

    if (!name || asprintf(&path, "%s%s%s/%s/group", *c->path == '/' ? "" : folder,
                          *c->path == '/' ? "" : "/", c->path, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (access(path, F_OK) == 0)
        return 0;
    weir_print(why,
               "the vault %s has no group \"%s\": it comes to be when its source first reaches the "
               "export of log:%s",
               c->path, group, group);
    return -ENOENT;
}

static int vault_open(void *self, const struct store_image *store, const void *config,
                      struct weir_text *why)
{
    struct vault_store *v = self;
    const struct vault_config *c = config;
    struct image image;
    int r = image_read(store->image, &image, why);

    if (r)
        return r;
    v->kind = image.kind;
    snprintf(v->name, sizeof v->name, "%s", store->image);
    if (v->kind != IMAGE_LOG)
        r = must_exist(c, store->folder, image.group, why);
    if (!r)
        r = group_get(c, store->folder, image.group, &v->group, why);
    if (!r && (r = open_image(v, &image, why)))
        group_put(v->group);
    image_finish(&image);
    return r;
}

/* Of a log there are none. */
static int vault_point(const char *name, bool *written, struct weir_text *why)
{
    struct image image;
    int r = image_read(name, &image, why);

    if (r)
        return r;
    if (image.kind == IMAGE_VIEW) {
        *written = image.writable;
    } else {
        weir_print(why, "a log has no points: open those of its disks");
        r = -ENOENT;
    }
    image_finish(&image);
    return r;
}

static void vault_close(void *self)
{
    struct vault_store *v = self;

    if (v->head)
        head_close(v->head);
    view_close(v->view);
    group_put(v->group);
}

static void vault_geometry(void *self, struct weir_geometry *g)
{
    const struct vault_store *v = self;

    if (v->kind == IMAGE_LOG) {
        serve_log_geometry(g);
        return;
    }
    *g = (struct weir_geometry){
        .size = v->head ? head_size(v->head) : view_size(v->view),
        .block_min = 1,
        .block_preferred = BLOCK_PREFERRED,
        .block_max = BLOCK_MAX,
        .ops = v->writable ? WEIR_ALL_OPS : WEIR_ALL_OPS & ~WEIR_CHANGES,
        .fast_zero = v->writable,
    };
}

static int vault_serve(void *self, struct weir_request *req)
{
    struct vault_store *v = self;

    return v->kind == IMAGE_LOG ? serve_log(v->group, req)
           : v->head            ? head_serve(v->head, req)
                                : view_serve(v->view, req);
}

static int vault_grow(void *self, uint64_t size, struct weir_text *why)
{
    struct vault_store *v = self;

    if (v->head)
        return head_grow(v->head, size, why);
    weir_print(why, "only a disk that this site is primary of can grow: a log and a restore point "
                    "are as large as they are");
    return -ENOTSUP;
}

static int vault_space(const void *config, const char *folder, struct store_space *space)
{
    const struct vault_config *c = config;
    cleanup_free char *path = NULL;
    struct statvfs fs;

    *space = (struct store_space){ 0 };
    if (asprintf(&path, "%s%s%s", *c->path == '/' ? "" : folder, *c->path == '/' ? "" : "/",
                 c->path) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (statvfs(path, &fs))
        return -errno;
    space->size = (uint64_t)fs.f_blocks * fs.f_frsize;
    space->free = (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}

static const char *vault_folder(const void *config)
{
    return ((const struct vault_config *)config)->path;
}

static int vault_identity(void *self, struct weir_identity *ret)
{
    const struct vault_store *v = self;
    char text[DISK_IDENTITY];

    if (v->kind == IMAGE_LOG)
        return store_identify(ret, "vault %s", v->name);
    tell_identity(v->group, v->disk, text);
    if (v->head)
        return store_identify(ret, "%s", text);
    if (!v->writable)
        return store_identify(ret, "%s@%" PRIu64, text, view_lsn(v->view));
    /* what was written to the one before is gone */
    return store_identify(ret, "%s@%" PRIu64 "+%" PRIu64, text, view_lsn(v->view), v->opened);
}

const struct store_type store_vault = {
    .name = "vault",
    .summary = "The target of replications: logs, latest disks and restore points.",
    .self_size = sizeof(struct vault_store),
    .config_size = sizeof(struct vault_config),
    .options = options,
    .open = vault_open,
    .geometry = vault_geometry,
    .serve = vault_serve,
    .grow = vault_grow,
    .close = vault_close,
    .space = vault_space,
    .folder = vault_folder,
    .identity = vault_identity,
    .stats = vault_stats,
    .verbs = vault_verbs,
    .point = vault_point,
};
