/* rekey-journal.c - how is the progress of a deep rekey kept on the medium?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A record, little-endian, padded to whole blocks:
 *     0  "weir rekey" and zeroes  16
 *    16  id of the rekey          16
 *    32  seq                       8
 *    40  position                  8
 *    48  length                    4
 *   480  SHA-256 of all but these 32 bytes
 *   512  a sum for each 512 bytes of the chunk
 * Even numbers go to the first place, odd ones to the second. */
#include "rekey-journal.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>

static const uint8_t magic[16] = "weir rekey";

enum { AT_ID = 16, AT_SEQ = 32, AT_POSITION = 40, AT_LENGTH = 48, AT_DIGEST = 480, DIGEST = 32 };
enum { HEAD = 512 };
_Static_assert(HEAD + REKEY_UNITS * REKEY_SUM <= REKEY_RECORD, "a record has its place");

static void *map(size_t size)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED)
        return NULL;
    madvise(data, size, MADV_DONTDUMP);
    return data;
}

int rekey_work_init(struct rekey_work *w)
{
    w->record_image = map(REKEY_RECORD);
    w->data = map(REKEY_CHUNK);
    if (w->record_image && w->data)
        return 0;
    rekey_work_finish(w);
    return -ENOMEM;
}

void rekey_work_finish(struct rekey_work *w)
{
    if (w->record_image)
        munmap(w->record_image, REKEY_RECORD);
    if (w->data) {
        secret_wipe(w->data, REKEY_CHUNK);
        munmap(w->data, REKEY_CHUNK);
    }
    w->record_image = w->data = NULL;
}

/* ---- numbers and sums ------------------------------------------------------------ */

static void put64(uint8_t *to, uint64_t n)
{
    n = htole64(n);
    memcpy(to, &n, sizeof n);
}

static uint64_t get64(const uint8_t *from)
{
    uint64_t n;

    memcpy(&n, from, sizeof n);
    return le64toh(n);
}

static int digest(const uint8_t *data, size_t size, uint8_t sum[DIGEST])
{
    return EVP_Digest(data, size, sum, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int rekey_journal_sum(const uint8_t *data, uint32_t length, uint8_t sums[][REKEY_SUM])
{
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); /* once, not for each unit */
    uint8_t sum[DIGEST];
    int r = sha256 ? 0 : -ENOMEM;

    for (uint32_t i = 0; !r && i < length / REKEY_UNIT; i++) {
        if (EVP_Digest(data + (size_t)i * REKEY_UNIT, REKEY_UNIT, sum, NULL, sha256, NULL) != 1)
            r = -ENOMEM;
        else
            memcpy(sums[i], sum, REKEY_SUM);
    }
    EVP_MD_free(sha256);
    return r;
}

/* ---- records --------------------------------------------------------------------- */

static uint64_t place(const struct rekey_work *w, uint64_t seq)
{
    return w->journal + (seq & 1) * REKEY_RECORD;
}

static uint64_t used(uint32_t length)
{
    return HEAD + (uint64_t)length / REKEY_UNIT * REKEY_SUM;
}

static int write_record(struct rekey_work *w)
{
    const struct rekey_record *record = &w->record;
    uint8_t *image = w->record_image;
    const uint64_t size = used(record->length);

    memset(image, 0, REKEY_RECORD);
    memcpy(image, magic, sizeof magic);
    memcpy(image + AT_ID, w->id, REKEY_ID);
    put64(image + AT_SEQ, record->seq);
    put64(image + AT_POSITION, record->position);
    put64(image + AT_LENGTH, record->length);
    memcpy(image + HEAD, record->sums, size - HEAD);
    int r = digest(image, size, image + AT_DIGEST);
    if (r)
        return r;
    const uint64_t blocks = (size + REKEY_BLOCK - 1) / REKEY_BLOCK * REKEY_BLOCK;
    return w->medium->write(w->medium->arg, image, blocks, place(w, record->seq));
}

int rekey_journal_save(struct rekey_work *w, bool again)
{
    if (!again)
        w->record.seq++;
    w->durable = false;
    int r = write_record(w);
    if (!r)
        r = w->medium->flush(w->medium->arg);
    w->durable = !r;
    return r;
}

int rekey_journal_create(struct rekey_work *w)
{
    w->record.seq = w->record.position = w->record.length = 0;
    memset(w->record_image, 0, REKEY_RECORD);
    int r = w->medium->write(w->medium->arg, w->record_image, REKEY_RECORD, place(w, 1));
    return r ? r : rekey_journal_save(w, true);
}

/* 0; -EBADMSG: it is no whole record of this rekey. */
static int read_record(struct rekey_work *w, uint64_t seq, struct rekey_record *record)
{
    uint8_t *image = w->record_image, said[DIGEST], sum[DIGEST];

    int r = w->medium->read(w->medium->arg, image, REKEY_RECORD, place(w, seq));
    if (r)
        return r;
    record->seq = get64(image + AT_SEQ);
    record->position = get64(image + AT_POSITION);
    const uint64_t length = get64(image + AT_LENGTH);
    if (memcmp(image, magic, sizeof magic) || memcmp(image + AT_ID, w->id, REKEY_ID) ||
        length > REKEY_CHUNK || length % REKEY_UNIT || record->position % REKEY_UNIT)
        return -EBADMSG;
    record->length = (uint32_t)length;
    memcpy(said, image + AT_DIGEST, DIGEST);
    memset(image + AT_DIGEST, 0, DIGEST);
    r = digest(image, used(record->length), sum);
    if (r)
        return r;
    if (memcmp(said, sum, DIGEST) || (record->seq & 1) != (seq & 1))
        return -EBADMSG;
    memcpy(record->sums, image + HEAD, used(record->length) - HEAD);
    return 0;
}

int rekey_journal_load(struct rekey_work *w)
{
    struct rekey_record other; /* 32 KiB */

    w->durable = true;
    int first = read_record(w, 0, &w->record);
    if (first && first != -EBADMSG)
        return first;
    int second = read_record(w, 1, &other);
    if (second && second != -EBADMSG)
        return second;
    if (!second && (first || other.seq > w->record.seq))
        w->record = other;
    return first && second ? -EBADMSG : 0;
}
