/* store-file-open.c - which file does an export's image name, and may we have it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "events.h"
#include "options.h"
#include "scope.h"
#include "text.h"

enum { DIRECT_ALIGN = 4096 };

/* ---- finding it -------------------------------------------------------------------- */

/* Opens `path` as a place, not for I/O.  `beneath`: neither ".." nor a symbolic link may
 * lead out of `base`. */
static int find_place(int base, const char *path, int flags, bool beneath)
{
    struct open_how how = { .flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
                            .resolve = beneath ? RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS : 0 };
    long fd = syscall(SYS_openat2, base, path, &how, sizeof how);

    return fd < 0 ? -errno : (int)fd;
}

/* A service with RestrictSUIDSGID= has no openat2(): "Function not implemented" would lead nobody
 * to that. */
static const char *place_error(int r)
{
    return r == -ENOSYS ? "openat2() is denied: take RestrictSUIDSGID= out of the unit, or allow "
                          "openat2 in whatever confines this gateway"
                        : strerror(-r);
}

/* The folder that the datastore's relative images start from. */
static int find_base(const struct store_image *image, const struct file_config *config,
                     struct weir_text *why)
{
    const char *folder = image->folder && *image->folder ? image->folder : ".";
    cleanup_fd int start = find_place(AT_FDCWD, folder, O_DIRECTORY, false);
    const char *path = config->path && *config->path ? config->path : ".";
    int fd = start < 0 ? start : find_place(start, path, O_DIRECTORY, false);

    if (fd < 0)
        weir_print(why, "datastore \"%s\": path \"%s\": %s%s", image->datastore,
                   *path == '.' ? folder : path, place_error(fd),
                   fd == -ENOSYS ? "" : ": it must be a folder that exists");
    return fd;
}

static int explain_place(const struct store_image *image, int r, struct weir_text *why)
{
    if (r == -EXDEV || r == -ELOOP)
        weir_print(why,
                   "image \"%s\" leads out of the folder of datastore \"%s\": name a file inside "
                   "it, or give the image as an absolute path",
                   image->image, image->datastore);
    else
        weir_print(why, "image \"%s\" in datastore \"%s\": %s", image->image, image->datastore,
                   place_error(r));
    return r;
}

/* Fills f->parent, f->name and f->image; *place is the image itself or -ENOENT. */
static int find_image(struct file_store *f, const struct store_image *image,
                      const struct file_config *config, int *place, struct weir_text *why)
{
    bool beneath = image->image[0] != '/';
    cleanup_fd int base = beneath ? find_base(image, config, why) : AT_FDCWD;
    const char *slash = strrchr(image->image, '/');
    cleanup_free char *folder = NULL;

    if (beneath && base < 0)
        return base;
    f->image = strdup(image->image);
    f->name = strdup(slash ? slash + 1 : image->image);
    folder = !slash                  ? strdup(".")
             : slash == image->image ? strdup("/")
                                     : strndup(image->image, (size_t)(slash - image->image));
    if (!f->image || !f->name || !folder)
        return -ENOMEM;
    if (!*f->name || !strcmp(f->name, ".") || !strcmp(f->name, "..")) {
        weir_print(why, "image \"%s\" does not end in the name of a file", image->image);
        return -EINVAL;
    }
    f->parent = find_place(base, folder, O_DIRECTORY, beneath);
    if (f->parent < 0)
        return explain_place(image, f->parent, why);
    *place = find_place(base, image->image, 0, beneath);
    if (*place < 0 && *place != -ENOENT)
        return explain_place(image, *place, why);
    return 0;
}

/* ---- creating it --------------------------------------------------------------------- */

static int create_image(struct file_store *f, const struct store_image *image,
                        const struct file_config *config, struct weir_text *why)
{
    struct draft draft;
    int r;

    if (!image->size || !config->create || image->read_only) {
        weir_print(why, "image \"%s\" in datastore \"%s\" does not exist: %s", image->image,
                   image->datastore,
                   image->read_only  ? "a read-only export creates none"
                   : !config->create ? "create = false in the datastore, so make it by hand"
                                     : "give the export a size to have it created");
        return -ENOENT;
    }
    r = draft_begin(f->parent, &draft);
    if (r == 0 && ftruncate(draft.fd, (off_t)image->size) < 0) {
        r = -errno;
        draft_drop(&draft);
    }
    if (r == 0)
        r = draft_publish(&draft, f->name);
    if (r < 0 && r != -EEXIST)
        weir_print(why, "image \"%s\" of %" PRIu64 " bytes cannot be created: %s", image->image,
                   image->size, strerror(-r));
    return r == -EEXIST ? 0 : r; /* somebody else was quicker: open that one */
}

/* ---- opening it ------------------------------------------------------------------------ */

