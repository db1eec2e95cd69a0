/* manifest.h - what should be in each file, for whoever reads it later?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXERCISE_MANIFEST_H
#define EXERCISE_MANIFEST_H

#include "file.h"

/* A descriptor of FOLDER/manifest, where lines are appended whole; -1, and says why. */
int manifest_create(const char *folder);
/* What the model of the file has, not what the disk has. */
int manifest_add(int manifest, const struct file *f);
/* All files are there and as it says, and there are no others; says which are not. */
int manifest_verify(const char *folder);

#endif
