/* state.h - what did a disk hold at an LSN?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What the index says up to there, over the base.  A fold may change the base meanwhile, but only
 * where an entry of the index, not newer than the horizon that it moves to, says what it writes: so
 * whoever looks into the index first is right, as long as the LSN is not before that horizon. */
#ifndef WEIR_VAULT_STATE_H
#define WEIR_VAULT_STATE_H

#include "group.h"

enum piece_kind { PIECE_BASE, PIECE_ZERO, PIECE_LOG };
struct piece {
    enum piece_kind kind;
    unsigned disk;
    uint64_t offset, length;
    uint64_t lsn, position, at; /* of ZERO and LOG; at: of LOG */
};

/* Calls each() for pieces that make up the range, ascending; stops at what is not 0 and returns
 * that. */
int state_pieces(struct index_view *, unsigned disk, uint64_t offset, uint64_t length,
                 int (*each)(void *arg, const struct piece *), void *arg);
/* `length` bytes that begin `skip` bytes into the piece. */
int piece_read(struct group *, const struct piece *, uint64_t skip, void *data, size_t length);
int state_read(struct group *, struct index_view *, unsigned disk, uint64_t offset, void *data,
               size_t length);
/* Does each() of the parts of a range of the base: of zeroes where it has a hole. */
int base_parts(struct group *, const struct piece *, int (*each)(void *arg, const struct piece *),
               void *arg);

struct piece piece_of(const struct index_entry *);

/* Writes pieces to one image after the other, what touches at once; zeroes become holes. */
struct copier {
    struct group *group;
    bool to_base;
    uint8_t *buffer;
    unsigned disk;
    uint64_t offset; /* of what is in the buffer */
    size_t filled;
    uint64_t written; /* bytes, ever */
};
int copier_init(struct copier *, struct group *, bool to_base);
int copier_put(struct copier *, const struct piece *);
int copier_flush(struct copier *);
void copier_finish(struct copier *); /* what was not flushed is lost */

#endif
