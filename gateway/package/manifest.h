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
    MANIFEST_RELATIONS = 8,       /* filters that it requires, and as many that it conflicts with */
    PACKAGE_FILE_MOST = 64 << 20, /* bytes of one file … */
    PACKAGE_MOST = 128 << 20,     /* … and of all together, and of a package */
    DIGEST_SIZE = 32,             /* SHA-256 */
    DIGEST_TEXT = 2 * DIGEST_SIZE + 1,
};

/* Another filter that matters to it: one that must be installed, of this version or a newer one
 * (NULL: any), or one that may not be in a chain with it. */
struct manifest_relation {
    char *filter, *version;
    unsigned line; /* of the manifest */
};
struct manifest_relations {
    size_t count;
    struct manifest_relation list[MANIFEST_RELATIONS];
};

struct manifest {
    char *name, *vendor, *class, *version, *summary;
    unsigned abi;
    struct manifest_relations requires, conflicts;
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

/* As people number versions: 1.10 is newer than 1.9, 2~rc1 older than 2.  <0, 0 or >0. */
int version_compare(const char *, const char *);
const struct manifest_relation *manifest_relation(const struct manifest_relations *,
                                                  const char *filter); /* NULL: none */

/* Letters, digits and . _ - + ~, beginning with a letter or digit, at most `most` bytes. */
bool is_plain_word(const char *, size_t most);

void package_digest(const void *data, size_t size, uint8_t ret[DIGEST_SIZE]);
void digest_print(const uint8_t digest[DIGEST_SIZE], char text[DIGEST_TEXT]);

#endif
