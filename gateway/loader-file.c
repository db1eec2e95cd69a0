/* loader-file.c - which bytes does a filter consist of, and are they still those on disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A file is read once, into memory that is then sealed.  What is judged, compared and given to the
 * dynamic linker is that copy: a file that is changed between its check and its use changes
 * nothing, and one that is written over does not pull the code from under a running disk. */
#include "loader-file.h"

#include "scope.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { FILE_MOST = 256 << 20 }; /* bytes of a shared object */

static int copy_bytes(int from, int to, size_t *size)
{
    char piece[65536];
    ssize_t n;

    *size = 0;
    while ((n = read(from, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        for (ssize_t done = 0, w; done < n; done += w) {
            w = write(to, piece + done, (size_t)(n - done));
            if (w < 0)
                return -errno;
        }
        *size += (size_t)n;
        if (*size > FILE_MOST)
            return -EFBIG;
    }
    return 0;
}

static int make_copy(int from, struct loader_file *f)
{
    struct stat st;

    if (fstat(from, &st))
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    cleanup_fd int fd = memfd_create("weir-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int r = copy_bytes(from, fd, &f->size);
    if (!r && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
        r = -errno;
    if (!r)
        f->fd = steal_fd(fd);
    return r;
}

int loader_file_read(const char *path, struct loader_file *ret, struct weir_text *why)
{
    struct loader_file f = { .fd = -1, .real = realpath(path, NULL) };
    int r = f.real ? 0 : -errno;

    if (!r) {
        cleanup_fd int from = open(f.real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        r = from < 0 ? -errno : make_copy(from, &f);
    }
    if (r) {
        weir_print(why, "%s cannot be read: %s", path, strerror(-r));
        loader_file_finish(&f);
        return r;
    }
    *ret = f;
    return 0;
}

void loader_file_finish(struct loader_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->real);
    free(f->drift);
    *f = (struct loader_file){ .fd = -1 };
}

const void *loader_file_map(const struct loader_file *f)
{
    void *bytes = f->size ? mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->fd, 0) : NULL;

    return bytes == MAP_FAILED ? NULL : bytes;
}

void loader_file_unmap(const struct loader_file *f, const void *bytes)
{
    if (bytes)
        munmap((void *)(uintptr_t)bytes, f->size);
}

bool loader_file_equal(const struct loader_file *a, const struct loader_file *b)
{
    if (a->size != b->size)
        return false;
    const void *x = loader_file_map(a), *y = loader_file_map(b);
    bool equal = x && y && memcmp(x, y, a->size) == 0;
    loader_file_unmap(a, x);
    loader_file_unmap(b, y);
    return equal;
}

/* With the number of the process, so that a debugger finds it, too.  The linker knows objects by
 * their names, and may keep one that was closed: no name is used twice, which is done by ways to
 * write a path that mean the same. */
int loader_file_name(const struct loader_file *f, unsigned serial, char buffer[LOADER_NAME])
{
    char ways[2 * 24 + 1] = "";

    for (unsigned bit = 0; bit < 24; bit++)
        strcat(ways, serial >> bit & 1 ? "/." : "//");
    return snprintf(buffer, LOADER_NAME, "/proc/%d%s/fd/%d", getpid(), ways, f->fd);
}
