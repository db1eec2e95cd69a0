/* installed.c - which packages are in a folder of filters, and how does one come to be another?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "installed.h"

#include "../gateway.h"
#include "../scope.h"
#include "../text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PACKAGES "packages"
#define STAGED   ".new" /* a folder that is being filled */

int package_id(const struct package *p, char id[PACKAGE_ID])
{
    cleanup_text struct weir_text all = { 0 };
    uint8_t digest[DIGEST_SIZE];
    char text[DIGEST_TEXT];

    text_append(&all, p->text, p->text_size);
    if (p->signature)
        text_append(&all, p->signature, p->signature_size);
    if (all.cut)
        return -ENOMEM;
    package_digest(all.text, all.length, digest);
    digest_print(digest, text);
    snprintf(id, PACKAGE_ID, "%s-%.16s", p->manifest.version, text);
    return 0;
}

bool package_id_is_plain(const char *id)
{
    return is_plain_word(id, PACKAGE_ID - 1);
}

char *installed_path(const char *folder, const char *name, const char *id, const char *file)
{
    char *path;

    return asprintf(&path, "%s/" PACKAGES "/%s/%s%s%s", folder, name, id, *file ? "/" : "", file) <
                   0
               ? NULL
               : path;
}

/* ---- what is there ----------------------------------------------------------- */

void installed_finish(struct installed *i)
{
    free(i->id);
    manifest_finish(&i->manifest);
    *i = (struct installed){ 0 };
}

/* The ID in "packages/NAME/ID/weir-filter-NAME.so"; NULL: it leads elsewhere, or no memory. */
static char *id_of_link(const char *target, const char *name)
{
    cleanup_free char *before = NULL, *behind = NULL;
    char object[OBJECT_NAME];

    object_name(name, object);
    if (asprintf(&before, PACKAGES "/%s/", name) < 0 || asprintf(&behind, "/%s", object) < 0)
        return NULL;
    const size_t first = strlen(before), last = strlen(behind), length = strlen(target);
    if (length <= first + last || strncmp(target, before, first) ||
        strcmp(target + length - last, behind))
        return NULL;
    char *id = strndup(target + first, length - first - last);
    if (id && !package_id_is_plain(id))
        free(steal(id));
    return id;
}

static int read_manifest(const char *folder, const char *name, struct installed *i,
                         struct weir_text *why)
{
    cleanup_free char *path = installed_path(folder, name, i->id, MANIFEST_NAME);
    cleanup_text struct weir_text reason = { 0 };
    cleanup_free void *text = NULL;
    size_t size;

    int r = path ? read_whole(path, MANIFEST_MOST, &text, &size) : -ENOMEM;
    if (r)
        weir_print(&reason, "%s", strerror(-r));
    else
        r = manifest_parse(text, size, &i->manifest, &reason);
    if (r)
        weir_print(why, "%s: %s", path ? path : folder, text_string(&reason));
    return r ? -EINVAL : 0;
}

