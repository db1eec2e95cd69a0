/* files.c - how does a small file become one that a crash cannot take?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* `folder` may be an O_PATH descriptor, which cannot be fsynced. */
static int sync_folder(int folder)
{
    cleanup_fd int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) ? -errno : 0;
}

static int save(int folder, const char *name, const void *data, size_t size, unsigned mode,
                bool exactly)
{
    static _Atomic unsigned serial; /* no two temporary files of this process are one */
    cleanup_free char *new = NULL;

    if (asprintf(&new, ".%s.%d.%u.new", name, getpid(), serial++) < 0) {
        new = NULL;
        return -ENOMEM;
    }
    cleanup_fd int fd = openat(folder, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = exactly && fchmod(fd, mode) ? -errno : write_all(fd, data, size);
    if (!r && fsync(fd))
        r = -errno;
    /* the name changes only when the bytes are down: a crash leaves the old or the new */
    if (!r && renameat(folder, new, folder, name))
        r = -errno;
    if (r) {
        unlinkat(folder, new, 0);
        return r;
    }
    return sync_folder(folder);
}

int save_file_at(int folder, const char *name, const void *data, size_t size, unsigned mode)
{
    return save(folder, name, data, size, mode, false);
}

int replace_file_at(int folder, const char *name, const void *data, size_t size, unsigned mode)
{
    return save(folder, name, data, size, mode, true);
}

int load_file_at(int folder, const char *name, void **data, size_t *size)
{
    cleanup_fd int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    cleanup_text struct weir_text t = { 0 };
    char piece[16384];
    ssize_t n;

    if (fd < 0)
        return -errno;
    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            text_append(&t, piece, (size_t)n);
    }
    if (t.cut)
        return -ENOMEM;
    *size = t.length;
    *data = text_take(&t);
    return *data ? 0 : -ENOMEM;
}

int remove_file_at(int folder, const char *name)
{
    if (unlinkat(folder, name, 0))
        return -errno;
    return sync_folder(folder);
}

/* Makes the entry of `path` in its folder durable. */
static int sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    cleanup_free char *parent =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

    if (!parent)
        return -ENOMEM;
    cleanup_fd int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) ? -errno : 0;
}

int make_folders(const char *path, unsigned mode)
{
    cleanup_free char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    for (char *end = copy + 1;; *end++ = '/') {
        end = strchrnul(end, '/');
        bool last = *end == '\0';
        *end = '\0';
        int r = mkdir(copy, mode) ? -errno : sync_parent(copy);
        if (r && r != -EEXIST)
            return r;
        if (last)
            return 0;
    }
}

char *export_file_name(const char *export)
{
    struct weir_text t = { 0 };

    for (const char *c = export; *c; c++)
        if (*c == '/' || *c == '%' || (*c == '.' && c == export))
            weir_print(&t, "%%%02X", (unsigned char)*c);
        else
            text_append(&t, c, 1);
    if (t.cut) {
        text_finish(&t);
        return NULL;
    }
    return text_take(&t);
}
