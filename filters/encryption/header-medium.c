/* header-medium.c - how does a header get from the medium into memory, and back in an order that
 * survives a crash?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "header-image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

enum { MAGIC = 6, AT_VERSION = 6, AT_SIZE = 8, AT_PAYLOAD = 104 };

static const uint8_t primary_magic[MAGIC] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };
static const uint8_t secondary_magic[MAGIC] = { 'S', 'K', 'U', 'L', 0xba, 0xbe };

/* A LUKS2 header has one of these sizes, so its secondary one begins at one of them. */
static const uint64_t metadata_sizes[] = { 0x4000,  0x8000,   0x10000,  0x20000, 0x40000,
                                           0x80000, 0x100000, 0x200000, 0x400000 };
enum { SIZES = sizeof metadata_sizes / sizeof *metadata_sizes };
static const uint64_t most_metadata = 2 * 0x400000;

static uint64_t big_endian(const uint8_t *byte, int bytes)
{
    uint64_t n = 0;

    while (bytes--)
        n = n << 8 | *byte++;
    return n;
}

/* ---- whole blocks ---------------------------------------------------------------- */

static struct header_area whole_blocks(struct header_area area, uint64_t size)
{
    uint64_t begin = area.offset / HEADER_BLOCK * HEADER_BLOCK;
    uint64_t end = (area.offset + area.length + HEADER_BLOCK - 1) / HEADER_BLOCK * HEADER_BLOCK;

    if (begin > size)
        begin = size;
    if (end > size)
        end = size;
    return (struct header_area){ begin, end - begin };
}

static int read_area(const struct header_image *image, const struct header_medium *medium,
                     struct header_area area, char why[HEADER_WHY])
{
    area = whole_blocks(area, medium->size);
    uint64_t piece = area.length < MIB ? area.length : MIB, end = area.offset + area.length;
    void *data = malloc(piece ? piece : 1);
    int r = data ? 0 : -ENOMEM;

    for (uint64_t at = area.offset; !r && at < end; at += piece) {
        piece = end - at < MIB ? end - at : MIB;
        r = medium->read(medium->arg, data, piece, at);
        if (!r)
            r = header_image_put(image, data, piece, at);
    }
    free(data);
    if (r)
        header_say(why, "the header cannot be read (bytes %" PRIu64 " to %" PRIu64 "): %s",
                   area.offset, end, strerror(-r));
    return r;
}

/* The last block of a LUKS1 header may end behind the first bytes of the payload, which change
 * while this is under way. */
static uint64_t header_end(const struct header_image *image, const struct header_medium *medium)
{
    uint64_t payload = image->about.offset;

    return payload && payload < medium->size ? payload : medium->size;
}

int header_image_write(const struct header_image *image, const struct header_medium *medium,
                       struct header_area area, char why[HEADER_WHY])
{
    area = whole_blocks(area, header_end(image, medium));
    uint64_t end = area.offset + area.length;
    void *data = malloc(area.length ? area.length : 1);
    int r = data ? 0 : -ENOMEM;

    if (!r)
        r = header_image_get(image, data, area.length, area.offset);
    if (!r)
        r = medium->write(medium->arg, data, area.length, area.offset);
    free(data);
    if (r)
        header_say(why, "the header cannot be written (bytes %" PRIu64 " to %" PRIu64 "): %s",
                   area.offset, end, strerror(-r));
    return r;
}

int header_medium_flush(const struct header_medium *medium, char why[HEADER_WHY])
{
    int r = medium->flush(medium->arg);

    if (r)
        header_say(why, "the header cannot be made durable: %s", strerror(-r));
    return r;
}

/* A crash may leave any part of what is not flushed: at no moment are both under way. */
int header_image_commit(const struct header_image *image, const struct header_medium *medium,
                        char why[HEADER_WHY])
{
    uint64_t length = image->metadata ? image->metadata : HEADER_BLOCK;

    int r = header_image_write(image, medium, (struct header_area){ 0, length }, why);
    if (!r)
        r = header_medium_flush(medium, why);
    if (r || !image->metadata)
        return r;
    r = header_image_write(image, medium, (struct header_area){ length, length }, why);
    return r ? r : header_medium_flush(medium, why);
}

