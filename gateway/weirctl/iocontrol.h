/* iocontrol.h - what does I/O control say of a disk, and of the datastore that it shares?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All that weirctl knows of the filter is its class and the names of its options and
 * statistics, and they stand in tables here.  What a gateway says nothing of is missing in
 * documents and "-" in columns. */
#ifndef WEIR_WEIRCTL_IOCONTROL_H
#define WEIR_WEIRCTL_IOCONTROL_H

#include "measure.h"
#include "weirctl.h"

/* How a figure is shown, and where it comes from. */
enum figure_kind {
    FIGURE_COUNT,
    FIGURE_LEARNT, /* a count; 0: not yet known */
    FIGURE_US,
    FIGURE_PERCENT,
    FIGURE_OPTION, /* as it was written */
    FIGURE_P50,    /* these two of the histogram DELAY, in us */
    FIGURE_P99,
};

struct figure {
    const char *name;  /* of the statistic or option; and in documents */
    const char *title; /* as table_begin() takes it */
    enum figure_kind kind;
    int width, dispensable; /* on a screen; the highest goes first */
    bool summed;            /* a datastore's is the sum of its disks' */
};

/* Both end with a NULL name. */
extern const struct figure datastore_figures[], disk_figures[];
const struct figure *disk_figure(const char *name); /* which must be there */

/* The filter of class control of an export of "show"; NULL: it has none. */
struct json_object *control_of(struct json_object *entry);
/* Its options and figures; delays are those since `before` (NULL: since the filter was
 * attached).  NULL: the export has no I/O control. */
struct json_object *control_document(struct json_object *entry, struct json_object *before);

struct reading {
    const char *gateway;
    struct json_object *now, *before; /* of one export, in "show"; before may be NULL */
};
/* One document for each datastore of each gateway that has a disk with I/O control. */
struct json_object *control_datastores(const struct reading *, size_t count);

/* What a column says of such a document. */
struct number figure_number(const struct figure *, struct json_object *document);
/* Appends titles, or the cells of a document, after the `at` that are there. */
size_t figure_titles(const struct figure *, const char **titles, size_t at);
void figure_cells(const struct figure *, struct json_object *document, struct number *numbers,
                  const char **cells, size_t at);

#endif
