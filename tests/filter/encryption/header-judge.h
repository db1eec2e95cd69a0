/* header-judge.h - is a header that was opened what is written on the disk, whoever wrote that?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef HEADER_JUDGE_H
#define HEADER_JUDGE_H

#include "header-rig.h"

/* The checksums of LUKS2's headers are made right, where their sizes allow it. */
void judge_checksums(struct rig *);

/* Opens and unlocks with a key.  NULL, or what must never be:
 * a volume key other than `volume`, although its digest would have to say otherwise; an offset,
 * cipher or sector size other than the header on the disk says; a refusal without a sentence.
 * `opened`: was it unlocked? */
const char *judge_header(struct rig *, const char *key, const struct secret *volume, bool *opened);

#endif
