/* header-rekey.c - what does a LUKS2 header say while its disk goes over to another volume key?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * begin   one header commit adds: a key slot with the new volume key that belongs to no
 *         segment, a token of type "weir-rekey" that says which slots and where the progress
 *         is written, and a requirement that keeps cryptsetup from opening a disk of two keys
 * end     one header commit: the segment belongs to the new key, the old slots and the
 *         requirement are gone, the token says what is still to be wiped
 * clean   the old key material and the progress are overwritten, then the token goes
 *
 * A crash leaves one of these states, each complete. */
#include "header-rekey.h"
#include "header-image.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "weir-rekey"

enum { MOST_TOKENS = 32 };

/* ---- the token ------------------------------------------------------------------- */

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *found = NULL;

    json_object_object_get_ex(o, name, &found);
    return found;
}

static bool parse_id(const char *text, uint8_t id[REKEY_ID])
{
    if (!text || strlen(text) != 2 * REKEY_ID)
        return false;
    for (int i = 0; i < REKEY_ID; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        id[i] = (uint8_t)byte;
    }
    return true;
}

static bool slot_of(struct json_object *token, const char *name, int *slot)
{
    struct json_object *number = member(token, name);

    *slot = json_object_get_int(number);
    return json_object_is_type(number, json_type_int) && *slot >= 0 && *slot < HEADER_SLOTS;
}

/* JSON of LUKS2 keeps 64 bits as text. */
static uint64_t offset_of(struct json_object *o, const char *name)
{
    const char *text = json_object_get_string(member(o, name));

    return text ? strtoull(text, NULL, 10) : 0;
}

static bool parse(struct json_object *token, int id, struct header_rekey *rekey)
{
    const char *type = json_object_get_string(member(token, "type"));

    if (!type || strcmp(type, TYPE))
        return false;
    *rekey = (struct header_rekey){
        .token = id,
        .done = json_object_get_boolean(member(token, "done")),
        .journal = offset_of(token, "journal"),
    };
    return parse_id(json_object_get_string(member(token, "id")), rekey->id) &&
           slot_of(token, "old", &rekey->old_slot) && slot_of(token, "new", &rekey->new_slot) &&
           rekey->journal;
}

static struct json_object *find(struct json_object *header, struct header_rekey *rekey)
{
    struct json_object *tokens = member(header, "tokens");

    if (!json_object_is_type(tokens, json_type_object))
        return NULL;
    json_object_object_foreach(tokens, id, token)
    {
        if (parse(token, atoi(id), rekey))
            return token;
    }
    return NULL;
}

int header_rekey_look(const struct header *header, struct header_rekey *rekey)
{
    struct json_object *all = header->image.json ? json_tokener_parse(header->image.json) : NULL;
    int r = all && find(all, rekey) ? 0 : -ENODATA;

    json_object_put(all);
    return r;
}

bool header_rekey_ours(struct json_object *header)
{
    struct header_rekey rekey;

    return find(header, &rekey) && !rekey.done;
}

static struct json_object *token_create(const struct header_rekey *rekey)
{
    char id[2 * REKEY_ID + 1], journal[24];
    struct json_object *token = json_object_new_object();

    if (!token)
        return NULL;
    for (int i = 0; i < REKEY_ID; i++)
        snprintf(id + 2 * i, 3, "%02x", rekey->id[i]);
    snprintf(journal, sizeof journal, "%" PRIu64, rekey->journal);
    json_object_object_add(token, "type", json_object_new_string(TYPE));
    json_object_object_add(token, "keyslots", json_object_new_array());
    json_object_object_add(token, "id", json_object_new_string(id));
    json_object_object_add(token, "old", json_object_new_int(rekey->old_slot));
    json_object_object_add(token, "new", json_object_new_int(rekey->new_slot));
    json_object_object_add(token, "journal", json_object_new_string(journal));
    json_object_object_add(token, "done", json_object_new_boolean(rekey->done));
    return token;
}

/* Takes `token`. */
static int token_put(struct header_library *library, int id, struct json_object *token,
                     char why[HEADER_WHY])
{
    int r =
        token ? crypt_token_json_set(library->device, id,
                                     json_object_to_json_string_ext(token, JSON_C_TO_STRING_PLAIN))
              : -ENOMEM;

    json_object_put(token);
    return r < 0 ? header_library_why(library, r, why, "the token of the rekey cannot be written")
                 : r;
}

