/* sharing.h - which part of the window is ours, where other gateways use the datastore too?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Gathers what the others are told once a second, and keeps what was worked out from what
 * they said (peers.h, split.h).  Under the datastore's lock; waits for nothing. */
#ifndef CONTROL_SHARING_H
#define CONTROL_SHARING_H

#include "peers.h"
#include "tally.h"
#include "weir-filter.h"
#include "window.h"

struct sharing;

/* *ret is NULL where the datastore is not shared.  0 or -errno. */
int sharing_create(const struct weir_datastore *, struct sharing **ret);
void sharing_destroy(struct sharing *); /* NULL is fine */
/* What happened since the last call. */
void sharing_feed(struct sharing *, const struct tally *, uint64_t span, uint64_t in_flight,
                  uint32_t window, bool waits);
/* Once a second: what the others shall know. */
void sharing_report(struct sharing *, const struct window *, uint64_t shares, uint64_t p99);
/* At each tick: if they have said something, our part changes.  How many gateways there are,
 * with this one. */
unsigned sharing_look(struct sharing *, struct window *);
/* After that.  Whether people are to be told, once, that the file does not work, or that it
 * does again: it has been so for three seconds. */
enum sharing_news { SHARING_AS_BEFORE, SHARING_BROKEN, SHARING_MENDED };
enum sharing_news sharing_news(struct sharing *);
/* How it is now, for people: a few words, or the sentence that says what is wrong. */
void sharing_describe(struct sharing *, char *text, size_t size);
enum { SHARING_TEXT = PEERS_WHY + 64 };
/* Our part of the window while there are others, and somebody waits; 0: all that we like. */
uint32_t sharing_part(const struct sharing *);

#endif