int manifest_of(const char *real, struct manifest *ret)
{
    cleanup_free char *path = NULL;
    cleanup_free void *text = NULL;
    size_t size;

    if (asprintf(&path, "%.*s/" MANIFEST_NAME, (int)(strrchr(real, '/') - real), real) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int r = read_whole(path, MANIFEST_MOST, &text, &size);
    return r ? r : manifest_parse(text, size, ret, NULL);
}

int installed_find(const char *folder, const char *name, struct installed *ret,
                   struct weir_text *why)
{
    cleanup_installed struct installed i = { 0 };
    cleanup_free char *link = NULL;
    char object[OBJECT_NAME], target[1024];
    struct stat st;

    object_name(name, object);
    if (asprintf(&link, "%s/%s", folder, object) < 0) {
        link = NULL;
        return -ENOMEM;
    }
    if (lstat(link, &st))
        return -errno;
    ssize_t n = S_ISLNK(st.st_mode) ? readlink(link, target, sizeof target - 1) : 0;
    target[n > 0 ? n : 0] = '\0';
    i.id = n > 0 ? id_of_link(target, name) : NULL;
    int r = i.id ? read_manifest(folder, name, &i, why) : 0;
    if (r)
        return r;
    *ret = i;
    i = (struct installed){ 0 };
    return 0;
}

static int verify_file(const char *folder, const struct installed *i, const struct manifest_file *f,
                       struct weir_text *why)
{
    cleanup_free char *path = installed_path(folder, i->manifest.name, i->id, f->path);
    cleanup_free void *data = NULL;
    uint8_t digest[DIGEST_SIZE];
    size_t size = 0;

    int r = path ? read_whole(path, PACKAGE_FILE_MOST, &data, &size) : -ENOMEM;
    if (r) {
        weir_print(why, "%s: %s", path ? path : f->path, strerror(-r));
        return r;
    }
    package_digest(data, size, digest);
    if (size == f->size && memcmp(digest, f->digest, DIGEST_SIZE) == 0)
        return 0;
    weir_print(why, "%s does not match its manifest: it was changed since it was installed", path);
    return -EKEYREJECTED;
}

int installed_verify(const char *folder, const struct installed *i, struct weir_text *why)
{
    int r = 0;

    for (size_t n = 0; !r && n < i->manifest.count; n++)
        r = verify_file(folder, i, &i->manifest.file[n], why);
    return r;
}

/* ---- changing it ------------------------------------------------------------- */

static int cannot(struct weir_text *why, const char *path, int error)
{
    weir_print(why, "%s: %s", path, strerror(-error));
    return error;
}

int installed_lock(const char *folder, int *ret, struct weir_text *why)
{
    cleanup_free char *path = NULL;

    if (asprintf(&path, "%s/" PACKAGES, folder) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int r = make_folders(path, 0755);
    if (r && r != -EEXIST)
        return cannot(why, path, r);
    cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cannot(why, path, -errno);
    if (access(path, W_OK))
        return cannot(why, path, -errno);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        weir_print(why, "somebody else installs or removes a filter in %s just now: try again",
                   folder);
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    }
    *ret = steal_fd(fd);
    return 0;
}

/* A folder of files; nothing in it is another folder. */
static int remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    int r = 0;

    if (!folder)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *d; (d = readdir(folder));)
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..") &&
            unlinkat(dirfd(folder), d->d_name, 0))
            r = -errno;
    closedir(folder);
    return r ? r : rmdir(path) ? -errno : 0;
}

static int judge_space(const char *path, const struct package *p, struct weir_text *why)
{
    struct statvfs fs;
    uint64_t needed = 0;

    if (statvfs(path, &fs))
        return cannot(why, path, -errno);
    for (size_t i = 0; i < p->manifest.count; i++)
        needed += p->manifest.file[i].size + fs.f_frsize;
    if (needed <= (uint64_t)fs.f_bavail * fs.f_frsize)
        return 0;
    weir_print(why, "%s has no room for the package: it needs %llu bytes and %llu are free", path,
               (unsigned long long)needed,
               (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize));
    return -ENOSPC;
}

static int fill(const char *path, const struct package *p)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;

    if (!r)
        r = save_file_at(fd, MANIFEST_NAME, p->text, p->text_size, 0644);
    if (!r && p->signature)
        r = save_file_at(fd, SIGNATURE_NAME, p->signature, p->signature_size, 0644);
    for (size_t i = 0; !r && i < p->manifest.count; i++)
        r = save_file_at(fd, p->manifest.file[i].path, p->data[i], p->manifest.file[i].size, 0644);
    /* whatever the umask says: gateways of other users read it */
    if (!r && fchmod(fd, 0755))
        r = -errno;
    return r;
}

static int sync_folder(const char *path)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) ? -errno : 0;
}

int installed_stage(const char *folder, const struct package *p, const char *id, bool *fresh,
                    struct weir_text *why)
{
    const char *name = p->manifest.name;
    cleanup_free char *all = installed_path(folder, name, "", "");
    cleanup_free char *new = installed_path(folder, name, STAGED, "");
    cleanup_free char *path = installed_path(folder, name, id, "");