/* ---- begin ----------------------------------------------------------------------- */

int header_rekey_plan(const struct header *header, uint32_t block, struct header_rekey *rekey,
                      char why[HEADER_WHY])
{
    const struct header_image *image = &header->image;

    *rekey = (struct header_rekey){ .old_slot = -1, .new_slot = -1, .token = -1 };
    if (image->about.version != 2) {
        header_say(why, "the disk is LUKS1, which has no room for two volume keys: convert it with "
                        "cryptsetup convert --type luks2 while it is not served");
        return -ENOTSUP;
    }
    if (block > REKEY_BLOCK) {
        header_say(why,
                   "the disk below wants whole blocks of %u bytes; the progress of a deep rekey "
                   "is written in blocks of %d",
                   block, REKEY_BLOCK);
        return -ENOTSUP;
    }
    uint64_t end = 2 * image->metadata, room = image->about.offset & ~(uint64_t)(REKEY_BLOCK - 1);
    uint64_t longest = 0;
    for (size_t i = 0; i < image->count; i++) {
        const struct header_area *a = &image->areas[i];
        if (a->offset + a->length > end)
            end = a->offset + a->length;
        if (a->length > longest)
            longest = a->length;
    }
    if (room < end || room - end < REKEY_JOURNAL) {
        header_say(why,
                   "the header has %" PRIu64 " bytes between its key slots and the data; a deep "
                   "rekey needs %d of them for its progress, and room for one more key slot: "
                   "remove key slots, or make a disk with --luks2-keyslots-size 16m",
                   room > end ? room - end : 0, REKEY_JOURNAL);
        return -ENOSPC;
    }
    rekey->journal = room - REKEY_JOURNAL;
    if (RAND_bytes(rekey->id, sizeof rekey->id) != 1) {
        header_say(why, "no random bytes are to be had");
        return -EIO;
    }
    return 0;
}

static int fill_begin(struct header_library *library, const struct header_image *image,
                      const struct secret *key, struct header_rekey *rekey,
                      const struct secret *volume, char why[HEADER_WHY])
{
    struct header_area area;
    uint32_t requirements = 0;

    header_library_derive();
    int r = crypt_keyslot_add_by_key(library->device, CRYPT_ANY_SLOT, (const char *)volume->data,
                                     volume->size, key->size ? (const char *)key->data : "",
                                     key->size, CRYPT_VOLUME_KEY_NO_SEGMENT);
    header_library_derived();
    if (r < 0)
        return header_library_why(library, r, why, "a slot for the new volume key cannot be added");
    rekey->new_slot = r;
    r = header_slot_area(library, image, rekey->new_slot, &area, why);
    if (r)
        return r;
    if (area.offset + area.length > rekey->journal) {
        header_say(why, "the header has no room for one more key slot beside the progress of a "
                        "deep rekey: remove key slots");
        return -ENOSPC;
    }
    r = token_put(library, CRYPT_ANY_TOKEN, token_create(rekey), why);
    if (r < 0)
        return r;
    rekey->token = r;
    r = crypt_persistent_flags_get(library->device, CRYPT_FLAGS_REQUIREMENTS, &requirements);
    if (!r)
        r = crypt_persistent_flags_set(library->device, CRYPT_FLAGS_REQUIREMENTS,
                                       requirements | CRYPT_REQUIREMENT_OFFLINE_REENCRYPT);
    return r ? header_library_why(library, r, why, "the requirement cannot be set") : 0;
}

int header_rekey_begin(struct header *header, const struct secret *key, int old_slot,
                       const struct header_format *pbkdf, struct header_rekey *rekey,
                       const struct secret *volume, char why[HEADER_WHY])
{
    struct header_library library;
    struct header_image image;

    rekey->old_slot = old_slot;
    int r = header_change_begin(header, &image, &library, why);
    if (!r)
        r = header_library_pbkdf(&library, pbkdf, why);
    if (!r)
        r = fill_begin(&library, &image, key, rekey, volume, why);
    if (!r)
        r = header_write_added(&library, &image, &header->medium, rekey->new_slot, why);
    header_library_close(&library);
    return header_change_end(header, &image, r, why);
}

