/* header.h - what does a LUKS header say, and how does it change so that a crash leaves one that
 * opens?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * libcryptsetup works on files.  Ours is a memfd of the size of the medium in which only the
 * header is present: read from the medium before, and written back after a change, in an
 * order that leaves at each moment, whatever of the unsynced writes has arrived, a header
 * that opens with at least one of the keys that it is meant to open with, and no material of a slot
 * that it does not name:
 *   adding:   key material, flush, primary header, flush, secondary header, flush
 *   removing: the same, the material overwritten
 * (LUKS1 has one header: material, flush, header, flush.)
 *
 * A damaged primary header of LUKS2 is repaired from the secondary one, and said. */
#ifndef ENCRYPTION_HEADER_H
#define ENCRYPTION_HEADER_H

#include "secret.h"

/* Where the header lies: bytes of the whole medium.  0 or -errno each. */
struct header_medium {
    void *arg;
    uint64_t size; /* bytes */
    bool read_only;
    int (*read)(void *arg, void *data, uint64_t length, uint64_t offset);
    int (*write)(void *arg, const void *data, uint64_t length, uint64_t offset);
    int (*flush)(void *arg);
};

enum { HEADER_WHY = 512, HEADER_SLOTS = 32, HEADER_UUID = 40 };

struct header_about {
    unsigned version;  /* 1 or 2 */
    char cipher[32];   /* "aes" */
    char mode[32];     /* "xts-plain64" */
    unsigned key_bits; /* of both halves together: 256 or 512 */
    uint32_t sector;   /* bytes */
    uint64_t offset;   /* bytes: of the payload on the medium */
    char uuid[HEADER_UUID];
    bool repaired; /* the primary header was damaged; the secondary one serves */
};

struct header;

/* 0; -ENODATA: all zero where a header would be; -EMEDIUMTYPE: no LUKS header but something
 * else; -EBADMSG: a LUKS header that is damaged beyond its copy; -ENOTSUP: one that asks for what
 * we do not do (cipher, integrity, detached payload, re-encryption under way by others); -EFBIG:
 * the payload does not fit on the medium; or another -errno.  Each but -ENODATA with a sentence and
 * its remedy. */
int header_open(const struct header_medium *, struct header **, char why[HEADER_WHY]);
/* After such an error: is it the medium that did not answer, and may answer later? */
bool header_may_come(int error);
void header_close(struct header *); /* NULL is fine */
void header_about(const struct header *, struct header_about *);
/* Does each sector of a payload of so many bytes have a tweak of its own? */
bool header_counts(const struct header_about *, uint64_t payload);

/* The volume key that `key` opens, and by which slot: 0; -EACCES: none of the slots; or -errno.
 * As slow as the key slot was made to be. */
int header_unlock(struct header *, const struct secret *key, struct secret *volume, int *slot,
                  char why[HEADER_WHY]);

struct header_format {
    unsigned key_bits; /* 256 or 512 */
    uint32_t sector;   /* 512 or 4096 */
    const char *pbkdf; /* "argon2id" (default), "pbkdf2" */
    /* 0: libcryptsetup's default; else how long it shall take; below 10 what LUKS allows at least
     */
    uint64_t pbkdf_ms;
    uint32_t pbkdf_memory; /* KiB, at most; 0: default */
};
/* Has the medium a size that can be formatted so?  0; -EFBIG: too small; -EINVAL: its end is no
 * whole sector. */
int header_format_fits(const struct header_medium *, const struct header_format *,
                       char why[HEADER_WHY]);
/* A new LUKS2 header on a medium that must be all zero where the header goes and at its
 * beginning (`header_open` said -ENODATA), with `key` in slot 0.  It is readable in whole or not
 * there. */
int header_format(const struct header_medium *, const struct header_format *,
                  const struct secret *key, struct header **, char why[HEADER_WHY]);

/* Key slots.  `old` opens the header.  0 or -errno with a sentence; the header in memory is then as
 * before, and the one on the medium is one of both. */
int header_add_key(struct header *, const struct secret *old, const struct secret *key,
                   const struct header_format *pbkdf, int *slot, char why[HEADER_WHY]);
/* Refuses the last one (-EBUSY). */
int header_remove_slot(struct header *, int slot, char why[HEADER_WHY]);
struct header_slot {
    int slot;
    char pbkdf[16]; /* "argon2id" */
    bool unbound;   /* of another volume key */
};
size_t header_slots(const struct header *, struct header_slot slots[HEADER_SLOTS]);

/* LUKS2 tokens by their number, as text to free(); keys.h asks them.  -ENODATA: none has this
 * number; -ENOENT: none can have it, it is past the last. */
int header_token(const struct header *, int token, char **json);

#endif
