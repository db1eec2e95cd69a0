/* archive.c - what is in a filter's package?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "package.h"

#include "../scope.h"
#include "../text.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct weir_text *why, const char *what, const char *member)
{
    weir_print(why, "%s: %.*s", what, 128, member);
    return -EINVAL;
}

/* ---- reading ----------------------------------------------------------------- */

static int judge_entry(struct archive_entry *entry, const char *name, struct weir_text *why)
{
    if (!name)
        return refuse(why, "the package has a member whose name cannot be read", "is it damaged?");
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) ||
        archive_entry_filetype(entry) != AE_IFREG || archive_entry_sparse_count(entry) > 0)
        return refuse(why, "the package has a member that is no regular file", name);
    if (!is_plain_word(name, 128))
        return refuse(why, "the package has a member in a folder, or with a name that is not plain",
                      name);
    return 0;
}

static int judge_size(struct archive_entry *entry, uint64_t least, uint64_t most, const char *name,
                      struct weir_text *why)
{
    const int64_t size = archive_entry_size(entry);

    if (archive_entry_size_is_set(entry) && size >= (int64_t)least && size <= (int64_t)most)
        return 0;
    weir_print(why, "%s has %" PRId64 " bytes in the package, and may have %" PRIu64 " to %" PRIu64,
               name, size, least, most);
    return -EINVAL;
}

/* All of the member, and a NUL behind it. */
static int read_member(struct archive *a, struct archive_entry *entry, const char *name, void **ret,
                       struct weir_text *why)
{
    const size_t size = (size_t)archive_entry_size(entry);
    cleanup_free char *data = calloc(1, size + 1);

    if (!data)
        return -ENOMEM;
    for (size_t done = 0; done < size;) {
        la_ssize_t n = archive_read_data(a, data + done, size - done);
        if (n <= 0) {
            weir_print(why, "%s ends in the package at byte %zu of %zu: is it damaged?", name, done,
                       size);
            return -EINVAL;
        }
        done += (size_t)n;
    }
    *ret = steal(data);
    return 0;
}

static int take_manifest(struct archive *a, struct archive_entry *entry, const char *name,
                         struct package *p, struct weir_text *why)
{
    void *text = NULL;

    if (strcmp(name, MANIFEST_NAME))
        return refuse(why, "the first member of a package is its manifest; this one begins with",
                      name);
    int r = judge_size(entry, 1, MANIFEST_MOST, name, why);
    if (!r)
        r = read_member(a, entry, name, &text, why);
    if (r)
        return r;
    p->text = text;
    p->text_size = (size_t)archive_entry_size(entry);
    return manifest_parse(p->text, p->text_size, &p->manifest, why);
}

static int take_signature(struct archive *a, struct archive_entry *entry, struct package *p,
                          struct weir_text *why)
{
    void *data = NULL;

    if (p->signature)
        return refuse(why, "the package has a member twice", SIGNATURE_NAME);
    int r = judge_size(entry, 1, SIGNATURE_MOST, SIGNATURE_NAME, why);
    if (!r)
        r = read_member(a, entry, SIGNATURE_NAME, &data, why);
    p->signature = data;
    p->signature_size = r ? 0 : (size_t)archive_entry_size(entry);
    return r;
}

static int take_file(struct archive *a, struct archive_entry *entry, const char *name,
                     struct package *p, struct weir_text *why)
{
    uint8_t digest[DIGEST_SIZE];
    size_t i = 0;

    while (i < p->manifest.count && strcmp(p->manifest.file[i].path, name))
        i++;
    const struct manifest_file *f = &p->manifest.file[i];
    if (i == p->manifest.count)
        return refuse(why, "the package has a member that its manifest does not name", name);
    if (p->data[i])
        return refuse(why, "the package has a member twice", name);
    int r = judge_size(entry, f->size, f->size, name, why);
    if (!r)
        r = read_member(a, entry, name, &p->data[i], why);
    if (r)
        return r;
    package_digest(p->data[i], f->size, digest);
    if (memcmp(digest, f->digest, DIGEST_SIZE))
        r = refuse(why,
                   "the package was changed, or is damaged: the digest of its manifest is not "
                   "that of",
                   name);
    return r;
}

static int take_member(struct archive *a, struct archive_entry *entry, struct package *p,
                       struct weir_text *why)
{
    const char *name = archive_entry_pathname(entry);
    int r = judge_entry(entry, name, why);

