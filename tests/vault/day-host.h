/* day-host.h - what does a host do to a vault that a test has in its hand?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls of libc that the linker sends here instead (meson.build). */
#ifndef TEST_VAULT_DAY_HOST_H
#define TEST_VAULT_DAY_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct host {
    uint64_t now; /* ns since 1970, what CLOCK_REALTIME says */
    bool full;    /* nothing can be written any more: ENOSPC */
    unsigned
        kill; /* so many calls that change files from now on this process is killed; 0: never */
    unsigned calls; /* how many there were */
};
extern struct host host; /* one process is one host */

#endif
