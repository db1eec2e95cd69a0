/* explore.h - how does the window find the knee of a datastore that nobody described?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_EXPLORE_H
#define CONTROL_EXPLORE_H

#include "window.h"

enum { LOAD_ONE_READ = 256, WINDOW_MOST = 65536 }; /* small reads */

/* What was measured since the last decision. */
struct measure {
    struct curve_point point; /* at the speed that the datastore has now */
    double each;              /* small reads: the mean load of a request */
    double span;              /* ns */
    bool waited;
};

void explore(struct window *, const struct measure *); /* sets size, threshold */
/* What is measured at a window that is held goes into what is learnt. */
void learn_held(struct window *, const struct measure *);
void set_in_flight(struct window *, double in_flight, double each);

#endif
