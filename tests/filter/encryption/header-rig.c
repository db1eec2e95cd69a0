/* header-rig.c - what is a disk in memory that remembers what was written and flushed?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "header-rig.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t random_state; /* of rig_random() */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "the rig cannot go on: %s\n", what);
    abort();
}

uint64_t rig_begin(void)
{
    char why[HEADER_WHY] = "";
    const char *seed = getenv("WEIR_TEST_SEED");

    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
    printf("WEIR_TEST_SEED=%llu\n", (unsigned long long)random_state);
    fflush(stdout);
    if (secret_init(why, sizeof why))
        must(false, why);
    return random_state;
}

/* splitmix64 */
uint64_t rig_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct secret rig_secret(const char *text)
{
    struct secret s = { 0 };

    must(!secret_copy(&s, text, strlen(text)), "no room for secrets");
    return s;
}

/* ---- the disk ---------------------------------------------------------------------- */

static int rig_read(void *arg, void *data, uint64_t length, uint64_t offset)
{
    struct rig *rig = arg;

    if (offset > rig->medium.size || length > rig->medium.size - offset)
        return -EINVAL;
    memcpy(data, rig->disk + offset, length);
    return 0;
}

static int record(struct rig *rig, const void *data, uint64_t length, uint64_t offset)
{
    must(rig->count < RIG_OPS && offset + length <= RIG_HEAD, "a change larger than expected");
    if (rig->count == rig->fail) {
        rig->fail = -1;
        return -EIO;
    }
    struct rig_op *op = &rig->ops[rig->count++];
    *op = (struct rig_op){ offset, length, NULL };
    if (length) {
        op->data = malloc(length);
        must(op->data != NULL, "no memory");
        memcpy(op->data, data, length);
        memcpy(rig->disk + offset, data, length);
    }
    return 0;
}

static int rig_write(void *arg, const void *data, uint64_t length, uint64_t offset)
{
    struct rig *rig = arg;

    if (rig->medium.read_only)
        return -EROFS;
    if (!length || offset > rig->medium.size || length > rig->medium.size - offset)
        return -EINVAL;
    return record(rig, data, length, offset);
}

static int rig_do_flush(void *arg)
{
    return record(arg, NULL, 0, 0);
}

struct rig *rig_create(void)
{
    struct rig *rig = calloc(1, sizeof *rig);

    must(rig != NULL, "no memory");
    rig->fail = -1;
    rig->fd = memfd_create("disk", MFD_CLOEXEC);
    must(rig->fd >= 0 && !ftruncate(rig->fd, RIG_SIZE), "no disk");
    rig->disk = mmap(NULL, RIG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, rig->fd, 0);
    rig->snapshot = malloc(RIG_HEAD);
    must(rig->disk != MAP_FAILED && rig->snapshot, "no memory");
    rig->medium = (struct header_medium){ rig, RIG_SIZE, false, rig_read, rig_write, rig_do_flush };
    rig_keep(rig);
    return rig;
}

static void forget_ops(struct rig *rig)
{
    while (rig->count)
        free(rig->ops[--rig->count].data);
}

void rig_destroy(struct rig *rig)
{
    forget_ops(rig);
    munmap(rig->disk, RIG_SIZE);
    close(rig->fd);
    free(rig->snapshot);
    free(rig);
}

void rig_format(struct rig *rig, int version, unsigned key_bits, const char *key,
                struct secret *volume)
{
    const struct crypt_pbkdf_type pbkdf = { .type = CRYPT_KDF_PBKDF2,
                                            .hash = "sha256",
                                            .iterations = 1000,
                                            .flags = CRYPT_PBKDF_NO_BENCHMARK };
    const char *type = version == 1 ? CRYPT_LUKS1 : CRYPT_LUKS2;
    struct crypt_params_luks1 luks1 = { .hash = "sha256" };
    struct crypt_params_luks2 luks2 = { .sector_size = 512 };
    struct crypt_device *device;
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", rig->fd);
    crypt_metadata_locking(NULL, 0);
    memset(rig->disk, 0, RIG_HEAD);
    must(!crypt_init(&device, path) && !crypt_set_pbkdf_type(device, &pbkdf) &&
             !crypt_format(device, type, "aes", "xts-plain64", NULL, NULL, key_bits / 8,
                           version == 1 ? (void *)&luks1 : (void *)&luks2) &&
             crypt_keyslot_add_by_volume_key(device, 0, NULL, 0, key, strlen(key)) == 0,
         "libcryptsetup does not format");
    crypt_free(device);
    *volume = rig_volume(rig, key);
    rig_keep(rig);
}

void rig_convert(struct rig *rig)
{
    struct crypt_device *device;
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", rig->fd);
    must(!crypt_init(&device, path) && !crypt_load(device, CRYPT_LUKS1, NULL) &&
             !crypt_convert(device, CRYPT_LUKS2, NULL),
         "libcryptsetup does not convert");
    crypt_free(device);
    rig_keep(rig);
}

struct secret rig_volume(struct rig *rig, const char *key)
{
    struct secret k = rig_secret(key), volume = { 0 };
    struct header *header;
    char why[HEADER_WHY];
    int slot;

