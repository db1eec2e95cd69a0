/* note.h - what does an export's state folder know of its pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One small text file, `pool`: which pool, by which name the disk goes there, whether blocks of it
 * may be in the pool alone, and where the guest's blocks seem to begin. */
#ifndef CACHE_NOTE_H
#define CACHE_NOTE_H

#include "format.h"
#include "weir-filter.h"

struct note {
    uint8_t pool[UUID], disk[UUID]; /* all zero: none */
    bool dirty;
    uint32_t grid; /* bytes: as the requests have voted (grid.h), for the next attach; 0: not */
};

/* 0, also where there is no file: then all is zero.  -EPROTO: it is not what we have written. */
int note_load(struct weir_below *, struct note *);
/* Durable when it returns 0. */
int note_save(struct weir_below *, const struct note *);

#endif
