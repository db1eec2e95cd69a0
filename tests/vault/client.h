/* client.h - how does a test speak to a vault's exports, as its source and its readers do?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What goes wrong ends the program with a sentence. */
#ifndef TEST_VAULT_CLIENT_H
#define TEST_VAULT_CLIENT_H

#include "page.h"
#include "source.h"

#include <libnbd.h>

void client_die(const char *what) __attribute__((noreturn)); /* and what libnbd says of it */
struct nbd_handle *client_open(const char *socket, const char *export);
void client_close(struct nbd_handle *);
/* Takes the token of a log, and goes on behind what is there. */
void client_acquire(struct nbd_handle *, struct source *);
/* Finishes the frame, and sends it; durable when it returns, if it is `fua`. */
void client_send(struct nbd_handle *, struct source *, bool fua);

#endif
