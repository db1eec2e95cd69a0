/* rekey-life.c - how does a deep rekey begin, stop, and go on in another process?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "encryption.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* ---- the medium: low in everybody's order ------------------------------------------ */

static int slow_read(void *arg, void *data, uint64_t length, uint64_t offset)
{
    struct encryption *e = arg;

    return weir_read(e->below, data, length, offset, WEIR_BACKGROUND);
}

static int slow_write(void *arg, const void *data, uint64_t length, uint64_t offset)
{
    struct encryption *e = arg;

    return weir_write(e->below, data, length, offset, WEIR_BACKGROUND);
}

static int slow_flush(void *arg)
{
    struct encryption *e = arg;

    return weir_flush(e->below, WEIR_BACKGROUND);
}

void rekey_init(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    gate_init(&r->gate);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->medium = (struct header_medium){
        .arg = e,
        .read = slow_read,
        .write = slow_write,
        .flush = slow_flush,
    };
}

static void forget(struct rekey *r)
{
    secret_clear(&r->volume);
    rekey_work_finish(&r->work);
}

void rekey_finish(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    rekey_stop(e);
    header_close(r->header);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    gate_finish(&r->gate);
}

/* ---- before the thread ------------------------------------------------------------- */

static int prepare(struct encryption *e, char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;
    struct rekey_work *w = &r->work;

    rekey_resize(e);
    rekey_again(e);
    w->medium = &r->medium;
    w->payload = e->payload;
    w->journal = r->about.journal;
    w->sector = e->sector;
    memcpy(w->id, r->about.id, sizeof w->id);
    if (!rekey_work_init(w))
        return 0;
    snprintf(why, HEADER_WHY, "no memory for the deep rekey");
    return -ENOMEM;
}

static int create_cipher(const struct encryption *e, struct sector_cipher **next,
                         char why[HEADER_WHY])
{
    struct header_about about;

    header_about(e->header, &about);
    return sector_cipher_create(about.cipher, about.mode, &e->rekey.volume, about.sector, next, why,
                                HEADER_WHY);
}

/* The gate as it is when the first request comes. */
static void set_gate(struct rekey *r, bool on, uint64_t position)
{
    gate_bar(&r->gate, 0, 0);
    gate_open(&r->gate, position);
    atomic_store(&r->gate.on, on);
}

/* ---- begin ------------------------------------------------------------------------- */

/* What the header on the medium says now: an attempt that failed may have got as far. */
static int look_again(struct encryption *e, char why[HEADER_WHY])
{
    struct header_rekey now;
    struct header *header;

    int r = header_open(&e->medium, &header, why);
    if (r)
        return r;
    bool there = !header_rekey_look(header, &now);
    header_close(header);
    if (!there)
        return 0;
    snprintf(why, HEADER_WHY,
             "the header on the disk tells of a deep rekey that began: lock and "
             "unlock the disk, and it goes on");
    return -EBUSY;
}

static int new_volume_key(struct encryption *e, char why[HEADER_WHY])
{
    struct secret *volume = &e->rekey.volume;
    struct header_about about;

    header_about(e->header, &about);
    volume->size = about.key_bits / 8;
    volume->data = secret_alloc(volume->size);
    if (!volume->data) {
        snprintf(why, HEADER_WHY, "no room for a volume key in locked memory: raise LimitMEMLOCK");
        return -ENOMEM;
    }
    if (getrandom(volume->data, volume->size, 0) == (ssize_t)volume->size)
        return 0;
    snprintf(why, HEADER_WHY, "the kernel gives no random bytes");
    return -EIO;
}

int rekey_begin(struct encryption *e, const struct secret *key, int slot,
                const struct header_format *pbkdf, char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;
    struct sector_cipher *next = NULL;

    int error = look_again(e, why);
    if (!error)
        error = header_rekey_plan(e->header, e->block, &r->about, why);
    if (!error)
        error = new_volume_key(e, why);
    if (!error)
        error = create_cipher(e, &next, why);
    if (!error)
        error = prepare(e, why);
    if (!error) {
        error = rekey_journal_create(&r->work);
        if (error)
            snprintf(why, HEADER_WHY, "its progress cannot be written: %s", strerror(-error));
    }
    if (!error) /* from here on a crash resumes it */
        error = header_rekey_begin(e->header, key, slot, pbkdf, &r->about, &r->volume, why);
    if (error) {
        sector_cipher_destroy(next);
        forget(r);
        return error;
    }
    r->work.old = atomic_load(&e->lease.cipher);
    r->work.next = next;
    lease_add(&e->lease, next);
    set_gate(r, true, 0);
    return rekey_start(e, why);
}