int header_rekey_unlock(struct header *header, const struct header_rekey *rekey,
                        const struct secret *key, struct secret *volume, char why[HEADER_WHY])
{
    const struct header_image *image = &header->image;
    struct header_library library;

    int r = header_volume_alloc(image, volume, why);
    if (r)
        return r;
    r = header_library_load(&library, image, why);
    if (!r)
        r = header_try_slot(&library, image, rekey->new_slot, key, volume, why);
    header_library_close(&library);
    if (r)
        secret_clear(volume);
    if (r == -EACCES)
        header_say(why,
                   "a deep rekey is under way and the key opens the old volume key, but not the "
                   "new one in slot %d: set the option key to what rekey-deep named",
                   rekey->new_slot);
    return r;
}

/* ---- the requirement ------------------------------------------------------------- */

/* One of the two headers with other JSON, as the LUKS2 format describes it. */
static int write_json(const struct header_image *image, uint64_t offset, const char *json)
{
    enum { AT_SUM = 448, SUM = 64 };
    const uint64_t room = image->metadata - HEADER_BLOCK;
    size_t length = strlen(json);

    if (length >= room)
        return -ENOSPC;
    uint8_t *copy = calloc(1, image->metadata);
    if (!copy)
        return -ENOMEM;
    int r = header_image_get(image, copy, HEADER_BLOCK, offset);
    memset(copy + AT_SUM, 0, SUM);
    memcpy(copy + HEADER_BLOCK, json, length);
    uint8_t sum[SUM] = { 0 };
    if (!r && EVP_Digest(copy, image->metadata, sum, NULL, EVP_sha256(), NULL) != 1)
        r = -EIO;
    memcpy(copy + AT_SUM, sum, SUM);
    if (!r)
        r = header_image_put(image, copy, image->metadata, offset);
    free(copy);
    return r;
}