    if (header_open(&rig->medium, &header, why) || header_unlock(header, &k, &volume, &slot, why))
        must(false, why);
    header_close(header);
    secret_clear(&k);
    return volume;
}

void rig_keep(struct rig *rig)
{
    forget_ops(rig);
    memcpy(rig->snapshot, rig->disk, RIG_HEAD);
}

void rig_back(struct rig *rig)
{
    forget_ops(rig);
    memcpy(rig->disk, rig->snapshot, RIG_HEAD);
}

static int try_key(struct header *header, const char *key, const struct secret *volume)
{
    struct secret k = rig_secret(key), v;
    char why[HEADER_WHY];
    int slot;

    int r = header_unlock(header, &k, &v, &slot, why);
    if (!r && (v.size != volume->size || memcmp(v.data, volume->data, v.size)))
        r = -EKEYREJECTED;
    secret_clear(&v);
    secret_clear(&k);
    return r;
}

struct rig_look rig_look(struct rig *rig, const char *first, const char *second,
                         const struct secret *volume)
{
    struct header_slot slots[HEADER_SLOTS];
    struct header *header;
    char why[HEADER_WHY];
    struct rig_look look = { .key = { -ENOENT, -ENOENT } };

    look.open = header_open(&rig->medium, &header, why);
    if (look.open)
        return look;
    for (size_t i = 0; i < header_slots(header, slots); i++)
        look.slots |= 1u << slots[i].slot;
    if (first)
        look.key[0] = try_key(header, first, volume);
    if (second)
        look.key[1] = try_key(header, second, volume);
    header_close(header);
    return look;
}

/* ---- crashes ------------------------------------------------------------------------ */

int rig_flush(const struct rig *rig, int nth)
{
    for (int i = 0; i < rig->count; i++)
        if (!rig->ops[i].length && !nth--)
            return i;
    return -1;
}

/* How much of a write has arrived? */
enum part { PART_ALL, PART_NONE, PART_ONE, PART_BUT_ONE, PART_SOME, PARTS };

/* Only sectors that it changes count: others would be as before whatever happens. */
static void write_part(struct rig *rig, const struct rig_op *op, enum part part, uint64_t one)
{
    uint64_t sectors = op->length / RIG_SECTOR, changed = 0, nth = 0;
    unsigned odds = 1 + (unsigned)(rig_random() % 255);

    for (uint64_t at = 0; at < op->length; at += RIG_SECTOR)
        changed += memcmp(rig->disk + op->offset + at, op->data + at, RIG_SECTOR) != 0;
    for (uint64_t i = 0; i < sectors && changed; i++) {
        uint8_t *to = rig->disk + op->offset + i * RIG_SECTOR, *from = op->data + i * RIG_SECTOR;
        if (!memcmp(to, from, RIG_SECTOR))
            continue;
        bool chosen = nth++ == one % changed;
        if (part == PART_ALL || (part == PART_ONE && chosen) || (part == PART_BUT_ONE && !chosen) ||
            (part == PART_SOME && (rig_random() & 255) < odds))
            memcpy(to, from, RIG_SECTOR);
    }
}

struct play {
    const struct rig_op *ops;
    int count, without;
};

static bool is_flush(const struct play *play, int i)
{
    return !play->ops[i].length && i != play->without;
}

/* Ops before `from` have arrived in whole; of those up to `to` any part: of the last one by
 * turns all, each sector alone, all but that, and some.  A turn of -1: they have arrived, too. */
static void lay(struct rig *rig, const struct play *play, int from, int to, int turn)
{
    static const enum part by_turns[] = { PART_ALL, PART_ONE, PART_BUT_ONE, PART_SOME };

    memcpy(rig->disk, rig->snapshot, RIG_HEAD);
    for (int i = 0; i < to; i++) {
        const struct rig_op *op = &play->ops[i];
        enum part part = (enum part)(rig_random() % PARTS);
        if (!op->length)
            continue;
        if (i < from || turn < 0)
            part = PART_ALL;
        else if (i == to - 1)
            part = by_turns[turn % 4];
        write_part(rig, op, part,
                   turn < 0 ? 0 : (uint64_t)turn / 4 + (i < to - 1 ? rig_random() % 64 : 0));
    }
}

const char *rig_replay(struct rig *rig, int without, int tries, rig_judge *judge, void *arg)
{
    struct rig_op ops[RIG_OPS];
    struct play play = { ops, rig->count, without };
    const char *wrong = NULL;

    memcpy(ops, rig->ops, sizeof ops); /* the judge opens headers, which may repair them */
    rig->count = 0;
    for (int to = 0, from = 0; !wrong && to <= play.count; to++) {
        if (to && is_flush(&play, to - 1))
            from = to;
        lay(rig, &play, from, to, -1);
        wrong = judge(rig, to == play.count, arg);
        forget_ops(rig);
        bool last = to == play.count || is_flush(&play, to);
        for (int turn = 0; !wrong && last && from < to && turn < tries; turn++) {
            lay(rig, &play, from, to, turn);
            wrong = judge(rig, to == play.count, arg);
            forget_ops(rig);
        }
    }
    memcpy(rig->ops, ops, sizeof ops);
    rig->count = play.count;
    return wrong;
}
