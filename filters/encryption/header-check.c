/* header-check.c - do we do what a header asks for?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * libcryptsetup has found it well formed.  What dm-crypt does beyond plain AES-XTS is refused
 * here, so that no data is read in another way than it was written. */
#include "header-image.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* Beyond these nobody waits for a key slot: an hour or so.  Tests set less. */
#ifndef HEADER_MOST_MEMORY_PASSES
#define HEADER_MOST_MEMORY_PASSES (UINT64_C(1) << 31)  /* KiB times passes, Argon2 */
#define HEADER_MOST_ITERATIONS    UINT64_C(2000000000) /* PBKDF2 */
#endif
enum { MOST_LANES = 64 };
static const uint32_t most_memory = 2
                                    << 20; /* KiB: twice what cryptsetup takes at most by itself */

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *found = NULL;

    json_object_object_get_ex(o, name, &found);
    return found;
}

static bool says(struct json_object *o, const char *name, const char *text)
{
    const char *said = json_object_get_string(member(o, name));

    return said && !strcmp(said, text);
}

/* ---- LUKS2's JSON -------------------------------------------------------------- */

/* The bytes that a base64 text stands for; 0 for what is none. */
static size_t base64_bytes(const char *text)
{
    size_t length = text ? strlen(text) : 0, padding = 0;

    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    return length % 4 ? 0 : length / 4 * 3 - padding;
}

/* libcryptsetup writes some names with a dash more than libcrypto. */
static size_t hash_bytes(const char *name)
{
    static const char *const others[][2] = { { "blake2b-512", "blake2b512" },
                                             { "blake2s-256", "blake2s256" } };

    for (size_t i = 0; name && i < sizeof others / sizeof *others; i++)
        if (!strcmp(name, others[i][0]))
            name = others[i][1];
    const EVP_MD *hash = name ? EVP_get_digestbyname(name) : NULL;
    return hash ? (size_t)EVP_MD_get_size(hash) : 0;
}

/* The digest is what tells the volume key from another.  libcryptsetup 2.6 says of any key
 * that it is the right one where salt or digest have another length than it expects: its check
 * ends early, with the result of the last thing that went well. */
static int check_digest(const char *id, struct json_object *digest, char why[HEADER_WHY])
{
    enum { SALT = 32, LUKS1_DIGEST = 20 /* of any hash: the header was converted */ };
    const char *hash = json_object_get_string(member(digest, "hash"));
    size_t salt = base64_bytes(json_object_get_string(member(digest, "salt")));
    size_t bytes = base64_bytes(json_object_get_string(member(digest, "digest")));
    int64_t iterations = json_object_get_int64(member(digest, "iterations"));

    if (iterations < 0 || (uint64_t)iterations > HEADER_MOST_ITERATIONS) {
        header_say(why,
                   "digest %s of the LUKS2 header asks for %" PRId64
                   " iterations, more than anybody waits for: restore a backup of the header",
                   id, iterations);
        return -ENOTSUP;
    }
    if (salt == SALT && bytes && (bytes == LUKS1_DIGEST || bytes == hash_bytes(hash)))
        return 0;
    header_say(why,
               "digest %s of the LUKS2 header has %zu bytes by \"%s\" with a salt of %zu, so no "
               "key can be told from a wrong one: restore a backup of the header",
               id, bytes, hash ? hash : "", salt);
    return -EBADMSG;
}

static int check_digests(struct json_object *header, char why[HEADER_WHY])
{
    struct json_object *digests = member(header, "digests");
    int r = 0;

    if (!json_object_is_type(digests, json_type_object))
        return -EBADMSG;
    json_object_object_foreach(digests, id, digest)
    {
        r = check_digest(id, digest, why);
        if (r)
            break;
    }
    return r;
}

static int check_segments(struct json_object *header, char why[HEADER_WHY])
{
    struct json_object *segments = member(header, "segments"), *segment = member(segments, "0");

    if (!segment || json_object_object_length(segments) != 1) {
        header_say(why,
                   "the LUKS2 header has %d segments where one is served: finish its re-encryption "
                   "with cryptsetup reencrypt",
                   segments ? json_object_object_length(segments) : 0);
        return -ENOTSUP;
    }
    if (!says(segment, "type", "crypt")) {
        header_say(why, "the LUKS2 segment is of type \"%s\", not \"crypt\"",
                   json_object_get_string(member(segment, "type")));
        return -ENOTSUP;
    }
    if (member(segment, "integrity")) {
        header_say(why, "the LUKS2 header asks for integrity tags (dm-integrity), which are not "
                        "served: format without --integrity");
        return -ENOTSUP;
    }
    if (!says(segment, "size", "dynamic") || !says(segment, "iv_tweak", "0")) {
        header_say(why,
                   "the LUKS2 segment has size %s and iv_tweak %s; only a payload that reaches to "
                   "the end of the disk (\"dynamic\") and begins at sector 0 is served",
                   json_object_get_string(member(segment, "size")),
                   json_object_get_string(member(segment, "iv_tweak")));
        return -ENOTSUP;
    }
    return 0;
}

