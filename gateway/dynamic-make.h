/* dynamic-make.h - what is an export that a client asked for made from?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_DYNAMIC_MAKE_H
#define WEIR_DYNAMIC_MAKE_H

#include "export.h"

enum dynamic_kind { DYNAMIC_NONE, DYNAMIC_POINT, DYNAMIC_CHANGES };

/* What POINT of BASE is; `changes` as dynamic_changes() has it. */
enum dynamic_kind dynamic_kind(struct export *base, const char *point,
                               const struct store_type *changes);
/* The export `name`, not yet open. */
int dynamic_make(struct export *base, const char *name, const struct store_type *changes,
                 struct export **ret, struct weir_text *why);
/* It is closed: removes what its filters left in their state folders. */
void dynamic_clear(const struct export *);

#endif
