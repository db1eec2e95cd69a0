/* edits-site.h - what configuration do the tests of edits start from, and how do they look at it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EDITS_SITE_H
#define EDITS_SITE_H

#include "config.h"
#include "gateway.h"
#include "sample-stores.h"
#include "site.h"
#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER                                                                                     \
    "# Kept by weir: what was set for this export while it ran.  Edit it through the mount.\n"

extern const char gold_conf[];
void edits_start(void);
void edits_restart(void);
int edits_setup(void **state);
int edits_teardown(void **state);
const char *option_of(const char *export, const char *label, const char *option);
uint64_t generation_of(const char *export);
void assert_file(const char *file, const char *wanted);
void assert_refused(int err, struct mistakes *m, int wanted, const char *sentences);
void assert_compliance(const char *export, enum compliance wanted, const char *reason);

#define EDITS_TEST(name) cmocka_unit_test_setup_teardown(name, edits_setup, edits_teardown)
int edits_run(const char *name, const struct CMUnitTest *tests, size_t count);

#endif