    if (r)
        return r;
    if (!p->text)
        return take_manifest(a, entry, name, p, why);
    if (strcmp(name, SIGNATURE_NAME) == 0)
        return take_signature(a, entry, p, why);
    return take_file(a, entry, name, p, why);
}

static int judge_whole(const struct package *p, struct weir_text *why)
{
    if (!p->text)
        return refuse(why, "there is nothing in the package", "no manifest");
    for (size_t i = 0; i < p->manifest.count; i++)
        if (!p->data[i])
            return refuse(why, "the package lacks a file that its manifest names",
                          p->manifest.file[i].path);
    return 0;
}

static int read_members(struct archive *a, struct package *p, struct weir_text *why)
{
    struct archive_entry *entry;

    for (;;) {
        int n = archive_read_next_header(a, &entry);
        if (n == ARCHIVE_EOF)
            return judge_whole(p, why);
        if (n != ARCHIVE_OK)
            return refuse(why, "this is no package, or a damaged one",
                          archive_error_string(a) ? archive_error_string(a) : "no archive");
        int r = take_member(a, entry, p, why);
        if (r)
            return r;
    }
}

int package_read(const void *bytes, size_t size, struct package *ret, struct weir_text *why)
{
    struct archive *a = archive_read_new();
    struct package p = { 0 };
    int r = 0;

    if (!a)
        return -ENOMEM;
    /* no other format or filter: the fewer parsers, the better */
    if (archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
        archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_open_memory(a, bytes, size) != ARCHIVE_OK)
        r = refuse(why, "this is no package",
                   archive_error_string(a) ? archive_error_string(a) : "no archive");
    if (!r)
        r = read_members(a, &p, why);
    archive_read_free(a);
    if (r)
        package_finish(&p);
    else
        *ret = p;
    return r;
}

int package_load(const char *file, struct package *ret, struct weir_text *why)
{
    cleanup_text struct weir_text reason = { 0 };
    cleanup_free void *bytes = NULL;
    size_t size;

    int r = read_whole(file, PACKAGE_MOST, &bytes, &size);
    if (r)
        weir_print(&reason, "cannot be read: %s", strerror(-r));
    else
        r = package_read(bytes, size, ret, &reason);
    if (r)
        weir_print(why, "%s: %s", file, reason.length ? text_string(&reason) : strerror(-r));
    return r;
}

/* ---- writing ----------------------------------------------------------------- */

static int write_member(struct archive *a, const char *name, const void *data, size_t size)
{
    struct archive_entry *entry = archive_entry_new();

    if (!entry)
        return -ENOMEM;
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_mtime(entry, 0, 0); /* the same files make the same package */
    int n = archive_write_header(a, entry);
    archive_entry_free(entry);
    if (n != ARCHIVE_OK || archive_write_data(a, data, size) != (la_ssize_t)size)
        return -EIO;
    return 0;
}

static int write_members(struct archive *a, const struct package *p)
{
    int r = write_member(a, MANIFEST_NAME, p->text, p->text_size);

    if (!r && p->signature)
        r = write_member(a, SIGNATURE_NAME, p->signature, p->signature_size);
    for (size_t i = 0; !r && i < p->manifest.count; i++)
        r = write_member(a, p->manifest.file[i].path, p->data[i], p->manifest.file[i].size);
    return r;
}

int package_save(const struct package *p, const char *path, struct weir_text *why)
{
    cleanup_free char *new = NULL;
    struct archive *a = archive_write_new();
    int r = 0;

    if (!a || asprintf(&new, "%s.%d.new", path, getpid()) < 0) {
        new = NULL;
        archive_write_free(a);
        return -ENOMEM;
    }
    if (archive_write_add_filter_zstd(a) != ARCHIVE_OK ||
        archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_open_filename(a, new) != ARCHIVE_OK)
        r = -EIO;
    if (!r)
        r = write_members(a, p);
    if (!r && archive_write_close(a) != ARCHIVE_OK)
        r = -EIO;
    if (r)
        weir_print(why, "%s cannot be written: %s", path,
                   archive_error_string(a) ? archive_error_string(a) : strerror(-r));
    archive_write_free(a);
    if (!r && rename(new, path)) {
        r = -errno;
        weir_print(why, "%s cannot be written: %s", path, strerror(-r));
    }
    if (r)
        unlink(new);
    return r;
}
