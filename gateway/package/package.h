/* package.h - what is in a filter's package, and who says so?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * NAME-VERSION.tar.zst: the manifest first, its signature if it has one, then the files that the
 * manifest names.  What is read may be anybody's: sizes are bounded, a member is a regular file
 * with a plain name that the manifest has, once, of the size and the digest that it says. */
#ifndef WEIR_PACKAGE_H
#define WEIR_PACKAGE_H

#include "manifest.h"

enum { SIGNATURE_MOST = 1024, SIGNATURE_SIZE = 64 };

struct package {
    struct manifest manifest;
    char *text; /* of the manifest, as it was signed */
    size_t text_size;
    char *signature; /* as it came; NULL: none */
    size_t signature_size;
    void *data[MANIFEST_FILES]; /* of the manifest's files, in its order */
};
#define cleanup_package __attribute__((cleanup(package_finish)))

/* archive.c: not in the gateway, which reads manifests alone. */
int package_read(const void *bytes, size_t size, struct package *ret, struct weir_text *why);
int package_load(const char *file, struct package *ret, struct weir_text *why);
/* Writes it beside `path` and renames it there. */
int package_save(const struct package *, const char *path, struct weir_text *why);
void package_finish(struct package *);
const void *package_object(const struct package *, size_t *size); /* the filter itself */

/* A regular file of at most `most` bytes; the caller frees. */
int read_whole(const char *path, size_t most, void **data, size_t *size);

/* ---- signature.c --------------------------------------------------------------- */

/* Is it by one of the public keys DIR/NAME.pem?  `signature` is 64 bytes, or base64 of them; NULL:
 * there is none.  *signer: NAME; the caller frees; may be NULL.  -EKEYREJECTED with the sentence.
 */
int signature_check(const char *folder, const void *text, size_t size, const char *signature,
                    size_t signature_size, char **signer, struct weir_text *why);
/* Another number when a key came or went. */
uint64_t signature_stamp(const char *folder);

#endif
