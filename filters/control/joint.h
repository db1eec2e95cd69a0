/* joint.h - what do all gateways together learn of a datastore that nobody described?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a threshold is given, any gateway can tell from what all publish how large the
 * window of all must be (split.h).  Where it is to be learnt, something must be tried, and
 * only one can try: of those that learn and are at work one that knows a threshold already,
 * and of these the first by slot.  Its window (window.h) is that of all, and is published
 * as `total`; the others take it over.  All of them feed their windows with the sums of
 * what all publish, so that whoever comes next goes on where the last one was.
 *
 * A sum counts only if all who waited did so under the same total: then the figures are
 * those of one window, however the periods of the gateways lie. */
#ifndef CONTROL_JOINT_H
#define CONTROL_JOINT_H

#include "judge.h"
#include "window.h"

/* Of `mine`, as it was published at `slot`, and what the peers published.  The window of all
 * together in 1/256 unit; 0: nobody who learns is at work, or what it holds is not known yet. */
uint64_t joint_window(struct window *, const struct gateway_report *mine, unsigned slot,
                      const struct peer_list *peers);

#endif
