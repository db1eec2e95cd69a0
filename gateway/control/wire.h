/* wire.h - what must both ends of the control socket do in the same way?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_WIRE_H
#define WEIR_CONTROL_WIRE_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

/* The address of `folder`/`name`, for a bind() or connect().  A path too long for sun_path
 * is named through an open descriptor of the folder, which goes to *folder_fd and must
 * stay open until the call is done (-1: not needed).  0 or -errno. */
int wire_address(const char *folder, const char *name, struct sockaddr_un *, int *folder_fd);

uint64_t wire_now_ms(void); /* CLOCK_MONOTONIC */
/* Waits until `fd` is ready for `events`.  0, -ETIMEDOUT, or -errno of poll(). */
int wire_wait(int fd, short events, uint64_t deadline_ms);
/* Sends everything.  0, -ETIMEDOUT, -EPIPE … */
int wire_send(int fd, const char *bytes, size_t size, uint64_t deadline_ms);

/* "EINVAL" and back; names that are not known here are EIO. */
const char *wire_errno_name(int error);
int wire_errno(const char *name);

#endif