/* ---- repair ----------------------------------------------------------------------- */

static int repair_copy(const struct header_image *image, const struct header_medium *medium,
                       const uint8_t *before, const uint8_t *after, uint64_t offset,
                       char why[HEADER_WHY], bool *differs)
{
    *differs = memcmp(before + offset, after + offset, image->metadata) != 0;
    if (!*differs || medium->read_only)
        return 0;
    int r = header_image_write(image, medium, (struct header_area){ offset, image->metadata }, why);
    return r ? r : header_medium_flush(medium, why);
}

/* The library makes a damaged or older one of both headers anew from the other. */
static int repair(struct header_library *library, struct header_image *image,
                  const struct header_medium *medium, char why[HEADER_WHY])
{
    uint64_t length = 2 * image->metadata;
    uint8_t *before = malloc(length), *after = malloc(length);
    bool primary = false, secondary = false;

    header_say(why, "no memory for the LUKS2 header");
    int r = before && after ? header_image_get(image, before, length, 0) : -ENOMEM;
    if (!r) {
        r = crypt_repair(library->device, CRYPT_LUKS2, NULL);
        if (r)
            header_library_why(library, r, why, "the damaged LUKS2 header cannot be repaired");
    }
    if (!r)
        r = header_image_get(image, after, length, 0);
    if (!r)
        r = repair_copy(image, medium, before, after, 0, why, &primary);
    if (!r)
        r = repair_copy(image, medium, before, after, image->metadata, why, &secondary);
    image->about.repaired = primary;
    free(before);
    free(after);
    return r;
}

/* ---- reading ----------------------------------------------------------------------- */

static int read_slots(const struct header_image *image, const struct header_medium *medium,
                      char why[HEADER_WHY])
{
    int r = 0;

    for (size_t i = 0; !r && i < image->count; i++)
        r = read_area(image, medium, image->areas[i], why);
    return r;
}

/* The library takes no header that is cut short.  -EFBIG: it would take it on a larger disk. */
static int take_short(struct header_image *image, char why[HEADER_WHY])
{
    const uint64_t enough = 256 * MIB; /* for any LUKS2 header */
    struct header_library library;
    char said[HEADER_WHY];

    if (image->size >= enough || ftruncate(image->fd, (off_t)enough))
        return -EINVAL;
    int r = header_library_load(&library, image, said);
    if (!r)
        r = header_check(&library, image, said);
    header_library_close(&library);
    if (r != -EFBIG)
        return -EINVAL;
    memcpy(why, said, sizeof said);
    return r;
}

/* What has been read: is there a header?  -EINVAL: none that can be read. */
static int take(struct header_image *image, const struct header_medium *medium,
                char why[HEADER_WHY])
{
    struct header_library library;

    int r = header_library_load(&library, image, why);
    if (!r) {
        r = header_check(&library, image, why);
        if (!r && image->metadata)
            r = repair(&library, image, medium, why);
        if (r == -EINVAL)
            r = -EBADMSG;
    } else if (r == -EINVAL)
        r = take_short(image, why);
    header_library_close(&library);
    return r ? r : read_slots(image, medium, why);
}

static int read_luks1(struct header_image *image, const struct header_medium *medium,
                      const uint8_t block[HEADER_BLOCK], char why[HEADER_WHY])
{
    const uint64_t most = 16 * MIB; /* more would not be slots */
    uint64_t payload = big_endian(block + AT_PAYLOAD, 4) * HEADER_SECTOR;

    if (payload >= medium->size) {
        header_say(why,
                   "the LUKS1 payload begins at byte %" PRIu64 " but the disk ends at %" PRIu64
                   ": the image is cut short; grow it to its former size",
                   payload, medium->size);
        return -EFBIG;
    }
    int r =
        read_area(image, medium, (struct header_area){ 0, payload < most ? payload : most }, why);
    if (!r)
        r = take(image, medium, why);
    return r == -EINVAL ? -EBADMSG : r;
}

