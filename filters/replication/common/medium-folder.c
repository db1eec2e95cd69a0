/* medium-folder.c - how is a folder of this host a medium?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium.h"

#include "medium-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct folder {
    struct medium medium;
    struct syncer syncer;
    int fd;
};

/* Names of a medium are not paths: what lies elsewhere is a medium of its own. */
static bool is_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int folder_open(struct medium *m, const char *name, unsigned flags, struct medium_file **ret)
{
    return is_name(name) ? medium_file_open(((struct folder *)m)->fd, name, flags, ret) : -EINVAL;
}

static int folder_remove(struct medium *m, const char *name)
{
    if (!is_name(name))
        return -EINVAL;
    return unlinkat(((struct folder *)m)->fd, name, 0) ? -errno : 0;
}

static int folder_rename(struct medium *m, const char *from, const char *to)
{
    const int fd = ((struct folder *)m)->fd;

    if (!is_name(from) || !is_name(to))
        return -EINVAL;
    return renameat(fd, from, fd, to) ? -errno : 0;
}

static int folder_sync(struct medium *m)
{
    struct folder *f = (struct folder *)m;

    return syncer_sync(&f->syncer, f->fd, fsync);
}

static int not_dots(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

/* All names are read before the first each(), which may remove what it is told of. */
static int folder_list(struct medium *m, int (*each)(void *arg, const char *name), void *arg)
{
    struct dirent **entry;
    int r = 0, n = scandirat(((struct folder *)m)->fd, ".", &entry, not_dots, alphasort);

    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        if (!r)
            r = each(arg, entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    return r;
}

static int folder_free_bytes(struct medium *m, uint64_t *ret)
{
    struct statvfs st;

    if (fstatvfs(((struct folder *)m)->fd, &st))
        return -errno;
    *ret = (uint64_t)st.f_bavail * st.f_frsize; /* what root has in reserve is not for us */
    return 0;
}

static void folder_close(struct medium *m)
{
    struct folder *f = (struct folder *)m;

    close(f->fd);
    syncer_finish(&f->syncer);
    free(f);
}

/* Takes `fd`. */
static int folder_of(int fd, struct medium **ret)
{
    struct folder *f = calloc(1, sizeof(*f));

    if (!f) {
        close(fd);
        return -ENOMEM;
    }
    f->medium = (struct medium){
        .open = folder_open,
        .remove = folder_remove,
        .rename = folder_rename,
        .sync = folder_sync,
        .list = folder_list,
        .free_bytes = folder_free_bytes,
        .close = folder_close,
    };
    f->fd = fd;
    syncer_init(&f->syncer);
    *ret = &f->medium;
    return 0;
}

int medium_of_folder(int folder, struct medium **ret)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : folder_of(fd, ret);
}

/* A new folder is to survive a crash, as what is in it does. */
static int make_folder(const char *path)
{
    char *copy = strdup(path);
    int r = -ENOMEM;

    if (!copy)
        return r;
    int above = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0)
        r = -errno;
    else
        r = (mkdir(path, 0700) && errno != EEXIST) || fsync(above) ? -errno : 0;
    if (above >= 0)
        close(above);
    free(copy);
    return r;
}

int medium_open(const char *path, struct medium **ret, struct weir_text *why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        int r = make_folder(path);
        if (r) {
            weir_print(why, "the folder %s cannot be made: %s%s", path, strerror(-r),
                       r == -ENOENT ? "; make the folder above it first" : "");
            return r;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    int r = fd < 0 ? -errno : folder_of(fd, ret);
    if (r == -ENOTDIR)
        weir_print(why, "%s is not a folder: give the path of one", path);
    else if (r)
        weir_print(why, "the folder %s cannot be opened: %s", path, strerror(-r));
    return r;
}