/* Opens exactly the inode that `place` stands for, whatever its name means by now. */
static int reopen(int place, int flags)
{
    char path[40];

    snprintf(path, sizeof path, "/proc/self/fd/%d", place);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_place(struct file_store *f, int place, const struct file_config *config,
                      struct weir_text *why)
{
    int flags = f->read_only ? O_RDONLY : O_RDWR;
    struct stat st;

    if (fstat(place, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        weir_print(why, "image \"%s\" is a %s: a disk is a regular file or a block device",
                   f->image, S_ISDIR(st.st_mode) ? "folder" : "special file");
        return -EINVAL;
    }
    f->is_device = S_ISBLK(st.st_mode);
    f->fd = reopen(place, flags | (config->direct ? O_DIRECT : 0) |
                              (f->is_device && !f->read_only && config->lock ? O_EXCL : 0));
    if (f->fd == -EINVAL && config->direct)
        weir_print(why, "image \"%s\": its file system has no direct I/O: remove direct = true",
                   f->image);
    else if (f->fd == -EBUSY)
        weir_print(why,
                   "device \"%s\" is in use (mounted, part of an array or a volume group, or "
                   "opened by another program): free it first",
                   f->image);
    else if (f->fd < 0)
        weir_print(why, "image \"%s\": %s", f->image, strerror(-f->fd));
    if (f->fd < 0)
        return f->fd;
    f->sync_fd = reopen(place, flags);
    return f->sync_fd < 0 ? f->sync_fd : 0;
}

/* ---- what it is like --------------------------------------------------------------------- */

static int judge_size(struct file_store *f, const struct store_image *image, struct weir_text *why)
{
    cleanup_text struct weir_text size = { 0 };

    if (f->size == 0) {
        weir_print(why, "image \"%s\" is empty: remove it and give the export a size", f->image);
        return -EINVAL;
    }
    if (image->size <= f->size) { /* a disk that has grown keeps what it was given at first */
        if (image->size && image->size < f->size)
            event_post(WEIR_INFO, NULL, NULL,
                       "image %s has %" PRIu64 " bytes, more than the %" PRIu64
                       " that its export gives: it has grown",
                       f->image, f->size, image->size);
        return 0;
    }
    print_size(image->size, &size);
    weir_print(why,
               "image \"%s\" has %" PRIu64 " bytes, the export says %" PRIu64
               ": set the export's size to what the image has, then make the disk larger with "
               "`weirctl export grow EXPORT %s`",
               f->image, f->size, image->size, text_string(&size));
    return -EINVAL;
}

static int judge_direct(struct file_store *f, struct weir_text *why)
{
    struct statx st = { 0 };
    uint32_t align = f->is_device ? f->sector : DIRECT_ALIGN;

    f->memory_align = align;
    if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN) && st.stx_dio_offset_align) {
        align = st.stx_dio_offset_align;
        f->memory_align = st.stx_dio_mem_align;
    }
    f->block_min = align > f->sector ? align : f->sector;
    if (f->size % f->block_min == 0)
        return 0;
    weir_print(why,
               "image \"%s\" has %" PRIu64 " bytes, no multiple of the %" PRIu32
               " that direct I/O needs here: remove direct = true, or make it larger",
               f->image, f->size, f->block_min);
    return -EINVAL;
}

static int judge_image(struct file_store *f, const struct store_image *image, bool direct,
                       struct weir_text *why)
{
    struct stat st;
    int r = 0;

    if (fstat(f->fd, &st) < 0)
        return -errno;
    f->memory_align = 1;
    /* the page cache takes any bytes, so an odd size is served whole and no request need be
     * widened to blocks */
    f->block_min = 1;
    if (f->is_device) {
        r = device_size(f->fd, &f->size);
        device_blocks(f->fd, &f->sector, &f->block_preferred);
        f->rotational = device_rotational(major(st.st_rdev), minor(st.st_rdev));
    } else {
        f->size = (uint64_t)st.st_size;
        f->block_preferred = (uint32_t)st.st_blksize;
        f->rotational = device_rotational(major(st.st_dev), minor(st.st_dev));
        f->sector = 1;
    }
    if (r == 0)
        r = judge_size(f, image, why);
    return r == 0 && direct ? judge_direct(f, why) : r;
}

/* ---- in all --------------------------------------------------------------------------------- */

void file_close(void *self)
{
    struct file_store *f = self;

    scope_close(&f->fd);
    scope_close(&f->sync_fd);
    scope_close(&f->parent);
    free(f->image);
    free(f->name);
    pthread_cond_destroy(&f->synced);
    pthread_mutex_destroy(&f->sync_lock);
}

static int open_image(struct file_store *f, const struct store_image *image,
                      const struct file_config *config, struct weir_text *why)
{
    cleanup_fd int place = -1;
    int r = find_image(f, image, config, &place, why);

    if (r == 0 && place < 0) {
        r = create_image(f, image, config, why);
        if (r == 0)
            place = find_place(f->parent, f->name, 0, true);
        if (r == 0 && place < 0)
            r = explain_place(image, place, why);
    }
    if (r == 0)
        r = open_place(f, place, config, why);
    if (r == 0 && config->lock)
        r = file_lock(f->fd, f->read_only, f->image, why);
    return r == 0 ? judge_image(f, image, config->direct, why) : r;
}

int file_open(void *self, const struct store_image *image, const void *config,
              struct weir_text *why)
{
    struct file_store *f = self;
    const struct file_config *options = config;

    if (!image->image || !*image->image) {
        weir_print(why,
                   "datastore \"%s\" is a folder of images: give the export an image = "
                   "\"NAME\"",
                   image->datastore);
        return -EINVAL;
    }
    f->fd = f->sync_fd = f->parent = -1;
    f->read_only = image->read_only;
    f->punch = options->discard == DISCARD_PUNCH;
    pthread_mutex_init(&f->sync_lock, NULL);
    pthread_cond_init(&f->synced, NULL);
    int r = open_image(f, image, options, why);
    if (r < 0)
        file_close(f);
    return r;
}
