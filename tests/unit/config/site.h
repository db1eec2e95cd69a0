/* site.h - a folder with configuration files for one test
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SITE_H
#define SITE_H

#include "config.h"

/* Makes an empty folder and goes there; the sample filters are found in "filters". */
void site_begin(void);
void site_end(void); /* removes it */

void site_write(const char *file, const char *text); /* makes the folders of `file` */
void site_write_bytes(const char *file, const void *bytes, size_t size);
char *site_read(const char *file); /* the caller frees; NULL: there is none */
void site_remove(const char *file);
/* The text of all mistakes, one a line; the caller frees. */
char *mistakes_text(struct mistakes *);

#endif