/* No header where one begins.  What is there instead? */
static int judge(const struct header_medium *medium, const uint8_t *head, uint64_t length,
                 bool empty_end, char why[HEADER_WHY])
{
    bool luks = length >= HEADER_BLOCK && !memcmp(head, primary_magic, MAGIC);

    for (int i = 0; i < SIZES && metadata_sizes[i] + MAGIC <= length; i++)
        luks = luks || !memcmp(head + metadata_sizes[i], secondary_magic, MAGIC);
    if (luks) {
        char said[HEADER_SAID];
        memcpy(said, why, sizeof said - 1);
        said[sizeof said - 1] = '\0';
        header_say(why,
                   "the LUKS header and its copy are damaged: restore a backup of the header "
                   "(cryptsetup luksHeaderRestore); %s",
                   said);
        return -EBADMSG;
    }
    bool began =
        length >= HEADER_BLOCK && header_format_began(head) && header_format_rest(head, length);
    if (empty_end && (began || header_all_zero(head, length))) {
        *why = '\0';
        return -ENODATA;
    }
    header_say(why,
               "the disk of %" PRIu64 " bytes holds something that is not LUKS: if this was a LUKS "
               "disk, restore a backup of its header (cryptsetup luksHeaderRestore); else encrypt "
               "it with cryptsetup reencrypt --encrypt, or give an empty image",
               medium->size);
    return -EMEDIUMTYPE;
}

/* The primary header is of no use: look wherever a secondary one may begin, and what else lies at
 * both ends of the disk, as the library refuses to repair what now belongs to others. */
static int read_wide(struct header_image *image, const struct header_medium *medium,
                     char why[HEADER_WHY])
{
    uint64_t length = medium->size < most_metadata ? medium->size : most_metadata;
    uint64_t tail = medium->size < MIB ? medium->size : MIB;
    uint8_t *data = malloc(length + tail + 1);

    if (!data) {
        header_say(why, "no memory for the header");
        return -ENOMEM;
    }
    struct header_area head = { 0, length }, end = { medium->size - tail, tail };
    int r = read_area(image, medium, head, why);
    if (!r)
        r = read_area(image, medium, end, why);
    if (!r)
        r = take(image, medium, why);
    if (r == -EINVAL) {
        r = header_image_get(image, data, length, 0);
        if (!r)
            r = header_image_get(image, data + length, tail, end.offset);
        if (!r)
            r = judge(medium, data, length,
                      medium->size <= length || header_all_zero(data + length, tail), why);
    }
    free(data);
    return r;
}

static int read_any(struct header_image *image, const struct header_medium *medium,
                    char why[HEADER_WHY])
{
    uint8_t block[HEADER_BLOCK];

    if (medium->size < HEADER_BLOCK)
        return read_wide(image, medium, why);
    int r = read_area(image, medium, (struct header_area){ 0, HEADER_BLOCK }, why);
    if (!r)
        r = header_image_get(image, block, sizeof block, 0);
    if (r || memcmp(block, primary_magic, MAGIC))
        return r ? r : read_wide(image, medium, why);

    unsigned version = (unsigned)big_endian(block + AT_VERSION, 2);
    uint64_t size = big_endian(block + AT_SIZE, 8);
    if (version == 1)
        return read_luks1(image, medium, block, why);
    for (int i = 0; i < SIZES; i++)
        if (version == 2 && size == metadata_sizes[i]) {
            r = read_area(image, medium, (struct header_area){ 0, 2 * size }, why);
            if (!r)
                r = take(image, medium, why);
            return r == -EINVAL ? read_wide(image, medium, why) : r;
        }
    return read_wide(image, medium, why);
}

int header_image_read(struct header_image *image, const struct header_medium *medium,
                      char why[HEADER_WHY])
{
    int r = header_image_create(image, medium->size, why);

    if (r)
        return r;
    r = read_any(image, medium, why);
    if (r)
        header_image_close(image);
    return r;
}
