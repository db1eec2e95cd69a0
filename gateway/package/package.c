/* package.c - how is what a package consists of held, and read from disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "package.h"

#include "../scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

void package_finish(struct package *p)
{
    for (size_t i = 0; i < MANIFEST_FILES; i++)
        free(p->data[i]);
    free(p->text);
    free(p->signature);
    manifest_finish(&p->manifest);
    *p = (struct package){ 0 };
}

const void *package_object(const struct package *p, size_t *size)
{
    const struct manifest_file *f = manifest_object(&p->manifest);

    *size = f->size;
    return p->data[f - p->manifest.file];
}

int read_whole(const char *path, size_t most, void **data, size_t *size)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (st.st_size > (off_t)most)
        return -EFBIG;
    cleanup_free char *copy = malloc((size_t)st.st_size + 1);
    size_t done = 0;
    ssize_t n = 1;
    while (copy && n && done < (size_t)st.st_size) {
        n = read(fd, copy + done, (size_t)st.st_size - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    if (!copy)
        return -ENOMEM;
    copy[done] = '\0';
    *size = done;
    *data = steal(copy);
    return 0;
}
