/* manifest.h - what does a package say that it is?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_PACKAGE_MANIFEST_H
#define WEIR_PACKAGE_MANIFEST_H

#include "../weir-filter.h"

#define MANIFEST_NAME  "manifest"
#define SIGNATURE_NAME "manifest.sig"

enum {
    MANIFEST_MOST = 65536,        /* bytes of its text */
    MANIFEST_FILES = 16,          /* the filter, and its manual pages */
    PACKAGE_FILE_MOST = 64 << 20, /* bytes of one file … */
    PACKAGE_MOST = 128 << 20,     /* … and of all together, and of a package */
    DIGEST_SIZE = 32,             /* SHA-256 */
    DIGEST_TEXT = 2 * DIGEST_SIZE + 1,
};

struct manifest {
    char *name, *vendor, *class, *version, *summary;
    unsigned abi;
    size_t count;
    struct manifest_file {
        char *path; /* a plain name: a package has no folders */
        uint64_t size;
        uint8_t digest[DIGEST_SIZE];
    } file[MANIFEST_FILES];
};

/* Whoever wrote it: 0, or -EINVAL with the sentence; nothing of it is believed before. */
int manifest_parse(const void *text, size_t size, struct manifest *ret, struct weir_text *why);
void manifest_print(const struct manifest *, struct weir_text *);
void manifest_finish(struct manifest *);
#define cleanup_manifest __attribute__((cleanup(manifest_finish)))

/* "weir-filter-NAME.so", of at most 128 bytes and the NUL. */
enum { MANIFEST_NAME_MOST = 64, OBJECT_NAME = 128 };
void object_name(const char *filter, char buffer[OBJECT_NAME]);
/* The entry of the filter itself: each manifest that was accepted has one. */
const struct manifest_file *manifest_object(const struct manifest *);

/* Letters, digits and . _ - + ~, beginning with a letter or digit, at most `most` bytes. */
bool is_plain_word(const char *, size_t most);

void package_digest(const void *data, size_t size, uint8_t ret[DIGEST_SIZE]);
void digest_print(const uint8_t digest[DIGEST_SIZE], char text[DIGEST_TEXT]);

#endif
