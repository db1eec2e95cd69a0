/* exchange.h - how do the gateways of a datastore learn of each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * By a file on the datastore itself, as PARDA (Gulati and others, FAST'09) and VMware's
 * Storage I/O Control have it: each gateway owns one block (block.h), writes it every
 * period and reads all.  No server, no network, no configuration beside the path; and who
 * cannot reach the file cannot reach the disks.
 *
 * All of this blocks for as long as the file system likes: only for a thread of its own
 * (peers.h).  Whatever fails, the caller goes on without peers and tries again. */
#ifndef CONTROL_EXCHANGE_H
#define CONTROL_EXCHANGE_H

#include "judge.h"

struct exchange;

/* Makes the file if there is none.  `gateway` is a name for people.  0, or -errno with a
 * sentence in `why` (of `size` bytes; may be NULL). */
int exchange_open(const char *path, const char *gateway, struct exchange **ret, char *why,
                  size_t size);

/* Reads what the others say and says what is `mine`.  0, or -errno with a sentence: then
 * *ret is empty, except that -EUSERS (all slots are taken) and an error of the write leave
 * in it who was there.  A file that has gone is made anew. */
int exchange_round(struct exchange *, const struct gateway_report *mine, struct peer_list *ret,
                   char *why, size_t size);

/* Which block is this gateway's; 0: none now. */
unsigned exchange_slot(const struct exchange *);

/* Clears its block, so that the others need not wait.  NULL is fine. */
void exchange_close(struct exchange *);

#endif
