/* header-format.c - how does an empty medium become a LUKS2 disk, in whole or not at all?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A header is larger than what a crash writes whole, so what makes it one, the first sector
 * with its magic and checksum, comes last.  What is written before it would look like somebody's
 * data: a mark in the first sector says that there was nothing before, so that a format that was
 * cut short can begin again. */
#include "header-image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char mark[] = "weir: a format to LUKS2 began here and did not end\n";

enum { METADATA = 0x4000, FIRST_SLOT = 2 * METADATA };
static const uint64_t most_material = 0x40000;             /* of slot 0 */
static const uint64_t payload_offset = UINT64_C(16) << 20; /* as cryptsetup puts it */

bool header_format_began(const uint8_t block[HEADER_BLOCK])
{
    return !memcmp(block, mark, sizeof mark) &&
           header_all_zero(block + sizeof mark, HEADER_BLOCK - sizeof mark);
}

/* Any sectors of the two JSON areas and of slot 0 may have arrived, nothing else. */
bool header_format_rest(const uint8_t *head, uint64_t length)
{
    const uint64_t end = FIRST_SLOT + most_material;

    if (length < end)
        return false;
    for (uint64_t i = HEADER_BLOCK; i < FIRST_SLOT; i++) {
        bool json = i % METADATA >= HEADER_BLOCK;
        if (head[i] && (!json || head[i] < ' ' || head[i] > '~'))
            return false;
    }
    return header_all_zero(head + end, length - end);
}

/* ---- is it empty? ------------------------------------------------------------------ */

static int check_empty(const struct header_medium *medium, uint64_t from, uint64_t to,
                       char why[HEADER_WHY])
{
    const uint64_t most = UINT64_C(1) << 20;
    uint8_t *data = malloc(most);
    int r = data ? 0 : -ENOMEM;

    for (uint64_t length; !r && from < to; from += length) {
        length = to - from < most ? to - from : most;
        r = medium->read(medium->arg, data, length, from);
        if (!r && !header_all_zero(data, length)) {
            r = -EMEDIUMTYPE;
            header_say(why,
                       "the disk holds something near byte %" PRIu64
                       ", where its header would go: it is not formatted; give an empty image",
                       from);
        } else if (r)
            header_say(why, "the disk cannot be read at byte %" PRIu64 ": %s", from, strerror(-r));
    }
    free(data);
    return r;
}

/* header_open() has looked at the first 8 MiB and the last one. */
static int check_medium(const struct header_medium *medium, uint64_t payload, char why[HEADER_WHY])
{
    const uint64_t seen = UINT64_C(8) << 20;
    struct header *header;

    if (medium->read_only) {
        header_say(why, "the disk is read-only: it cannot be formatted");
        return -EROFS;
    }
    int r = header_open(medium, &header, why);
    header_close(header);
    if (!r) {
        header_say(why, "the disk has a LUKS header: it is not formatted");
        return -EEXIST;
    }
    return r == -ENODATA ? check_empty(medium, seen, payload, why) : r;
}

/* ---- in memory, then to the medium --------------------------------------------------- */

static int make(struct header_library *library, const struct header_format *format,
                const struct secret *key, char why[HEADER_WHY])
{
    struct crypt_params_luks2 luks2 = { .sector_size = format->sector };

    int r = header_library_pbkdf(library, format, why);
    if (r)
        return r;
    /* 16 KiB of metadata, 16 MiB with the key slots: what header_format_rest() knows */
    crypt_set_metadata_size(library->device, METADATA, 0);
    header_library_derive();
    r = crypt_format(library->device, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL,
                     format->key_bits / 8, &luks2);
    if (!r)
        r = crypt_keyslot_add_by_volume_key(library->device, 0, NULL, 0,
                                            key->size ? (const char *)key->data : "", key->size);
    header_library_derived();
    return r < 0 ? header_library_why(library, r, why, "the disk cannot be formatted") : 0;
}

static int write_mark(const struct header_medium *medium, char why[HEADER_WHY])
{
    char block[HEADER_BLOCK] = { 0 };

    memcpy(block, mark, sizeof mark);
    int r = medium->write(medium->arg, block, sizeof block, 0);
    if (r)
        header_say(why, "the disk cannot be written: %s", strerror(-r));
    return r ? r : header_medium_flush(medium, why);
}

static int write_all(struct header_library *library, const struct header_image *image,
                     const struct header_medium *medium, char why[HEADER_WHY])
{
    const uint64_t json = METADATA - HEADER_BLOCK;
    struct header_area before[] = { { 0 },
                                    { HEADER_BLOCK, json },
                                    { METADATA + HEADER_BLOCK, json } };
    struct header_area first = { 0, HEADER_BLOCK }, second = { METADATA, HEADER_BLOCK };

    int r = crypt_keyslot_area(library->device, 0, &before[0].offset, &before[0].length);
    if (r || before[0].offset != FIRST_SLOT || before[0].length > most_material) {
        header_say(why, "libcryptsetup puts key slot 0 where it is not expected");
        return -ENOTSUP;
    }
    r = write_mark(medium, why);
    for (size_t i = 0; !r && i < sizeof before / sizeof *before; i++)
        r = header_image_write(image, medium, before[i], why);
    if (!r)
        r = header_medium_flush(medium, why);
    if (!r) /* one sector each is not zero: either makes a header of it */
        r = header_image_write(image, medium, first, why);
    if (!r)
        r = header_image_write(image, medium, second, why);
    return r ? r : header_medium_flush(medium, why);
}

int header_format_fits(const struct header_medium *medium, const struct header_format *format,
                       char why[HEADER_WHY])
{
    if (medium->size < payload_offset + format->sector) {
        header_say(why,
                   "the disk of %" PRIu64 " bytes is too small: the header takes %" PRIu64
                   " and data at least %" PRIu32,
                   medium->size, payload_offset, format->sector);
        return -EFBIG;
    }
    if (medium->size % format->sector) {
        header_say(why,
                   "the disk of %" PRIu64 " bytes does not end with a whole sector: make it a "
                   "multiple of %" PRIu32 " bytes%s",
                   medium->size, format->sector,
                   format->sector > HEADER_SECTOR ? ", or set sector_size to 512" : "");
        return -EINVAL;
    }
    return 0;
}

int header_format(const struct header_medium *medium, const struct header_format *format,
                  const struct secret *key, struct header **result, char why[HEADER_WHY])
{
    struct header_library library = { 0 };
    struct header_image image;

    *result = NULL;
    *why = '\0';
    int r = header_format_fits(medium, format, why);
    if (!r)
        r = check_medium(medium, payload_offset, why);
    if (!r)
        r = header_image_create(&image, medium->size, why);
    if (r)
        return r;
    r = header_library_start(&library, &image, why);
    if (!r)
        r = make(&library, format, key, why);
    if (!r)
        r = write_all(&library, &image, medium, why);
    header_library_close(&library);
    header_image_close(&image);
    return r ? r : header_open(medium, result, why);
}
