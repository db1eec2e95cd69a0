/* header-judge.c - is a header that was opened what is written on the disk, whoever wrote that?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The disk is read again here by other code: offsets of LUKS1's fields and LUKS2's JSON. */
#include "header-judge.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_CIPHER = 8, AT_MODE = 40, AT_PAYLOAD = 104, AT_KEY_BYTES = 108, FIELD = 32 };
enum { AT_CHECKSUM = 448, CHECKSUM = 64, AT_JSON = 4096, MOST = RIG_HEAD / 2 };

static uint64_t big_endian(const uint8_t *byte, int bytes)
{
    uint64_t n = 0;

    while (bytes--)
        n = n << 8 | *byte++;
    return n;
}

static void checksum(uint8_t *header, uint64_t size)
{
    uint8_t *at = header + AT_CHECKSUM;

    memset(at, 0, CHECKSUM);
    EVP_Digest(header, size, at, NULL, EVP_sha256(), NULL);
}

void judge_checksums(struct rig *rig)
{
    uint64_t size = big_endian(rig->disk + 8, 8);

    if (size < 2 * AT_JSON || size > MOST)
        return;
    checksum(rig->disk, size);
    checksum(rig->disk + size, size);
}

/* ---- what the disk says ----------------------------------------------------------- */

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *found = NULL;

    json_object_object_get_ex(o, name, &found);
    return found;
}

static const char *compare_luks1(const uint8_t *disk, const struct header_about *about)
{
    if (about->offset != big_endian(disk + AT_PAYLOAD, 4) * 512)
        return "the payload lies elsewhere";
    if (about->key_bits != 8 * big_endian(disk + AT_KEY_BYTES, 4))
        return "the key has another length";
    if (strncmp((const char *)disk + AT_CIPHER, about->cipher, FIELD) ||
        strncmp((const char *)disk + AT_MODE, about->mode, FIELD))
        return "the cipher is another";
    return about->sector == 512 ? NULL : "LUKS1 has sectors of 512 bytes";
}

static const char *compare_luks2(const uint8_t *header, const struct header_about *about)
{
    struct json_object *all = json_tokener_parse((const char *)header + AT_JSON);
    struct json_object *segment = member(member(all, "segments"), "0");
    const char *offset = json_object_get_string(member(segment, "offset"));
    const char *encryption = json_object_get_string(member(segment, "encryption"));
    const char *size = json_object_get_string(member(segment, "size"));
    const char *wrong = NULL;
    char cipher[70];

    snprintf(cipher, sizeof cipher, "%s-%s", about->cipher, about->mode);
    if (!offset || strtoull(offset, NULL, 10) != about->offset)
        wrong = "the payload lies elsewhere";
    else if (!encryption || strcmp(encryption, cipher))
        wrong = "the cipher is another";
    else if (json_object_get_int64(member(segment, "sector_size")) != about->sector)
        wrong = "the sectors have another size";
    else if (member(segment, "integrity") || !size || strcmp(size, "dynamic"))
        wrong = "what is not done was not refused";
    json_object_put(all);
    return wrong;
}

static const char *compare(const struct rig *rig, const struct header_about *about)
{
    if (about->offset >= rig->medium.size || about->sector < 512 || about->sector > 4096)
        return "the payload is not on the disk";
    if (strcmp(about->cipher, "aes") || strncmp(about->mode, "xts-plain", 9))
        return "a cipher that is not known was not refused";
    if (about->version == 1)
        return compare_luks1(rig->disk, about);
    /* the one that serves: both, but where nothing can be repaired */
    const char *wrong = compare_luks2(rig->disk, about);
    if (!wrong || !rig->medium.read_only)
        return wrong;
    for (uint64_t at = 4 * AT_JSON; wrong && at <= MOST; at *= 2)
        wrong = compare_luks2(rig->disk + at, about);
    return wrong;
}

const char *judge_header(struct rig *rig, const char *key, const struct secret *volume,
                         bool *opened)
{
    struct secret k = rig_secret(key), v = { 0 };
    struct header_about about;
    struct header *header;
    char why[HEADER_WHY];
    const char *wrong = NULL;
    int slot = -1;

    *opened = false;
    int r = header_open(&rig->medium, &header, why);
    if (r && r != -ENODATA && !*why)
        wrong = "a refusal without a reason";
    if (!r) {
        header_about(header, &about);
        wrong = compare(rig, &about);
        r = header_unlock(header, &k, &v, &slot, why);
        *opened = !r;
        if (!r && (v.size != volume->size || memcmp(v.data, volume->data, v.size)))
            wrong = "a wrong volume key";
        if (r && !*why)
            wrong = "locked without a reason";
    }
    secret_clear(&v);
    secret_clear(&k);
    header_close(header);
    return wrong;
}