    *fresh = false;
    if (!all || !new || !path)
        return -ENOMEM;
    all[strlen(all) - 1] = '\0'; /* its slash */
    if (access(path, F_OK) == 0)
        return 0; /* complete, or it had no name */
    int r = make_folders(all, 0755);
    if (r == -EEXIST)
        r = 0;
    if (!r)
        r = judge_space(all, p, why);
    if (!r)
        r = remove_folder(new);
    if (!r && mkdir(new, 0755))
        r = -errno;
    if (!r)
        r = fill(new, p);
    if (!r && rename(new, path))
        r = -errno;
    if (!r)
        r = sync_folder(all);
    *fresh = !r;
    if (r) {
        remove_folder(new);
        if (r != -ENOSPC || !why || !why->length)
            cannot(why, path, r);
    }
    return r;
}

int installed_point(const char *folder, const char *name, const char *id, struct weir_text *why)
{
    cleanup_free char *target = NULL, *link = NULL, *new = NULL;
    char object[OBJECT_NAME];

    object_name(name, object);
    if (asprintf(&target, PACKAGES "/%s/%s/%s", name, id, object) < 0)
        target = NULL;
    if (asprintf(&link, "%s/%s", folder, object) < 0)
        link = NULL;
    if (asprintf(&new, "%s/" PACKAGES "/%s/.link", folder, name) < 0)
        new = NULL;
    if (!target || !link || !new)
        return -ENOMEM;
    unlink(new);
    if (symlink(target, new) || rename(new, link))
        return cannot(why, link, -errno);
    int r = sync_folder(folder);
    return r ? cannot(why, folder, r) : 0;
}

int installed_unpoint(const char *folder, const char *name, struct weir_text *why)
{
    cleanup_free char *link = NULL;
    char object[OBJECT_NAME];

    object_name(name, object);
    if (asprintf(&link, "%s/%s", folder, object) < 0) {
        link = NULL;
        return -ENOMEM;
    }
    int r = unlink(link) ? -errno : sync_folder(folder);
    return r ? cannot(why, link, r) : 0;
}

void installed_discard(const char *folder, const char *name, const char *id)
{
    cleanup_free char *path = installed_path(folder, name, id, "");

    if (path)
        remove_folder(path);
}

/* FOLDER/weir-filter-NAME.so, and where it is kept. */
static int plain_paths(const char *folder, const char *name, char **file, char **kept)
{
    char object[OBJECT_NAME];

    object_name(name, object);
    if (asprintf(file, "%s/%s", folder, object) < 0)
        *file = NULL;
    *kept = installed_path(folder, name, ".plain", "");
    return *file && *kept ? 0 : -ENOMEM;
}

int installed_keep_plain(const char *folder, const char *name, struct weir_text *why)
{
    cleanup_free char *file = NULL, *kept = NULL;
    int r = plain_paths(folder, name, &file, &kept);

    if (r)
        return r;
    unlink(kept);
    return link(file, kept) ? cannot(why, kept, -errno) : 0;
}

int installed_plain_back(const char *folder, const char *name, struct weir_text *why)
{
    cleanup_free char *file = NULL, *kept = NULL;
    int r = plain_paths(folder, name, &file, &kept);

    if (r)
        return r;
    if (rename(kept, file))
        return cannot(why, file, -errno);
    r = sync_folder(folder);
    return r ? cannot(why, folder, r) : 0;
}

void installed_sweep(const char *folder, const char *name, const char *keep, const char *too)
{
    cleanup_free char *all = installed_path(folder, name, "", "");
    DIR *versions = all ? opendir(all) : NULL;

    if (!versions)
        return;
    for (struct dirent *d; (d = readdir(versions));) {
        bool kept = (keep && strcmp(d->d_name, keep) == 0) || (too && strcmp(d->d_name, too) == 0);
        cleanup_free char *path = installed_path(folder, name, d->d_name, "");
        if (path && !kept && strcmp(d->d_name, ".") && strcmp(d->d_name, "..") &&
            remove_folder(path) == -ENOTDIR)
            unlink(path);
    }
    closedir(versions);
    if (!keep && !too)
        rmdir(all);
}