/* ---- resume ------------------------------------------------------------------------ */

static int load_journal(struct encryption *e, char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;
    const struct rekey_record *record = &r->work.record;

    int error = rekey_journal_load(&r->work);
    if (!error && (record->position > e->size || record->length > e->size - record->position ||
                   (record->position | record->length) % e->sector))
        error = -EBADMSG;
    if (error == -EBADMSG)
        snprintf(why, HEADER_WHY,
                 "a deep rekey is under way, and its progress at byte %" PRIu64
                 " of the disk cannot be read: it is damaged, or the disk is cut short; bring "
                 "that back, as nothing else tells which key is whose",
                 r->about.journal);
    else if (error)
        snprintf(why, HEADER_WHY, "the progress of the deep rekey cannot be read: %s",
                 strerror(-error));
    return error;
}

static int load(struct encryption *e, const struct secret *key, struct sector_cipher **next,
                char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;

    int error = header_rekey_unlock(e->header, &r->about, key, &r->volume, why);
    if (!error)
        error = create_cipher(e, next, why);
    if (!error)
        error = prepare(e, why);
    if (!error)
        error = load_journal(e, why);
    if (!error)
        return 0;
    sector_cipher_destroy(*next);
    *next = NULL;
    forget(r);
    return error;
}

int rekey_load(struct encryption *e, const struct secret *key, struct sector_cipher **next,
               char why[HEADER_WHY])
{
    struct rekey *r = &e->rekey;

    *next = NULL;
    if (lease_busy(&e->lease)) /* open_cipher() refuses; until then the gate stays as it is */
        return 0;
    if (header_rekey_look(e->header, &r->about)) {
        set_gate(r, false, 0);
        return 0;
    }
    if (!r->about.done)
        return load(e, key, next, why);
    set_gate(r, false, 0);
    if (!e->medium.read_only && header_rekey_clean(e->header, why))
        weir_report(e->below, WEIR_WARNING,
                    "the deep rekey has ended, but what it has left is not wiped: %s", why);
    *why = '\0';
    return 0;
}

static int finish_chunk(struct encryption *e)
{
    struct rekey_work *w = &e->rekey.work;
    uint32_t old, units;

    if (!e->medium.read_only)
        return rekey_chunk_finish(w);
    int error = rekey_chunk_look(w, &old, &units);
    if (error)
        return error;
    if (old && old != units)
        return -EROFS;
    w->record.position += old ? 0 : w->record.length;
    w->record.length = 0;
    return 0;
}

void rekey_recover(struct encryption *e, struct sector_cipher *old, struct sector_cipher *next)
{
    struct rekey *r = &e->rekey;
    struct rekey_work *w = &r->work;
    const uint64_t from = w->record.position;

    w->old = old;
    w->next = next;
    int error = finish_chunk(e);
    set_gate(r, true, w->record.position);
    if (!error)
        return;
    gate_bar(&r->gate, from, from + w->record.length);
    rekey_pause(e, strerror(-error));
    weir_report(e->below, WEIR_WARNING,
                "the deep rekey was cut short at byte %" PRIu64
                ", and the chunk there, of both keys, cannot be finished: %s; requests to it fail",
                from, strerror(-error));
}

void rekey_resume(struct encryption *e)
{
    struct rekey *r = &e->rekey;
    char why[HEADER_WHY];

    if (!gate_on(&r->gate))
        return;
    if (e->medium.read_only) {
        rekey_pause(e, "the export is read-only");
        return;
    }
    if (!rekey_pending(&r->work)) /* else it pauses, and has said why */
        weir_report(e->below, WEIR_INFO, "the deep rekey goes on at byte %" PRIu64,
                    r->work.record.position);
    if (rekey_start(e, why)) /* the disk is served as it is */
        weir_report(e->below, WEIR_WARNING, "the deep rekey does not go on: %s", why);
}

/* ---- stop -------------------------------------------------------------------------- */

void rekey_stop(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    if (r->running) {
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        r->running = false;
    }
    forget(r);
    if (!r->header)
        return;
    header_close(e->header);
    e->header = r->header;
    r->header = NULL;
    e->slot = r->about.new_slot;
}

void rekey_settle(struct encryption *e)
{
    struct rekey *r = &e->rekey;

    if (!r->running)
        return;
    pthread_mutex_lock(&r->lock);
    bool ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    if (ended)
        rekey_stop(e);
}
