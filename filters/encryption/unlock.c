/* unlock.c - how does a disk get its key, and lose it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * At attach, when a late key has come, and whenever the verb `unlock` asks for it: read the header,
 * ask for the key, make a header where that is asked for and nothing is there, open a key slot,
 * lend the cipher to requests.  Whatever fails locks the export with the sentence; the disk is
 * never served otherwise. */
#include "encryption.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

WEIR_PRINTF(3, 4)
static int refuse(char why[HEADER_WHY], int r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, HEADER_WHY, format, args);
    va_end(args);
    return r;
}

/* ---- what people see ------------------------------------------------------------ */

void encryption_look(struct encryption *e, struct encryption_view *view)
{
    pthread_mutex_lock(&e->lock);
    *view = e->view;
    pthread_mutex_unlock(&e->lock);
}

static void show(struct encryption *e, enum encryption_state state, const char *why)
{
    struct header_about about = { 0 };

    if (e->header)
        header_about(e->header, &about);
    pthread_mutex_lock(&e->lock);
    e->view.state = state;
    e->view.about = about;
    snprintf(e->view.why, sizeof e->view.why, "%s", why);
    pthread_mutex_unlock(&e->lock);
}

/* ---- the key -------------------------------------------------------------------- */

static int ask(struct encryption *e, const char *key, const struct header *header,
               uint64_t patience, const int *stop, struct secret *ret, char why[HEADER_WHY])
{
    struct header_about about = { 0 };

    if (header)
        header_about(header, &about);
    const struct key_request request = {
        .export = weir_export_name(e->below),
        .uuid = about.uuid,
        .header = header,
        .patience = patience,
        .stop = stop,
    };
    return keys_get(key, &request, ret, why);
}

int encryption_get_key(struct encryption *e, const char *key,
                       const struct encryption_config *config, struct secret *ret,
                       char why[HEADER_WHY])
{
    return ask(e, key, e->header, config->key_timeout, NULL, ret, why);
}

int encryption_ask(struct encryption *e, const struct header *header,
                   const struct encryption_config *config, const int *stop, struct secret *ret,
                   char why[HEADER_WHY])
{
    return ask(e, config->key, header, config->key_timeout, stop, ret, why);
}

/* ---- which disk it was ----------------------------------------------------------- */

/* The UUID of the header by which the disk was last unlocked.  0 or -errno; -ENOENT: never. */
static int recall(struct encryption *e, char uuid[HEADER_UUID])
{
    void *data = NULL;
    size_t size = 0;

    int r = weir_state_load(e->below, "uuid", &data, &size);
    if (!r)
        snprintf(uuid, HEADER_UUID, "%.*s", (int)(size < HEADER_UUID ? size : HEADER_UUID),
                 (const char *)data);
    free(data);
    return r;
}

static void remember(struct encryption *e)
{
    char before[HEADER_UUID];
    struct header_about about;

    header_about(e->header, &about);
    int r = recall(e, before);
    if (!r && !strcmp(before, about.uuid))
        return;
    if (!r)
        weir_report(e->below, WEIR_WARNING,
                    "the disk was LUKS %s when it was last unlocked, and is LUKS %s now: is this "
                    "the right image?",
                    before, about.uuid);
    r = weir_state_save(e->below, "uuid", about.uuid, strlen(about.uuid));
    if (r)
        weir_report(e->below, WEIR_WARNING, "which disk this is cannot be remembered: %s",
                    strerror(-r));
}

/* An image that is empty where a disk was: what it lies on may be missing, not the disk. */
static int judge_new(struct encryption *e, char why[HEADER_WHY])
{
    char uuid[HEADER_UUID], link[32], folder[256];

    int r = recall(e, uuid);
    if (r == -ENOENT)
        return 0;
    if (r)
        return refuse(why, r,
                      "the disk is not formatted, as it cannot be read whether it was before (the "
                      "file uuid in the state folder of the export): %s",
                      strerror(-r));
    snprintf(link, sizeof link, "/proc/self/fd/%d", weir_state_folder(e->below));
    ssize_t length = readlink(link, folder, sizeof folder);
    return refuse(why, -EEXIST,
                  "this disk was LUKS %s and is empty now: is its datastore mounted? It is not "
                  "formatted; if what it held may be lost, remove the file %.*s/uuid first",
                  uuid, length > 0 ? (int)length : 3, length > 0 ? folder : "...");
}

/* ---- was it locked by hand? ------------------------------------------------------ */

static const char by_hand[] = "locked"; /* the name of a file in the state folder */

int encryption_judge_lock(struct encryption *e, char why[HEADER_WHY])
{
    void *data = NULL;
    size_t size;

    int r = weir_state_load(e->below, by_hand, &data, &size);
    free(data);
    if (r == -ENOENT)
        return 0;
    if (r)
        return refuse(why, -EACCES,
                      "it cannot be read whether the verb lock took the key away (the file "
                      "\"%s\" in the state folder of the filter): %s",
                      by_hand, strerror(-r));
    return refuse(why, -EACCES, ENCRYPTION_BY_HAND);
}

