/* rekey-chunk.c - how does a chunk go over to the new key, so that a crash at any point loses none
 * of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rekey-journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_data(struct rekey_work *w, uint32_t length)
{
    return w->medium->read(w->medium->arg, w->data, length, w->payload + w->record.position);
}

/* What is in `data`, of the new key, becomes durable, and the position moves on. */
static int write_data(struct rekey_work *w)
{
    const uint32_t length = w->record.length;

    int r = sector_encrypt(w->next, w->data, w->data, length, w->record.position);
    if (!r)
        r = w->medium->write(w->medium->arg, w->data, length, w->payload + w->record.position);
    if (!r)
        r = w->medium->flush(w->medium->arg);
    if (r)
        return r;
    w->record.position += length;
    w->record.length = 0;
    return 0;
}

int rekey_chunk(struct rekey_work *w, uint32_t length)
{
    if (length % w->sector || length > REKEY_CHUNK)
        return -EINVAL;
    int r = read_data(w, length);
    if (!r) /* or the record could arrive, and what it has the sums of not */
        r = w->medium->flush(w->medium->arg);
    if (!r)
        r = rekey_journal_sum(w->data, length, w->record.sums);
    if (r)
        return r;
    w->record.length = length; /* from here on the record may be on the medium */
    r = rekey_journal_save(w, false);
    if (r)
        return r;
    r = sector_decrypt(w->old, w->data, w->data, length, w->record.position);
    return r ? r : write_data(w);
}

/* ---- after an error or a crash ----------------------------------------------------- */

static int look(struct rekey_work *w, uint8_t sums[][REKEY_SUM], uint32_t *old)
{
    const uint32_t length = w->record.length;

    int r = read_data(w, length);
    if (!r)
        r = rekey_journal_sum(w->data, length, sums);
    *old = 0;
    for (uint32_t i = 0; !r && i < length / REKEY_UNIT; i++)
        *old += !memcmp(sums[i], w->record.sums[i], REKEY_SUM);
    return r;
}

int rekey_chunk_look(struct rekey_work *w, uint32_t *old, uint32_t *units)
{
    uint8_t(*sums)[REKEY_SUM] = malloc(sizeof w->record.sums);

    *units = w->record.length / REKEY_UNIT;
    int r = sums ? look(w, sums, old) : -ENOMEM;
    free(sums);
    return r;
}

/* `data` holds cipher text of both keys: each unit is decrypted with its own. */
static int decrypt_both(struct rekey_work *w, uint8_t sums[][REKEY_SUM])
{
    const uint32_t length = w->record.length;
    struct rekey_work plain = { 0 };

    int r = rekey_work_init(&plain); /* for its buffer that no dump shows */
    if (!r)
        r = sector_decrypt(w->old, plain.data, w->data, length, w->record.position);
    if (!r)
        r = sector_decrypt(w->next, w->data, w->data, length, w->record.position);
    for (uint32_t i = 0; !r && i < length / REKEY_UNIT; i++)
        if (!memcmp(sums[i], w->record.sums[i], REKEY_SUM))
            memcpy(w->data + (size_t)i * REKEY_UNIT, plain.data + (size_t)i * REKEY_UNIT,
                   REKEY_UNIT);
    rekey_work_finish(&plain);
    return r;
}

int rekey_chunk_finish(struct rekey_work *w)
{
    if (!rekey_pending(w))
        return 0;
    uint8_t(*sums)[REKEY_SUM] = malloc(sizeof w->record.sums);
    uint32_t old = 0;
    int r = sums ? 0 : -ENOMEM;

    if (!r && !w->durable)
        r = rekey_journal_save(w, true);
    if (!r)
        r = look(w, sums, &old);
    if (!r && !old) { /* only known to be written, perhaps not to be durable */
        r = w->medium->flush(w->medium->arg);
        w->record.position += r ? 0 : w->record.length;
        w->record.length = r ? w->record.length : 0;
    } else if (!r) {
        r = decrypt_both(w, sums);
        if (!r)
            r = write_data(w);
    }
    free(sums);
    return r;
}
