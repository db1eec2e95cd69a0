/* names.h - which export does a client mean by the name that it asks for?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_NAMES_H
#define WEIR_NAMES_H

#include "export.h"

/* Not in the list that clients see: what is for other gateways (log:GROUP), and what is there only
 * because somebody knew its name. */
bool name_is_hidden(const struct export *);

/* The configured export that `name` is, or is a point of (dynamic.h), which is also the one that
 * says who may open it.  A reference; NULL: there is none. */
struct export *name_find(const char *name);
/* For one client more, `name` of what name_find() gave, which is given back in any case.  0, or
 * -errno with the end of a sentence that begins with the export: it is not there, or not served.
 * The other one ends that. */
int name_open(struct export *found, const char *name, struct export **ret, struct weir_text *why);
void name_leave(struct export *);

/* What a client gets that names nothing: the export that is named "default", or the only one that
 * is not hidden.  A reference; NULL: there is no such. */
struct export *name_default(void);

#endif
