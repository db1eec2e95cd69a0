/* notify.h - how does systemd learn that a gateway serves?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_NOTIFY_H
#define WEIR_NOTIFY_H

/* For a unit of Type=notify; nbdkit itself does not say it.  Nothing happens elsewhere. */
void notify_ready(void);

#endif
