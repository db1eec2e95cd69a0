/* encryption.h - what does the encryption of one disk know?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The core makes one call of the control path at a time (attach, geometry, apply, verbs,
 * detach), so what only those use needs no lock.  Requests come on many threads and take
 * the cipher by a lease; people read statistics on threads of their own, from `view`. */
#ifndef ENCRYPTION_H
#define ENCRYPTION_H

#include "header.h"
#include "keys.h"
#include "late.h"
#include "lease.h"
#include "rekey.h"
#include "weir-filter.h"

#include <pthread.h>

enum discard { DISCARD_IGNORE, DISCARD_PASS };
/* Where the payload of a LUKS2 disk begins that is formatted here; before it is the header. */
enum { USUAL_PAYLOAD = 16 << 20 };
#define ENCRYPTION_BY_HAND "the verb lock took the key away: unlock asks for it again"
enum encryption_state { STATE_LOCKED, STATE_UNLOCKED };

struct encryption_config {
    const char *key;      /* keys.h */
    uint64_t key_timeout; /* ns */
    bool format;
    int64_t key_bits;      /* of a disk that is formatted: 128 or 256 */
    uint64_t sector_size;  /* the same: 512 or 4096 */
    int pbkdf;             /* the same, and of new key slots */
    uint64_t pbkdf_time;   /* ns; 0: libcryptsetup's */
    uint64_t pbkdf_memory; /* bytes; 0: libcryptsetup's */
    int discard;
};

struct encryption_stats {
    weir_counter bytes_encrypted, bytes_decrypted, partial_sector_writes;
    struct weir_histogram encrypt_time, decrypt_time; /* ns */
};

/* What people may read of it at any time. */
struct encryption_view {
    enum encryption_state state;
    struct header_about about; /* .version 0: no header is known */
    char provider[16];
    char why[HEADER_WHY]; /* why it is locked; "" while it is not */
};

/* One disk: self. */
struct encryption {
    struct weir_below *below;
    struct header_medium medium; /* the disk below */
    _Atomic uint32_t block;      /* bytes: of the disk below, 1 at least */
    uint64_t payload;            /* bytes: where it begins on the medium */
    uint64_t size;               /* bytes: how long it is */
    uint32_t sector;             /* bytes */
    bool shown;                  /* the three above have been told to the layers above */
    bool trim;                   /* that TRIM exists was told to them, too */
    struct lease lease;          /* the cipher, for requests */
    struct rekey rekey;          /* the way to another volume key */
    struct late late;            /* a key that is asked for in the background */

    /* control path, and the thread of `late` in its turn */
    struct header *header; /* NULL: none could be read */
    int slot;              /* that the key of the options opened; -1: none */

    pthread_mutex_t lock; /* guards `view`, for the time of a copy; a leaf */
    struct encryption_view view;
};

/* A request on its way down and up: weir_scratch(). */
struct encryption_use {
    struct sector_cipher *cipher; /* NULL: none is lent */
    unsigned user;
    struct sector_cipher *next; /* while the volume key changes: of what lies before `split` */
    uint64_t split;             /* bytes; 0: all is of `cipher` */
    struct rekey_read read;
    void *hidden; /* what a write stores; of malloc() */
};

/* ---- unlock.c: how does a disk get its key, and lose it? ---------------------- */

/* Before anybody is asked for the key: reads the header, or sees that an empty disk may be
 * formatted: `header` is NULL then.  0 or -errno with the sentence. */
int encryption_prepare(struct encryption *, const struct encryption_config *, char why[HEADER_WHY]);
/* After that, with the key: formats where nothing is, and serves the disk. */
int encryption_open(struct encryption *, const struct encryption_config *, const struct secret *key,
                    char why[HEADER_WHY]);
/* All of it, or the export is locked and view.why has the sentence.  0 or -errno; `late`: the key
 * could not be had now, or the header not be read, and may be later. */
int encryption_unlock(struct encryption *, const struct encryption_config *, bool *late);
/* Requests that are under way end as they began, and the last one wipes the key. */
void encryption_lock(struct encryption *, const char *why);
/* The same for a disk that is locked already, with a sentence of its own. */
void encryption_stay_locked(struct encryption *, const char *why);
/* Whether the verb `lock` is in force, however often the disk is attached.  0; -EACCES: it is, or
 * that is not known. */
int encryption_judge_lock(struct encryption *, char why[HEADER_WHY]);
int encryption_note_lock(struct encryption *, bool locked); /* 0 or -errno */
int encryption_get_key(struct encryption *, const char *key, const struct encryption_config *,
                       struct secret *, char why[HEADER_WHY]);
/* The same on another thread: with a header of its own, and until `stop` can be read. */
int encryption_ask(struct encryption *, const struct header *, const struct encryption_config *,
                   const int *stop, struct secret *, char why[HEADER_WHY]);
/* How a header and its new key slots are made. */
struct header_format encryption_format(const struct encryption_config *);
void encryption_look(struct encryption *, struct encryption_view *);

/* ---- medium.c: the disk below, as a header wants it ---------------------------- */

void medium_init(struct encryption *);
/* Is each byte zero, from `from` on?  0, -EEXIST with *where the first that is not, or another
 * -errno. */
int medium_empty(struct encryption *, uint64_t from, uint64_t *where);

/* ---- request.c, partial.c: the data path --------------------------------------- */

enum weir_verdict encryption_down(void *self, struct weir_request *);
enum weir_verdict encryption_up(void *self, struct weir_request *);
/* As sector_encrypt() and sector_decrypt(), with the key that each part is of. */
int use_encrypt(const struct encryption_use *, void *to, const void *from, uint64_t length,
                uint64_t offset);
int use_decrypt(const struct encryption_use *, void *to, const void *from, uint64_t length,
                uint64_t offset);
/* Those that begin or end inside a sector: the verdict of down(). */
enum weir_verdict partial_read(struct encryption *, const struct encryption_use *,
                               struct weir_request *);
enum weir_verdict partial_write(struct encryption *, const struct encryption_use *,
                                struct weir_request *);

/* ---- tables.c, verbs.c ---------------------------------------------------------- */

extern const struct weir_option encryption_options[];
extern const struct weir_stat encryption_stats[];
extern const struct weir_verb encryption_verbs[];
const char *encryption_pbkdf(int choice);                                          /* the word */
const char *encryption_state(struct encryption *, const struct encryption_view *); /* the word */

#endif
