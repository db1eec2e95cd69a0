/* stop.h - what happens at a stop signal before nbdkit waits for what is in flight?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_STOP_H
#define WEIR_STOP_H

/* From now on a signal that stops nbdkit also runs `ease`, on a thread of its own, so that
 * requests which filters hold come to their end.  After nbdkit has set its handlers and
 * after it has forked.  0 or -errno. */
int stop_watch(void (*ease)(void));
/* No more of that: the handlers are nbdkit's own again.  Waits for an `ease` that runs;
 * safe when stop_watch() failed or was never called. */
void stop_unwatch(void);

#endif
