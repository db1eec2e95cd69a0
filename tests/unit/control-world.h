/* control-world.h - on what do the tests of the control socket stand?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A real core with two exports on a store in memory, vm1 through the filters sample and
 * pass, and a configuration that only plays its part: what it is asked to do is written
 * down, and what it answers can be told. */
#ifndef CONTROL_WORLD_H
#define CONTROL_WORLD_H

#include "config/config.h"

#define ODD_NAME "odd/\"\\\n\xff%"
#define ODD_PATH "odd%2F\"\\%0A%FF%25"

extern char world_run[128];

/* What the configuration was asked to do last, "set gold …", and what it answers. */
extern char world_asked[4096];
extern int world_answers;
extern bool world_at_end; /* more text could cure those mistakes */

/* Quiet: events go nowhere.  Aborts when it cannot be made. */
void world_start(void);
void world_stop(void);
/* Reads and writes through vm1, so that there are figures. */
void world_traffic(unsigned requests);

#endif
