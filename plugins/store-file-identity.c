/* store-file-identity.c - which disk is it, whatever path leads to it, and when was it changed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An identity must outlive restarts of the host, in which devices get other numbers: who is
 * told of another disk may refuse to serve it. */
#include "store-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "scope.h"
#include "stores.h"

/* ---- a file ------------------------------------------------------------------------ */

/* Some file systems have no id of their own and give the number of their device. */
static bool is_device_number(uint64_t id, unsigned major, unsigned minor)
{
    return id == ((minor & 0xff) | (uint64_t)major << 8 | (uint64_t)(minor & ~0xffu) << 12);
}

static int identify_file(const struct file_store *f, struct weir_identity *ret)
{
    char file_system[20] = "", born[48] = "";
    struct statfs fs;
    struct statx st;

    if (statx(f->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0 ||
        fstatfs(f->fd, &fs) < 0)
        return -errno;
    uint64_t id;
    memcpy(&id, &fs.f_fsid, sizeof id);
    bool has_birth = st.stx_mask & STATX_BTIME;
    if (has_birth)
        snprintf(born, sizeof born, " born %lld.%09u", (long long)st.stx_btime.tv_sec,
                 st.stx_btime.tv_nsec);
    if (!has_birth || !is_device_number(id, st.stx_dev_major, st.stx_dev_minor))
        snprintf(file_system, sizeof file_system, "%016" PRIx64 ":", id);
    ret->changed = (uint64_t)st.stx_mtime.tv_sec * 1000000000u + st.stx_mtime.tv_nsec;
    return store_identify(ret, "file %s%llu%s", file_system, (unsigned long long)st.stx_ino, born);
}

/* ---- a block device ------------------------------------------------------------------ */

/* The first line of a file of sysfs, without the blanks around it; "": there is none. */
static void read_line(unsigned major, unsigned minor, const char *name, char line[128])
{
    char path[96], *end;

    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", major, minor, name);
    FILE *file = fopen(path, "re");
    line[0] = '\0';
    if (!file)
        return;
    if (!fgets(line, 128, file))
        line[0] = '\0';
    fclose(file);
    for (end = line + strlen(line); end > line && (unsigned char)end[-1] <= ' ';)
        *--end = '\0';
    memmove(line, line + strspn(line, " \t"), strlen(line + strspn(line, " \t")) + 1);
}

/* The first that the kernel knows; a partition's disk is in the folder above. */
static const char *find_name(unsigned major, unsigned minor, bool is_partition, char line[128])
{
    static const char *const names[] = { "dm/uuid",       "wwid",   "device/wwid",
                                         "device/serial", "serial", "loop/backing_file" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s%s", is_partition ? "../" : "", names[i]);
        read_line(major, minor, name, line);
        if (*line)
            return names[i];
    }
    return NULL;
}

static int identify_device(const struct file_store *f, struct weir_identity *ret)
{
    char name[128], partition[128], start[128];
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return -errno;
    unsigned major = major(st.st_rdev), minor = minor(st.st_rdev);
    read_line(major, minor, "partition", partition);
    read_line(major, minor, "start", start);
    const char *kind = find_name(major, minor, *partition, name);
    if (!kind)
        return store_identify(ret, "device %s", f->image);
    if (*partition)
        return store_identify(ret, "device %s %s partition %s at %s", kind, name, partition, start);
    return store_identify(ret, "device %s %s", kind, name);
}

int file_identity(void *self, struct weir_identity *ret)
{
    const struct file_store *f = self;

    return f->is_device ? identify_device(f, ret) : identify_file(f, ret);
}
