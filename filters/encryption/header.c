/* header.c - what does a LUKS header say, and which volume key does it give for a passphrase?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "header-image.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int header_open(const struct header_medium *medium, struct header **result, char why[HEADER_WHY])
{
    struct header *header = calloc(1, sizeof *header);

    *result = NULL;
    *why = '\0';
    if (!header) {
        header_say(why, "no memory for the header");
        return -ENOMEM;
    }
    header->medium = *medium;
    int r = header_image_read(&header->image, medium, why);
    if (r) {
        free(header);
        return r;
    }
    *why = '\0';
    *result = header;
    return 0;
}

bool header_may_come(int error)
{
    return error == -EIO || error == -ESHUTDOWN || error == -ENOTCONN || error == -ETIMEDOUT;
}

void header_close(struct header *header)
{
    if (!header)
        return;
    header_image_close(&header->image);
    free(header);
}

void header_about(const struct header *header, struct header_about *about)
{
    *about = header->image.about;
}

size_t header_slots(const struct header *header, struct header_slot slots[HEADER_SLOTS])
{
    memcpy(slots, header->image.slots, header->image.count * sizeof *slots);
    return header->image.count;
}

int header_token(const struct header *header, int token, char **json)
{
    enum { MOST_TOKENS = 32 };
    struct json_object *all = NULL, *tokens = NULL, *found = NULL;
    char id[16];
    int r = -ENODATA;

    *json = NULL;
    if (token < 0 || token >= MOST_TOKENS || !header->image.json)
        return -ENOENT;
    snprintf(id, sizeof id, "%d", token);
    all = json_tokener_parse(header->image.json);
    if (!all)
        return -ENOMEM;
    if (json_object_object_get_ex(all, "tokens", &tokens) &&
        json_object_object_get_ex(tokens, id, &found)) {
        *json = strdup(json_object_to_json_string_ext(found, JSON_C_TO_STRING_PLAIN));
        r = *json ? 0 : -ENOMEM;
    }
    json_object_put(all);
    return r;
}

/* ---- unlocking ------------------------------------------------------------------- */

int header_volume_alloc(const struct header_image *image, struct secret *volume,
                        char why[HEADER_WHY])
{
    const size_t size = image->about.key_bits / 8;
    uint8_t *data = secret_alloc(size);

    *volume = (struct secret){ data, data ? size : 0 };
    if (data)
        return 0;
    header_say(why, "no room for a volume key in locked memory: raise LimitMEMLOCK");
    return -ENOMEM;
}

/* The library compares with the digest of the volume key, which check_digest() has found to be
 * one that it does compare: so what comes is right. */
int header_try_slot(struct header_library *library, const struct header_image *image, int slot,
                    const struct secret *key, struct secret *volume, char why[HEADER_WHY])
{
    size_t size = volume->size;

    int r = header_check_slot(library, slot, why);
    if (r)
        return r;
    header_library_derive();
    r = crypt_volume_key_get(library->device, slot, (char *)volume->data, &size,
                             key->size ? (const char *)key->data : "", key->size);
    header_library_derived();
    if (r == -EPERM || r == -ENOENT)
        return -EACCES;
    if (r >= 0 && size * 8 != image->about.key_bits) {
        header_say(why, "key slot %d holds a key of %zu bits, not %u", slot, size * 8,
                   image->about.key_bits);
        return -EBADMSG;
    }
    if (r < 0)
        header_library_why(library, r, why, "a key slot cannot be opened");
    return r < 0 ? r : 0;
}

/* As cryptsetup: preferred slots first, the others in order; one that is broken or asks too much
 * does not keep the others from being tried. */
static int try_slots(struct header_library *library, const struct header_image *image,
                     const struct secret *key, struct secret *volume, int *slot,
                     char why[HEADER_WHY])
{
    static const crypt_keyslot_priority order[] = { CRYPT_SLOT_PRIORITY_PREFER,
                                                    CRYPT_SLOT_PRIORITY_NORMAL };
    int worst = -EACCES;
    bool tried = false;

    for (size_t turn = 0; turn < sizeof order / sizeof *order; turn++)
        for (size_t i = 0; i < image->count; i++) {
            int id = image->slots[i].slot;
            if (image->slots[i].unbound ||
                crypt_keyslot_get_priority(library->device, id) != order[turn])
                continue;
            int r = header_try_slot(library, image, id, key, volume, why);
            if (!r) {
                *slot = id;
                return 0;
            }
            tried = true;
            if (r != -EACCES)
                worst = r;
        }
    if (worst == -EACCES)
        header_say(why,
                   tried ? "the key opens none of the %zu key slots in use: give the key that "
                           "the disk was formatted with"
                         : "none of the %zu key slots in use may be tried without its number: "
                           "see their priority with cryptsetup luksDump",
                   image->count);
    return worst;
}

int header_unlock(struct header *header, const struct secret *key, struct secret *volume, int *slot,
                  char why[HEADER_WHY])
{
    const struct header_image *image = &header->image;
    struct header_library library;

    *why = '\0';
    int r = header_volume_alloc(image, volume, why);
    if (r)
        return r;
    r = header_library_load(&library, image, why);
    if (!r)
        r = try_slots(&library, image, key, volume, slot, why);
    header_library_close(&library);
    if (r)
        secret_clear(volume);
    else
        *why = '\0';
    return r;
}
