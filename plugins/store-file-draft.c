/* store-file-draft.c - how does a file appear whole or not at all?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the file system can make a file without a name (O_TMPFILE), a crash leaves
 * nothing; elsewhere it may leave a hidden file without data.  Publishing is a link(),
 * which never replaces a file that somebody else has put there meanwhile. */
#include "store-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "scope.h"

enum { IMAGE_MODE = 0600 };

int draft_begin(int folder, struct draft *draft)
{
    *draft = (struct draft){ .folder = folder };
    draft->fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, IMAGE_MODE);
    if (draft->fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return -errno;
    for (int attempt = 0; attempt < 16; attempt++) {
        uint64_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            return -EIO;
        snprintf(draft->name, sizeof draft->name, ".weir-%016llx", (unsigned long long)number);
        draft->fd = openat(folder, draft->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, IMAGE_MODE);
        if (draft->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    int error = errno;
    draft->name[0] = '\0';
    return -error;
}

void draft_drop(struct draft *draft)
{
    if (draft->name[0])
        unlinkat(draft->folder, draft->name, 0);
    if (draft->fd >= 0)
        close(draft->fd);
    draft->fd = -1;
    draft->name[0] = '\0';
}

static int sync_folder(int folder)
{
    cleanup_fd int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int draft_publish(struct draft *draft, const char *name)
{
    char self[40];
    int r;

    if (fsync(draft->fd) < 0) {
        r = -errno;
        draft_drop(draft);
        return r;
    }
    if (draft->name[0]) {
        r = linkat(draft->folder, draft->name, draft->folder, name, 0);
    } else {
        snprintf(self, sizeof self, "/proc/self/fd/%d", draft->fd);
        r = linkat(AT_FDCWD, self, draft->folder, name, AT_SYMLINK_FOLLOW);
    }
    if (r < 0)
        r = -errno;
    int folder = draft->folder;
    draft_drop(draft);
    if (r < 0)
        return r;
    r = sync_folder(folder);
    /* not durable, so not there: the caller will say that it failed */
    if (r < 0)
        unlinkat(folder, name, 0);
    return r;
}
