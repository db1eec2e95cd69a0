/* store-file.c - what does a regular file or a block device offer as a store?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

#include "scope.h"
#include "stores.h"

static const char *const discards[] = {
    [DISCARD_PUNCH] = "punch", [DISCARD_IGNORE] = "ignore", NULL
};

static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct file_config, path, .fallback = "",
                       .help = "The folder of the images; an export's image is relative to it."),
    WEIR_OPTION_BOOL(struct file_config, direct, .fallback = "false",
                     .help = "Reads and writes past the host's page cache (O_DIRECT)."),
    WEIR_OPTION_BOOL(struct file_config, create, .fallback = "true",
                     .help = "Creates an image that does not exist, sparse, when its export "
                             "gives a size."),
    WEIR_OPTION_CHOICE(struct file_config, discard, .fallback = "punch", .choices = discards,
                       .help = "What a trim does: punch gives the room back, ignore keeps it."),
    WEIR_OPTION_BOOL(struct file_config, lock, .fallback = "true",
                     .help = "Refuses an image that another program uses; false only where the "
                             "file system has no locks."),
    { 0 },
};

enum { PREFERRED = 4096, BLOCK_MAX = 32 << 20 };

static void file_geometry(void *self, struct weir_geometry *g)
{
    const struct file_store *f = self;
    uint32_t preferred = f->block_preferred;

    /* some file systems and devices give odd hints, which no protocol may carry */
    if (preferred < PREFERRED || preferred > BLOCK_MAX || (preferred & (preferred - 1)))
        preferred = PREFERRED;
    *g = (struct weir_geometry){
        .size = f->size,
        .block_min = f->block_min,
        .block_preferred = preferred,
        .block_max = BLOCK_MAX,
        .ops = f->read_only ? WEIR_ALL_OPS & ~WEIR_CHANGES : WEIR_ALL_OPS,
        .fast_zero = !f->read_only,
        .rotational = f->rotational,
    };
}

static int file_grow(void *self, uint64_t size, struct weir_text *why)
{
    struct file_store *f = self;
    uint64_t now = size;
    int r = 0;

    if (size < f->size || size % f->block_min) {
        weir_print(why,
                   "image \"%s\" has %" PRIu64 " bytes: the new size must be larger and a "
                   "multiple of %" PRIu32,
                   f->image, f->size, f->block_min);
        return -EINVAL;
    }
    if (f->is_device)
        r = device_size(f->fd, &now);
    else if (ftruncate(f->fd, (off_t)size) < 0)
        r = -errno;
    if (r == 0 && now < size) {
        weir_print(why, "device \"%s\" has %" PRIu64 " bytes: make the device larger first",
                   f->image, now);
        return -ENOSPC;
    }
    if (r == 0)
        r = file_flush(f); /* the new size is to survive a crash */
    if (r < 0) {
        weir_print(why, "image \"%s\" cannot grow to %" PRIu64 " bytes: %s", f->image, size,
                   strerror(-r));
        return r;
    }
    f->size = size;
    return 0;
}

static int clone_image(struct file_store *f, const char *name)
{
    struct draft draft;
    int r = file_flush(f);

    if (r == 0)
        r = draft_begin(f->parent, &draft);
    if (r < 0)
        return r;
    if (ioctl(draft.fd, FICLONE, f->fd) < 0) {
        r = -errno;
        draft_drop(&draft);
        return r;
    }
    return draft_publish(&draft, name);
}

static int file_snapshot(void *self, const char *name, struct weir_text *why)
{
    struct file_store *f = self;

    if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..")) {
        weir_print(why, "\"%s\" is no file name: the snapshot is a file beside the image", name);
        return -EINVAL;
    }
    int r = f->is_device ? -EOPNOTSUPP : clone_image(f, name);
    switch (r) {
    case 0:
        return 0;
    case -EEXIST:
        weir_print(why, "\"%s\" exists already beside image \"%s\": choose another name", name,
                   f->image);
        return r;
    case -EOPNOTSUPP:
    case -EXDEV:
    case -EINVAL:
    case -ENOTTY:
        weir_print(why,
                   "%s \"%s\" cannot be snapshot: that takes a file on a file system that shares "
                   "blocks (XFS with reflink, btrfs)",
                   f->is_device ? "device" : "image", f->image);
        return -ENOTSUP;
    default:
        weir_print(why, "snapshot \"%s\" of image \"%s\": %s", name, f->image, strerror(-r));
        return r;
    }
}

static int file_space(const void *config, const char *folder, struct store_space *space)
{
    const struct file_config *c = config;
    cleanup_fd int start = open(folder && *folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int place = openat(start, c->path && *c->path ? c->path : ".", O_PATH | O_CLOEXEC);
    struct statvfs st;

    *space = (struct store_space){ 0 };
    if (place < 0 || fstatvfs(place, &st) < 0)
        return -errno;
    space->size = (uint64_t)st.f_blocks * st.f_frsize;
    space->free = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static const char *file_folder(const void *config)
{
    const struct file_config *c = config;

    return c->path;
}

const struct store_type store_file = {
    .name = "file",
    .summary = "Regular files in a folder, and block devices.",
    .self_size = sizeof(struct file_store),
    .config_size = sizeof(struct file_config),
    .options = options,
    .open = file_open,
    .geometry = file_geometry,
    .serve = file_serve,
    .grow = file_grow,
    .snapshot = file_snapshot,
    .close = file_close,
    .space = file_space,
    .folder = file_folder,
    .identity = file_identity,
};
