/* header-image.h - how do the parts of header.h hold a header together?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENCRYPTION_HEADER_IMAGE_H
#define ENCRYPTION_HEADER_IMAGE_H

#include "header.h"

#include <libcryptsetup.h>
#include <string.h>

enum {
    HEADER_BLOCK = 4096, /* what is read and written is in multiples of it, but at the end */
    HEADER_SECTOR = 512, /* what a crash writes whole or not at all */
    HEADER_SAID = 256,
};

struct header_area {
    uint64_t offset, length; /* bytes: of a slot's key material */
};

/* A header in memory: a memfd as long as the medium, sparse but for what belongs to the header. */
struct header_image {
    int fd;
    uint64_t size;     /* bytes: of the medium */
    uint64_t metadata; /* bytes: of each of LUKS2's two headers; 0: LUKS1 */
    struct header_about about;
    size_t count; /* of slots in use */
    struct header_slot slots[HEADER_SLOTS];
    struct header_area areas[HEADER_SLOTS]; /* of slots[], in the same order */
    char *json;                             /* LUKS2's; NULL: LUKS1 */
};

struct header {
    struct header_medium medium;
    struct header_image image;
};

void header_say(char why[HEADER_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline bool header_all_zero(const uint8_t *data, uint64_t length)
{
    return !length || (!*data && !memcmp(data, data + 1, length - 1));
}

/* ---- header-library.c: libcryptsetup on an image -------------------------------- */

struct header_library {
    struct crypt_device *device;
    char said[HEADER_SAID]; /* its last error, without a full stop; "" */
};

/* An image with nothing in it.  close: `fd` may be -1. */
int header_image_create(struct header_image *, uint64_t size, char why[HEADER_WHY]);
void header_image_close(struct header_image *);

/* Into the image or out of it; 0 or -errno. */
int header_image_put(const struct header_image *, const void *data, uint64_t length,
                     uint64_t offset);
int header_image_get(const struct header_image *, void *data, uint64_t length, uint64_t offset);

/* start: a context without a header, to format.  load: with the one in the image.  Both are closed
 * soon by the caller, whatever they return. */
int header_library_start(struct header_library *, const struct header_image *,
                         char why[HEADER_WHY]);
int header_library_load(struct header_library *, const struct header_image *, char why[HEADER_WHY]);
void header_library_close(struct header_library *);
/* `what` failed with r: the sentence.  Returns the -errno that header.h names. */
int header_library_why(const struct header_library *, int r, char why[HEADER_WHY],
                       const char *what);
/* Around whatever derives a key from a passphrase: secret_begin() and secret_end(), by one thread
 * at a time. */
void header_library_derive(void);
void header_library_derived(void);
int header_library_pbkdf(struct header_library *, const struct header_format *,
                         char why[HEADER_WHY]);

/* ---- header-check.c: do we do what it says? ------------------------------------- */

/* Fills about, metadata, json and slots of an image from a loaded context, or refuses. */
int header_check(struct header_library *, struct header_image *, char why[HEADER_WHY]);
/* Can a slot be opened by us in bearable time?  0 or -ENOTSUP. */
int header_check_slot(struct header_library *, int slot, char why[HEADER_WHY]);

/* ---- header-medium.c: from the medium and back ---------------------------------- */

/* The errors of header_open().  A damaged copy is repaired on the medium. */
int header_image_read(struct header_image *, const struct header_medium *, char why[HEADER_WHY]);
/* Part of the image to the medium; then, all that has been written becomes durable. */
int header_image_write(const struct header_image *, const struct header_medium *,
                       struct header_area, char why[HEADER_WHY]);
int header_medium_flush(const struct header_medium *, char why[HEADER_WHY]);
/* The headers of the image to the medium, one after the other, each durable before the next. */
int header_image_commit(const struct header_image *, const struct header_medium *,
                        char why[HEADER_WHY]);

/* ---- header-slots.c: a change of what is on the medium ---------------------------- */

/* The header as it is on the medium now, and a context to change it. */
int header_change_begin(const struct header *, struct header_image *, struct header_library *,
                        char why[HEADER_WHY]);
/* What has been written (r is 0) is what is remembered; or nothing of it.  Takes the image. */
int header_change_end(struct header *, struct header_image *, int r, char why[HEADER_WHY]);
/* Where the key material of a slot lies; it is checked to be inside of the header. */
int header_slot_area(struct header_library *, const struct header_image *, int slot,
                     struct header_area *, char why[HEADER_WHY]);
/* A slot that is new: material, flush, headers. */
int header_write_added(struct header_library *, const struct header_image *,
                       const struct header_medium *, int slot, char why[HEADER_WHY]);

/* ---- header.c -------------------------------------------------------------------- */

/* Room for the volume key of the header, in memory that no swap shows. */
int header_volume_alloc(const struct header_image *, struct secret *volume, char why[HEADER_WHY]);
/* `key` at one slot; `volume` has room for it.  -EACCES: it does not open with that. */
int header_try_slot(struct header_library *, const struct header_image *, int slot,
                    const struct secret *key, struct secret *volume, char why[HEADER_WHY]);

/* ---- header-rekey.c --------------------------------------------------------------- */

struct json_object;
/* Does the JSON tell of a deep rekey of ours that is under way? */
bool header_rekey_ours(struct json_object *header);

/* ---- header-format.c: what a format leaves when it is cut short ------------------ */

/* Is this the first block of a format that began and did not end?  Then the medium held nothing
 * before, and header_format() may start again. */
bool header_format_began(const uint8_t block[HEADER_BLOCK]);
/* Is the beginning of the medium, but for that mark, as a cut format leaves it? */
bool header_format_rest(const uint8_t *head, uint64_t length);

#endif