int encryption_note_lock(struct encryption *e, bool locked)
{
    static const char text[] = "by the verb lock\n";

    if (locked)
        return weir_state_save(e->below, by_hand, text, sizeof text - 1);
    int r = weir_state_remove(e->below, by_hand);
    return r == -ENOENT ? 0 : r;
}

/* ---- the header ----------------------------------------------------------------- */

struct header_format encryption_format(const struct encryption_config *config)
{
    return (struct header_format){
        .key_bits = 2 * (unsigned)config->key_bits, /* XTS has two keys */
        .sector = (uint32_t)config->sector_size,
        .pbkdf = encryption_pbkdf(config->pbkdf),
        .pbkdf_ms = config->pbkdf_time / 1000000,
        .pbkdf_memory = (uint32_t)(config->pbkdf_memory >> 10),
    };
}

/* Behind the header, whose place header_format() looks at. */
static int judge_empty(struct encryption *e, char why[HEADER_WHY])
{
    uint64_t where = 0;
    int r = medium_empty(e, USUAL_PAYLOAD, &where);

    if (r == -EEXIST)
        return refuse(why, r,
                      "the disk has no LUKS header, and is not formatted although format = true: "
                      "it is not empty, as byte %" PRIu64
                      " is not zero; zero the image if what it holds may be lost, or leave the "
                      "filter encryption out of its policy",
                      where);
    if (r)
        return refuse(why, r,
                      "the disk is not formatted, as it cannot be read to see that it is "
                      "empty: %s",
                      strerror(-r));
    return 0;
}

static int judge_format(struct encryption *e, const struct encryption_config *config,
                        char why[HEADER_WHY])
{
    const struct header_format how = encryption_format(config);

    if (!config->format)
        return refuse(
            why, -ENODATA,
            "the disk has no LUKS header: the verb format, or format = true, makes one on "
            "an empty image; or check that this is the right image");
    if (e->medium.read_only)
        return refuse(why, -EROFS,
                      "the disk has no LUKS header and cannot be formatted, as the export is "
                      "read-only: format it once where it may be written");
    int r = header_format_fits(&e->medium, &how, why);
    if (!r)
        r = judge_empty(e, why);
    return r ? r : judge_new(e, why);
}

static int format(struct encryption *e, const struct encryption_config *config,
                  const struct secret *key, char why[HEADER_WHY])
{
    const struct header_format how = encryption_format(config);

    int r = header_format(&e->medium, &how, key, &e->header, why);
    if (r)
        return r;
    weir_report(e->below, WEIR_INFO, "the empty disk was formatted as LUKS2");
    remember(e);
    return 0;
}

static int judge_place(const struct encryption *e, const struct header_about *about,
                       char why[HEADER_WHY])
{
    if (about->offset >= e->medium.size || e->medium.size - about->offset < about->sector)
        return refuse(why, -EFBIG,
                      "the data of the disk begin at byte %" PRIu64 ", and it has %" PRIu64
                      " bytes: it is cut off; bring it back to its full length",
                      about->offset, e->medium.size);
    if (about->offset % e->block)
        return refuse(why, -ENOTSUP,
                      "the data of the disk begin at byte %" PRIu64
                      ", which is inside a block: the disk below wants whole blocks of %u bytes",
                      about->offset, e->block);
    return 0;
}

/* The layers above know the disk since it was opened and cannot be told another size. */
static int place_payload(struct encryption *e, char why[HEADER_WHY])
{
    struct header_about about;
    uint64_t size;

    header_about(e->header, &about);
    int r = judge_place(e, &about, why);
    if (r)
        return r;
    size = (e->medium.size - about.offset) & ~(uint64_t)(about.sector - 1);
    if (e->shown && (size != e->size || about.sector > e->sector))
        return refuse(why, -ESTALE,
                      "the disk has a header now and is of another size than when it was opened: "
                      "close and open the export");
    e->payload = about.offset;
    e->size = size;
    e->sector = about.sector;
    return 0;
}

static bool same_disk(const struct header_about *a, const struct header_about *b)
{
    return !strcmp(a->uuid, b->uuid) && a->offset == b->offset && a->sector == b->sector;
}

/* A key slot that was removed by others meanwhile opens nothing any more.  A header that was
 * destroyed serves from memory, where the only one is that opens the disk. */
