/* stun.h - who lets a disk go on when whoever stopped it has died?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_STUN_H
#define WEIR_CONTROL_STUN_H

#include "../export.h"

enum { STUN_LIMIT_MS = 60000 }; /* unless the request says another */

int stun_begin(struct export *, uint64_t limit_ms, struct weir_text *why);
void stun_end(struct export *);
void stun_end_late(uint64_t now_ms); /* UINT64_MAX: all of them */

#endif
