/* mount.c - is there a mount already, and is anybody behind it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "mount.h"

#include "../scope.h"

#include <errno.h>
#include <linux/capability.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

/* realpath() for what may be a dead mount, whose own name can be resolved but not asked. */
static char *absolute_path(const char *path)
{
    cleanup_free char *copy = strdup(path);
    char *whole = NULL;

    if (!copy || !*copy)
        return NULL;
    for (size_t end = strlen(copy); end > 1 && copy[end - 1] == '/'; end--)
        copy[end - 1] = '\0';
    char *slash = strrchr(copy, '/');
    const char *last = slash ? slash + 1 : copy;
    if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return realpath(copy, NULL);
    if (slash)
        *slash = '\0';
    cleanup_free char *parent = realpath(!slash ? "." : slash == copy ? "/" : copy, NULL);
    if (!parent || asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, last) < 0)
        return NULL;
    return whole;
}

/* Is the uppermost mount at `path` one of weirfs? */
static bool weirfs_mounted(const char *path)
{
    FILE *table = setmntent("/proc/self/mounts", "re");
    struct mntent entry;
    char buffer[8192];
    bool ours = false;

    while (table && getmntent_r(table, &entry, buffer, sizeof(buffer)))
        if (strcmp(entry.mnt_dir, path) == 0)
            ours = strcmp(entry.mnt_type, "fuse.weirfs") == 0;
    if (table)
        endmntent(table);
    return ours;
}

static int detach(const char *path)
{
    char *const command[] = { "fusermount3", "-u", "-z", (char *)(uintptr_t)path, NULL };
    pid_t child;
    int status;

    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        return 0;
    int error = posix_spawnp(&child, command[0], NULL, NULL, command, environ);
    if (error)
        return -error;
    if (waitpid(child, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int say(int error, const char *path, const char *sentence)
{
    fprintf(stderr, "weirfs: %s: %s\n", path, sentence ? sentence : strerror(-error));
    return error;
}

int mount_prepare(const char *path, char **absolute)
{
    enum { STACKED = 16 };
    cleanup_free char *whole = absolute_path(path);
    struct stat st;

    if (!whole)
        return say(-errno, path, NULL);
    for (int i = 0; i < STACKED; i++) {
        if (stat(whole, &st) == 0)
            break;
        if (errno == ENOENT && mkdir(whole, 0755) == 0)
            continue;
        if (errno != ENOTCONN)
            return say(-errno, path, NULL);
        if (!weirfs_mounted(whole))
            return say(-ENOTCONN, path,
                       "a dead mount of another file system is there; unmount it first");
        int error = detach(whole);
        if (error)
            return say(error, path, "a dead weirfs mount is there and cannot be unmounted");
    }
    if (stat(whole, &st))
        return say(-errno, path, NULL);
    if (!S_ISDIR(st.st_mode))
        return say(-ENOTDIR, path, "the mount point is not a folder");
    if (weirfs_mounted(whole))
        return say(-EBUSY, path, "another weirfs serves this mount; stop it first");
    *absolute = steal(whole);
    return 0;
}

bool mount_may_be_shared(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

    if (geteuid() == 0)
        return true;
    return syscall(SYS_capget, &header, data) == 0 &&
           (data[CAP_SYS_ADMIN / 32].effective & (1u << (CAP_SYS_ADMIN % 32)));
}