static int read_again(struct encryption *e, char why[HEADER_WHY])
{
    struct header_about before, now;
    struct header *header;

    int r = header_open(&e->medium, &header, why);
    if (r == -ENOTSUP || r == -EFBIG || r == -ENOMEM)
        return r;
    if (r) {
        weir_report(e->below, WEIR_ERROR,
                    "the LUKS header on the disk is gone or damaged%s%s; the one in memory is the "
                    "only good copy, and serves until the export is closed: copy the data to "
                    "another disk, or restore a backup of the header, before that",
                    why[0] ? ": " : "", why);
        why[0] = '\0';
        return 0;
    }
    header_about(e->header, &before);
    header_about(header, &now);
    if (!same_disk(&before, &now)) {
        header_close(header);
        return refuse(why, -ESTALE,
                      "the header on the disk is no longer the one that was opened (LUKS %s, then "
                      "%s): close and open the export",
                      before.uuid, now.uuid);
    }
    header_close(e->header);
    e->header = header;
    return 0;
}

/* One that does not fit this disk is none. */
static int take_header(struct encryption *e, char why[HEADER_WHY])
{
    int r = place_payload(e, why);

    if (r) {
        header_close(e->header);
        e->header = NULL;
    }
    return r;
}

static int read_header(struct encryption *e, const struct encryption_config *config,
                       char why[HEADER_WHY])
{
    struct header_about about;

    if (e->header)
        return read_again(e, why);
    int r = header_open(&e->medium, &e->header, why);
    if (r == -ENODATA)
        return judge_format(e, config, why);
    if (!r)
        r = take_header(e, why);
    if (r)
        return r;
    header_about(e->header, &about);
    if (about.repaired)
        weir_report(e->below, WEIR_WARNING,
                    "the primary LUKS header was damaged; the secondary one serves");
    return 0;
}

/* ---- both ----------------------------------------------------------------------- */

/* `next`: of the new volume key, while a deep rekey is under way; or NULL. */
static int open_cipher(struct encryption *e, const struct secret *volume,
                       struct sector_cipher *next, char why[HEADER_WHY])
{
    struct sector_cipher *cipher = NULL;
    struct header_about about;

    header_about(e->header, &about);
    int r = sector_cipher_create(about.cipher, about.mode, volume, about.sector, &cipher, why,
                                 HEADER_WHY);
    if (!r && lease_busy(&e->lease))
        r = refuse(why, -EBUSY,
                   "requests from before the disk was locked are still under way: unlock it when "
                   "they have ended");
    if (r) {
        sector_cipher_destroy(cipher);
        sector_cipher_destroy(next);
        return r;
    }
    if (next)
        rekey_recover(e, cipher, next);
    lease_add(&e->lease, next);
    return lease_open(&e->lease, cipher);
}

static int open_slot(struct encryption *e, const struct secret *key, char why[HEADER_WHY])
{
    struct secret volume = { 0 };
    struct sector_cipher *next = NULL;
    int slot = -1;

    int r = header_unlock(e->header, key, &volume, &slot, why);
    if (!r)
        r = rekey_load(e, key, &next, why);
    if (!r)
        r = open_cipher(e, &volume, next, why);
    secret_clear(&volume);
    if (!r)
        e->slot = slot;
    return r;
}

static int explain(int r, char why[HEADER_WHY])
{
    return r && !why[0] ? refuse(why, r, "the disk cannot be unlocked: %s", strerror(-r)) : r;
}

int encryption_prepare(struct encryption *e, const struct encryption_config *config,
                       char why[HEADER_WHY])
{
    int r = secret_init(why, HEADER_WHY);

    return explain(r ? r : read_header(e, config, why), why);
}

int encryption_open(struct encryption *e, const struct encryption_config *config,
                    const struct secret *key, char why[HEADER_WHY])
{
    int r = 0;

    if (!e->header) {
        r = format(e, config, key, why);
        if (!r)
            r = take_header(e, why);
    }
    if (!r)
        r = open_slot(e, key, why);
    if (r)
        return explain(r, why);
    if (secret_warning(why, HEADER_WHY))
        weir_report(e->below, WEIR_WARNING, "%s", why);
    remember(e);
    show(e, STATE_UNLOCKED, "");
    weir_unlock_export(e->below);
    rekey_resume(e);
    return 0;
}

int encryption_unlock(struct encryption *e, const struct encryption_config *config, bool *late)
{
    char why[HEADER_WHY] = "";
    struct secret key = { 0 };

    int r = encryption_prepare(e, config, why);
    *late = header_may_come(r);
    if (!r) {
        r = encryption_get_key(e, config->key, config, &key, why);
        *late = keys_may_come(r);
    }
    if (!r)
        r = encryption_open(e, config, &key, why);
    secret_clear(&key);
    if (r)
        encryption_lock(e, why);
    return r;
}

void encryption_stay_locked(struct encryption *e, const char *why)
{
    weir_lock_export(e->below, "%s", why);
    show(e, STATE_LOCKED, why);
}

void encryption_lock(struct encryption *e, const char *why)
{
    weir_lock_export(e->below, "%s", why);
    rekey_stop(e);
    lease_close(&e->lease);
    e->slot = -1;
    show(e, STATE_LOCKED, why);
}