/* The library changes nothing while it is there, not even this requirement itself. */
static int drop_requirement(struct header_library *library, const struct header_image *image,
                            char why[HEADER_WHY])
{
    struct json_object *header = json_tokener_parse(image->json);
    int r = header ? 0 : -ENOMEM;

    if (!r) {
        json_object_object_del(member(header, "config"), "requirements");
        const char *json = json_object_to_json_string_ext(
            header, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        r = json ? write_json(image, 0, json) : -ENOMEM;
        if (!r)
            r = write_json(image, image->metadata, json);
    }
    json_object_put(header);
    if (r) {
        header_say(why, "the requirement cannot be taken back: %s", strerror(-r));
        return r;
    }
    header_library_close(library);
    return header_library_load(library, image, why);
}

/* ---- end ------------------------------------------------------------------------- */

/* A token that gave the passphrase of the old slot gives that of the new one. */
static int move_tokens(struct header_library *library, const struct header_rekey *rekey,
                       char why[HEADER_WHY])
{
    for (int i = 0; i < MOST_TOKENS; i++) {
        if (i == rekey->token || crypt_token_is_assigned(library->device, i, rekey->old_slot) != 0)
            continue;
        int r = crypt_token_assign_keyslot(library->device, i, rekey->new_slot);
        if (r < 0)
            return header_library_why(library, r, why, "a token cannot go over to the new slot");
    }
    return 0;
}

/* The areas go into `wipe`, as nothing names them any more. */
static int drop_slots(struct header_library *library, const struct header_image *image,
                      const struct header_rekey *rekey, struct json_object *wipe,
                      char why[HEADER_WHY])
{
    char text[24];

    for (size_t i = 0; i < image->count; i++) {
        struct json_object *area;
        if (image->slots[i].slot == rekey->new_slot)
            continue;
        int r = crypt_keyslot_destroy(library->device, image->slots[i].slot);
        if (r < 0)
            return header_library_why(library, r, why, "an old key slot cannot be removed");
        area = json_object_new_object();
        snprintf(text, sizeof text, "%" PRIu64, image->areas[i].offset);
        json_object_object_add(area, "offset", json_object_new_string(text));
        snprintf(text, sizeof text, "%" PRIu64, image->areas[i].length);
        json_object_object_add(area, "size", json_object_new_string(text));
        json_object_array_add(wipe, area);
    }
    return 0;
}

static int fill_end(struct header_library *library, const struct header_image *image,
                    const struct header_rekey *rekey, const struct secret *volume,
                    char why[HEADER_WHY])
{
    struct header_rekey done = *rekey;

    done.done = true;
    struct json_object *token = token_create(&done), *wipe = json_object_new_array();
    if (!token || !wipe) {
        json_object_put(token);
        json_object_put(wipe);
        return -ENOMEM;
    }
    json_object_object_add(token, "wipe", wipe);
    header_library_derive();
    int r = crypt_keyslot_add_by_key(library->device, rekey->new_slot, (const char *)volume->data,
                                     volume->size, "", 0, CRYPT_VOLUME_KEY_SET);
    header_library_derived();
    if (r < 0)
        r = header_library_why(library, r, why,
                               "the new volume key cannot become that of the disk");
    else
        r = move_tokens(library, rekey, why);
    if (!r)
        r = drop_slots(library, image, rekey, wipe, why);
    if (r) {
        json_object_put(token);
        return r;
    }
    r = token_put(library, rekey->token, token, why);
    return r < 0 ? r : 0;
}

int header_rekey_end(struct header *header, const struct header_rekey *rekey,
                     const struct secret *volume, char why[HEADER_WHY])
{
    struct header_library library;
    struct header_image image;

    int r = header_change_begin(header, &image, &library, why);
    if (!r)
        r = drop_requirement(&library, &image, why);
    if (!r)
        r = fill_end(&library, &image, rekey, volume, why);
    if (!r)
        r = header_image_commit(&image, &header->medium, why);
    header_library_close(&library);
    r = header_change_end(header, &image, r, why);
    return r ? r : header_rekey_clean(header, why);
}

/* ---- clean ----------------------------------------------------------------------- */

static int wipe_area(const struct header *header, struct header_area area, char why[HEADER_WHY])
{
    const struct header_image *image = &header->image;
    const uint64_t from = 2 * image->metadata, to = image->about.offset;
    int r = 0;

    if (area.offset < from || area.offset > to || area.length > to - area.offset)
        return 0;                             /* not of the slots: no token may say so */
    for (size_t i = 0; i < image->count; i++) /* nor what is in use */
        if (area.offset < image->areas[i].offset + image->areas[i].length &&
            image->areas[i].offset < area.offset + area.length)
            return 0;
    uint8_t *zeroes = calloc(1, area.length ? area.length : 1);
    if (zeroes)
        r = header->medium.write(header->medium.arg, zeroes, area.length, area.offset);
    else
        r = -ENOMEM;
    free(zeroes);
    if (r)
        header_say(why, "the old key material cannot be overwritten: %s", strerror(-r));
    return r;
}

static int wipe_all(const struct header *header, const struct header_rekey *rekey,
                    char why[HEADER_WHY])
{
    struct header_rekey unused;
    struct json_object *all = json_tokener_parse(header->image.json);
    struct json_object *wipe = all ? member(find(all, &unused), "wipe") : NULL;

    int r = wipe_area(header, (struct header_area){ rekey->journal, REKEY_JOURNAL }, why);
    for (size_t i = 0; !r && wipe && i < json_object_array_length(wipe); i++) {
        struct json_object *area = json_object_array_get_idx(wipe, i);
        r = wipe_area(header,
                      (struct header_area){ offset_of(area, "offset"), offset_of(area, "size") },
                      why);
    }
    json_object_put(all);
    return r ? r : header_medium_flush(&header->medium, why);
}

int header_rekey_clean(struct header *header, char why[HEADER_WHY])
{
    struct header_library library;
    struct header_image image;
    struct header_rekey rekey;

    if (header_rekey_look(header, &rekey) || !rekey.done)
        return 0;
    int r = wipe_all(header, &rekey, why);
    if (r)
        return r;
    r = header_change_begin(header, &image, &library, why);
    if (!r) {
        r = crypt_token_json_set(library.device, rekey.token, NULL);
        if (r < 0)
            r = header_library_why(&library, r, why, "the token of the rekey cannot be removed");
        else
            r = header_image_commit(&image, &header->medium, why);
    }
    header_library_close(&library);
    return header_change_end(header, &image, r, why);
}