/* The one that our deep rekey sets, to keep others out, is ours. */
static int check_requirements(struct json_object *header, uint32_t requirements,
                              char why[HEADER_WHY])
{
    if (!requirements ||
        (requirements == CRYPT_REQUIREMENT_OFFLINE_REENCRYPT && header_rekey_ours(header)))
        return 0;
    header_say(why, "the LUKS2 header requires what is not done here%s",
               requirements &
                       (CRYPT_REQUIREMENT_OFFLINE_REENCRYPT | CRYPT_REQUIREMENT_ONLINE_REENCRYPT)
                   ? ": a re-encryption is under way; finish it with cryptsetup reencrypt"
                   : " (config.requirements), see cryptsetup luksDump");
    return -ENOTSUP;
}

static int check_luks2(struct header_library *library, struct header_image *image,
                       char why[HEADER_WHY])
{
    const char *json = NULL;
    uint64_t keyslots;
    uint32_t requirements = 0;

    int r = crypt_persistent_flags_get(library->device, CRYPT_FLAGS_REQUIREMENTS, &requirements);
    if (r)
        return header_library_why(library, r, why, "the LUKS2 header's requirements");
    r = crypt_get_metadata_size(library->device, &image->metadata, &keyslots);
    if (!r)
        r = crypt_dump_json(library->device, &json, 0);
    if (r)
        return header_library_why(library, r, why, "the LUKS2 header");
    free(image->json); /* of a look before, at less of the disk */
    image->json = strdup(json);
    struct json_object *header = json_tokener_parse(json);
    if (!image->json || !header) {
        json_object_put(header);
        header_say(why, "no memory for the LUKS2 header");
        return -ENOMEM;
    }
    r = check_requirements(header, requirements, why);
    if (!r)
        r = check_segments(header, why);
    if (!r)
        r = check_digests(header, why);
    json_object_put(header);
    return r;
}

static int check_luks1(const struct header_image *image, char why[HEADER_WHY])
{
    enum { AT_ITERATIONS = 164 };
    uint8_t n[4];

    int r = header_image_get(image, n, sizeof n, AT_ITERATIONS);
    if (r)
        return r;
    uint32_t iterations = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
    if (iterations > HEADER_MOST_ITERATIONS) {
        header_say(why,
                   "the digest of the LUKS1 header asks for %" PRIu32
                   " iterations, more than anybody waits for: restore a backup of the header",
                   iterations);
        return -ENOTSUP;
    }
    return 0;
}

/* ---- both versions -------------------------------------------------------------- */

static int fill_about(struct header_library *library, struct header_image *image)
{
    struct header_about *about = &image->about;
    struct crypt_device *device = library->device;
    const char *cipher = crypt_get_cipher(device), *mode = crypt_get_cipher_mode(device);
    const char *uuid = crypt_get_uuid(device);
    int key = crypt_get_volume_key_size(device), sector = crypt_get_sector_size(device);

    if (!cipher || !mode || !uuid || sector <= 0)
        return -EBADMSG;
    about->version = strcmp(crypt_get_type(device), CRYPT_LUKS1) ? 2 : 1;
    snprintf(about->cipher, sizeof about->cipher, "%s", cipher);
    snprintf(about->mode, sizeof about->mode, "%s", mode);
    snprintf(about->uuid, sizeof about->uuid, "%s", uuid);
    about->key_bits = key > 0 ? (unsigned)key * 8 : 0;
    about->sector = (uint32_t)sector;
    uint64_t sectors = crypt_get_data_offset(device);
    about->offset = sectors < UINT64_MAX / HEADER_SECTOR ? sectors * HEADER_SECTOR : UINT64_MAX;
    return 0;
}

/* plain: the tweak has 32 bits, and counts units of 512 bytes. */
bool header_counts(const struct header_about *about, uint64_t payload)
{
    return strcmp(about->mode, "xts-plain") != 0 || payload / HEADER_SECTOR <= UINT32_MAX;
}

static int check_cipher(const struct header_image *image, char why[HEADER_WHY])
{
    const struct header_about *about = &image->about;

    if (strcmp(about->cipher, "aes") ||
        (strcmp(about->mode, "xts-plain") && strcmp(about->mode, "xts-plain64"))) {
        header_say(why,
                   "the disk is encrypted with \"%s-%s\"; aes-xts-plain64 is served: re-encrypt "
                   "it with cryptsetup reencrypt --cipher aes-xts-plain64",
                   about->cipher, about->mode);
        return -ENOTSUP;
    }
    if (!header_counts(about, image->size - about->offset)) {
        header_say(why, "\"aes-xts-plain\" counts no further than 2 TiB and this disk is larger: "
                        "re-encrypt it with --cipher aes-xts-plain64");
        return -ENOTSUP;
    }
    if (about->sector < 512 || about->sector > 4096 || about->sector & (about->sector - 1)) {
        header_say(why, "sectors of %u bytes are not served: 512 to 4096", about->sector);
        return -ENOTSUP;
    }
    if (about->key_bits != 256 && about->key_bits != 512) {
        header_say(why,
                   about->key_bits ? "a volume key of %u bits is not served: AES-XTS has 256 or 512"
                                   : "the header has no key slot (%u bits of key): nothing opens "
                                     "it; restore a backup of the header",
                   about->key_bits);
        return -ENOTSUP;
    }
    return 0;
}

