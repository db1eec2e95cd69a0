/* control-dial.h - how does a test connect to the control socket, and what does it hear?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_DIAL_H
#define CONTROL_DIAL_H

#include "control-world.h"
#include "control/control.h"

#include <stdbool.h>

enum { CONNECTIONS = 64 }; /* as in server.c */

int dial(void);
char *hear(int fd);
void heard(int fd, const char *expected);

struct control *connected(void);
/* A file read through `control` must be this. */
void reads(struct control *, const char *path, const char *expected);
bool works(void); /* the server answers */
/* One request line: 0 or the -errno of the answer. */
int call(struct control *, const char *line);

/* setup and teardown: a world, and the server in it */
int begin_server(void **state);
int end_server(void **state);
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, begin_server, end_server)

#endif
