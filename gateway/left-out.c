/* left-out.c - how does a filter learn that the disk was served without it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A filter that keeps a copy of the disk elsewhere, such as a cache, may not believe it when others
 * have written the disk meanwhile.  Of this gateway's own writes nobody else can tell it: the store
 * says when it was changed last, and after a crash nobody knows when that should have been.  So
 * before a chain is served, each filter that has a state folder here, and is not in it, gets the
 * file "left-out" there. */
#include "chain.h"
#include "export-private.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_label(const struct chain *c, const char *label)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->link[i].place->label, label) == 0)
            return true;
    return false;
}

/* 0, too, where it is no folder. */
static int tell(int folder, const char *label)
{
    cleanup_fd int fd = openat(folder, label, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOTDIR || errno == ENOENT || errno == ELOOP ? 0 : -errno;
    if (faccessat(fd, LEFT_OUT, F_OK, 0) == 0)
        return 0;
    return save_file_at(fd, LEFT_OUT, "", 0, 0600);
}

static int tell_all(const char *path, const struct chain *c)
{
    DIR *folder = opendir(path);
    int r = 0;

    if (!folder)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *d; !r && (d = readdir(folder));)
        if (d->d_name[0] != '.' && !has_label(c, d->d_name))
            r = tell(dirfd(folder), d->d_name);
    closedir(folder);
    return r;
}

int left_out_note(const struct export *e, const struct chain *c, struct weir_text *why)
{
    cleanup_free char *path = export_state_folder(e);
    int r = -ENOMEM;

    if (path)
        r = tell_all(path, c);
    if (r)
        weir_print(why, "that the disk is served without a filter cannot be remembered in %s: %s",
                   places()->state, strerror(-r));
    return r;
}