static int check_place(const struct header_image *image, char why[HEADER_WHY])
{
    const struct header_about *about = &image->about;

    if (about->offset < 2 * image->metadata || about->offset < HEADER_BLOCK) {
        header_say(why,
                   "the LUKS%u header is detached (its payload begins at byte %" PRIu64
                   "), which is not served: put the header on the disk",
                   about->version, about->offset);
        return -ENOTSUP;
    }
    if (about->offset > image->size || image->size - about->offset < about->sector) {
        header_say(why,
                   "the LUKS%u payload begins at byte %" PRIu64 " but the disk ends at %" PRIu64
                   ": the image is cut short; grow it to its former size",
                   about->version, about->offset, image->size);
        return -EFBIG;
    }
    return 0;
}

static int fill_slots(struct header_library *library, struct header_image *image,
                      char why[HEADER_WHY])
{
    for (int i = 0; i < crypt_keyslot_max(crypt_get_type(library->device)); i++) {
        crypt_keyslot_info status = crypt_keyslot_status(library->device, i);
        struct crypt_pbkdf_type pbkdf = { 0 };
        struct header_area area;
        if (status != CRYPT_SLOT_ACTIVE && status != CRYPT_SLOT_ACTIVE_LAST &&
            status != CRYPT_SLOT_UNBOUND)
            continue;
        if (crypt_keyslot_area(library->device, i, &area.offset, &area.length) ||
            area.offset > image->about.offset || area.length > image->about.offset - area.offset) {
            header_say(why, "key slot %d lies outside of the header: restore a backup of it", i);
            return -EBADMSG;
        }
        struct header_slot *slot = &image->slots[image->count];
        *slot = (struct header_slot){ .slot = i, .unbound = status == CRYPT_SLOT_UNBOUND };
        if (!crypt_keyslot_get_pbkdf(library->device, i, &pbkdf) && pbkdf.type)
            snprintf(slot->pbkdf, sizeof slot->pbkdf, "%s", pbkdf.type);
        image->areas[image->count++] = area;
    }
    return 0;
}

int header_check(struct header_library *library, struct header_image *image, char why[HEADER_WHY])
{
    header_say(why, "the LUKS header makes no sense: restore a backup of it");
    image->count = 0;
    int r = fill_about(library, image);
    if (!r)
        r = image->about.version == 2 ? check_luks2(library, image, why) : check_luks1(image, why);
    if (!r)
        r = check_place(image, why);
    if (!r)
        r = check_cipher(image, why);
    return r ? r : fill_slots(library, image, why);
}

int header_check_slot(struct header_library *library, int slot, char why[HEADER_WHY])
{
    struct crypt_pbkdf_type pbkdf = { 0 };
    size_t size;
    const char *cipher = crypt_keyslot_get_encryption(library->device, slot, &size);

    if (!cipher || strncmp(cipher, "aes-xts-plain", 13)) {
        /* the library would have the kernel decrypt it, by a loop device */
        header_say(why, "key slot %d is encrypted with \"%s\", not aes-xts-plain64", slot,
                   cipher ? cipher : "");
        return -ENOTSUP;
    }
    if (size != 32 && size != 64) {
        /* to derive a key of megabytes takes hours at any cost of the slot */
        header_say(why, "key slot %d is encrypted with a key of %zu bytes, not 32 or 64", slot,
                   size);
        return -ENOTSUP;
    }
    int r = crypt_keyslot_get_pbkdf(library->device, slot, &pbkdf);
    if (r)
        return header_library_why(library, r, why, "the cost of a key slot");
    bool memory = strcmp(pbkdf.type, CRYPT_KDF_PBKDF2) != 0;
    if (memory && pbkdf.max_memory_kb > most_memory) {
        header_say(why,
                   "key slot %d asks for %" PRIu32 " KiB of memory, more than the %" PRIu32
                   " that a gateway gives: convert it with cryptsetup luksConvertKey "
                   "--pbkdf-memory",
                   slot, pbkdf.max_memory_kb, most_memory);
        return -ENOTSUP;
    }
    if (pbkdf.parallel_threads > MOST_LANES ||
        (memory && (uint64_t)pbkdf.iterations * pbkdf.max_memory_kb > HEADER_MOST_MEMORY_PASSES) ||
        (!memory && pbkdf.iterations > HEADER_MOST_ITERATIONS)) {
        header_say(why,
                   "key slot %d asks for %" PRIu32 " passes over %" PRIu32 " KiB by %" PRIu32
                   " threads, more than anybody waits for",
                   slot, pbkdf.iterations, pbkdf.max_memory_kb, pbkdf.parallel_threads);
        return -ENOTSUP;
    }
    return 0;
}
