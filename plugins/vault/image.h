/* image.h - what does an export on a vault name?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_VAULT_IMAGE_H
#define WEIR_VAULT_IMAGE_H

#include "weir-filter.h"

enum image_kind { IMAGE_LOG, IMAGE_HEAD, IMAGE_VIEW };
/* log:GROUP | GROUP[/DISK] | GROUP[/DISK]@POINT[+WORD][,changes:POINT] | GROUP[/DISK]@changes:POINT
 */
struct image {
    enum image_kind kind;
    char *words;                              /* what the others point into; to be freed */
    const char *group, *disk, *point, *since; /* disk, since: NULL where there is none */
    bool writable;
};
int image_read(const char *text, struct image *ret, struct weir_text *why);
void image_finish(struct image *);

#endif
