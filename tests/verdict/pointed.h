/* pointed.h - on what do the tests of exports that clients ask for stand?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A store whose disks have points, each of which reads its own name, and "vm1" on it, in the
 * gateway's list. */
#ifndef POINTED_H
#define POINTED_H

#include "stage.h"

/* Of points, not of BASE: opened so far, open now, and most at once of "disk@one". */
extern atomic_uint opened, open_now, most_of_one;
/* While `slow` an open posts the one and takes the other; it ends with open_error. */
extern atomic_bool slow;
extern sem_t opening, open_on;
extern atomic_int open_error;

extern const struct store_type point_type;
extern struct datastore *pointed; /* of vm1 */

/* An export on a datastore, in the list, whose reference it is; the second one opens it. */
struct export *add_closed_base(const char *name, struct datastore *, struct plan *);
void add_base(const char *name, struct datastore *, struct plan *);
/* The first probes; their labels are the names of their filters. */
struct plan plan_of(int count);

/* What the plugin does for a client that comes and goes. */
int come(const char *name, struct export **ret, struct weir_text *why);
void go(struct export *);
struct export *must_come(const char *name);
void refused(const char *name, int error, const char *sentence);

bool is_listed(const char *name);
void reads(struct export *, const char *text);

int pointed_setup(void **state);
int pointed_teardown(void **state);
#define POINTED_TEST(f) cmocka_unit_test_setup_teardown(f, pointed_setup, pointed_teardown)

#endif
