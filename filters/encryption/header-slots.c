/* header-slots.c - how do keys come and go so that a crash locks nobody out?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each change begins with what is on the medium now, is made in memory, and is then written in the
 * order that header.h gives. */
#include "header-image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int header_change_begin(const struct header *header, struct header_image *image,
                        struct header_library *library, char why[HEADER_WHY])
{
    const struct header_about *old = &header->image.about, *now = &image->about;

    library->device = NULL;
    if (header->medium.read_only) {
        image->fd = -1;
        image->json = NULL;
        header_say(why, "the disk is read-only: its key slots cannot change");
        return -EROFS;
    }
    int r = header_image_read(image, &header->medium, why);
    if (r == -ENODATA)
        header_say(why, "the header is gone from the disk");
    if (r)
        return r;
    if (strcmp(old->uuid, now->uuid) || old->offset != now->offset || old->sector != now->sector ||
        old->key_bits != now->key_bits) {
        header_say(why,
                   "the header on the disk is no longer the one that was opened (UUID %s, "
                   "then %s): open the disk again",
                   old->uuid, now->uuid);
        return -ESTALE;
    }
    return header_library_load(library, image, why);
}

/* What has been written is what is remembered; or nothing of it.  Takes the image. */
int header_change_end(struct header *header, struct header_image *image, int r,
                      char why[HEADER_WHY])
{
    struct header_library library;

    if (!r) {
        r = header_library_load(&library, image, why);
        free(image->json);
        image->json = NULL;
        if (!r)
            r = header_check(&library, image, why);
        header_library_close(&library);
    }
    if (r) {
        header_image_close(image);
        return r;
    }
    image->about.repaired |= header->image.about.repaired;
    header_image_close(&header->image);
    header->image = *image;
    *why = '\0';
    return 0;
}

int header_slot_area(struct header_library *library, const struct header_image *image, int slot,
                     struct header_area *area, char why[HEADER_WHY])
{
    int r = crypt_keyslot_area(library->device, slot, &area->offset, &area->length);

    if (r)
        return header_library_why(library, r, why, "the place of a key slot is not known");
    if (area->offset < HEADER_BLOCK || area->offset > image->about.offset ||
        area->length > image->about.offset - area->offset) {
        header_say(why, "key slot %d lies outside of the header", slot);
        return -EBADMSG;
    }
    return 0;
}

/* ---- adding ------------------------------------------------------------------------ */

int header_write_added(struct header_library *library, const struct header_image *image,
                       const struct header_medium *medium, int slot, char why[HEADER_WHY])
{
    struct header_area area;

    int r = header_slot_area(library, image, slot, &area, why);
    if (!r)
        r = header_image_write(image, medium, area, why);
    if (!r)
        r = header_medium_flush(medium, why);
    return r ? r : header_image_commit(image, medium, why);
}

int header_add_key(struct header *header, const struct secret *old, const struct secret *key,
                   const struct header_format *pbkdf, int *slot, char why[HEADER_WHY])
{
    struct header_library library;
    struct header_image image;

    int r = header_change_begin(header, &image, &library, why);
    if (!r)
        r = header_library_pbkdf(&library, pbkdf, why);
    if (!r) {
        header_library_derive();
        r = crypt_keyslot_add_by_passphrase(library.device, CRYPT_ANY_SLOT,
                                            old->size ? (const char *)old->data : "", old->size,
                                            key->size ? (const char *)key->data : "", key->size);
        header_library_derived();
        if (r < 0)
            r = header_library_why(&library, r, why,
                                   r == -EPERM ? "the present key opens no key slot"
                                               : "a key slot cannot be added");
        else {
            *slot = r;
            r = header_write_added(&library, &image, &header->medium, *slot, why);
        }
    }
    header_library_close(&library);
    return header_change_end(header, &image, r, why);
}

/* ---- removing ---------------------------------------------------------------------- */

static int may_remove(struct header_library *library, int slot, char why[HEADER_WHY])
{
    switch (crypt_keyslot_status(library->device, slot)) {
    case CRYPT_SLOT_ACTIVE:
    case CRYPT_SLOT_UNBOUND:
        return 0;
    case CRYPT_SLOT_ACTIVE_LAST:
        header_say(why,
                   "key slot %d is the last one: without it nothing opens the disk; add "
                   "another key first",
                   slot);
        return -EBUSY;
    case CRYPT_SLOT_INACTIVE:
        header_say(why, "key slot %d is not in use", slot);
        return -ENOENT;
    case CRYPT_SLOT_INVALID:
        break;
    }
    header_say(why, "there is no key slot %d: 0 to %d", slot,
               crypt_keyslot_max(crypt_get_type(library->device)) - 1);
    return -ENOENT;
}

int header_remove_slot(struct header *header, int slot, char why[HEADER_WHY])
{
    struct header_library library;
    struct header_image image;
    struct header_area area;

    int r = header_change_begin(header, &image, &library, why);
    if (!r)
        r = may_remove(&library, slot, why);
    if (!r)
        r = header_slot_area(&library, &image, slot, &area, why);
    if (!r) {
        r = crypt_keyslot_destroy(library.device, slot);
        if (r < 0)
            r = header_library_why(&library, r, why, "the key slot cannot be removed");
    }
    if (!r) /* the library has wiped it in the image */
        r = header_image_write(&image, &header->medium, area, why);
    if (!r)
        r = header_medium_flush(&header->medium, why);
    if (!r) /* while a header names the slot, a removal that was cut short can be made again */
        r = header_image_commit(&image, &header->medium, why);
    header_library_close(&library);
    return header_change_end(header, &image, r, why);
}
