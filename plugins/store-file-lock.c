/* store-file-lock.c - how is an image kept from being used twice, and who has it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Locks of open file descriptions (F_OFD_SETLK): they bind two exports of one process
 * as well as two processes, and go with the descriptor, so kill -9 leaves none behind.
 * They are advisory: they stop whoever asks, which QEMU and its tools do.
 *
 * QEMU read-locks byte 100+P for each permission P that it uses and byte 200+P for each
 * that it does not share, then tests whether somebody holds the opposite byte.  A writer
 * here write-locks the whole file, so neither can start while the other runs.  A reader
 * speaks QEMU's protocol, so that a golden image can be read by both. */
#include "store-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "scope.h"

enum { QEMU_USES = 100, QEMU_REFUSES = 200 };            /* the bases of its bytes */
enum { QEMU_READ = 0, QEMU_WRITE = 1, QEMU_RESIZE = 3 }; /* its permissions */

static int lock_bytes(int fd, short type, off_t start, off_t length)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* -EAGAIN when somebody holds the byte in any way. */
static int test_byte(int fd, off_t byte)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return -errno;
    return lock.l_type == F_UNLCK ? 0 : -EAGAIN;
}

static int lock_for_reading(int fd)
{
    static const struct {
        off_t start, length;
    } mine[] = { { 0, QEMU_USES + QEMU_READ + 1 },
                 { QEMU_REFUSES + QEMU_WRITE, 1 },
                 { QEMU_REFUSES + QEMU_RESIZE, 1 } };
    static const off_t others[] = { QEMU_USES + QEMU_WRITE, QEMU_USES + QEMU_RESIZE,
                                    QEMU_REFUSES + QEMU_READ };
    int r = 0;

    for (size_t i = 0; i < sizeof mine / sizeof *mine && r == 0; i++)
        r = lock_bytes(fd, F_RDLCK, mine[i].start, mine[i].length);
    for (size_t i = 0; i < sizeof others / sizeof *others && r == 0; i++)
        r = test_byte(fd, others[i]);
    return r;
}

/* Does descriptor `name` of the process whose folder is `process` hold a lock on the file? */
static bool holds(int process, const char *name, const struct stat *image)
{
    char path[64], line[256];
    struct stat other;
    bool found = false;

    snprintf(path, sizeof path, "fd/%.16s", name);
    if (fstatat(process, path, &other, 0) < 0 || other.st_ino != image->st_ino ||
        other.st_dev != image->st_dev)
        return false;
    snprintf(path, sizeof path, "fdinfo/%.16s", name);
    int fd = openat(process, path, O_RDONLY | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (!found && fgets(line, sizeof line, file))
        found = strncmp(line, "lock:", 5) == 0;
    fclose(file);
    return found;
}

static bool process_holds(int process, const struct stat *image)
{
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    bool found = false;

    if (!list) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (struct dirent *d; !found && (d = readdir(list));)
        found = d->d_name[0] != '.' && holds(process, d->d_name, image);
    closedir(list);
    return found;
}

static void print_process(int process, const char *pid, struct weir_text *why)
{
    char name[32] = "";
    int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t n = read(fd, name, sizeof name - 1);
        close(fd);
        name[n > 0 ? n : 0] = '\0';
        name[strcspn(name, "\n")] = '\0';
    }
    weir_print(why, "by %s (process %s)", name[0] ? name : "a program", pid);
}

/* fcntl() gives no process for such a lock (it may be shared by several), /proc does. */
static void print_holder(int fd, struct weir_text *why)
{
    struct stat image;
    DIR *list = opendir("/proc");
    bool found = false;

    if (list && fstat(fd, &image) == 0)
        for (struct dirent *d; !found && (d = readdir(list));) {
            if (d->d_name[0] < '0' || d->d_name[0] > '9')
                continue;
            cleanup_fd int process =
                openat(dirfd(list), d->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
            if (process < 0 || !process_holds(process, &image))
                continue;
            found = true;
            if (strtol(d->d_name, NULL, 10) == getpid())
                weir_print(why, "by another export of this gateway");
            else
                print_process(process, d->d_name, why);
        }
    if (list)
        closedir(list);
    if (!found)
        weir_print(why, "by another process (root can see which: lsof, or /proc/locks)");
}

int file_lock(int fd, bool shared, const char *image, struct weir_text *why)
{
    int r = shared ? lock_for_reading(fd) : lock_bytes(fd, F_WRLCK, 0, 0);

    if (r == -EAGAIN || r == -EACCES) {
        lock_bytes(fd, F_UNLCK, 0, 0); /* or the search would find this descriptor */
        weir_print(why, "image \"%s\" is in use ", image);
        print_holder(fd, why);
        weir_print(why, "; two users would destroy it: stop the other one first");
        return -EBUSY;
    }
    if (r < 0)
        weir_print(why,
                   "image \"%s\" cannot be locked (%s): if its file system has no locks and "
                   "nobody else uses the image, say lock = false in the datastore",
                   image, strerror(-r));
    return r;
}
