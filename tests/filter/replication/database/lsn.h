/* lsn.h - which LSN did the source give last?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef LSN_H
#define LSN_H

#include <stdint.h>
#include <stdio.h>

struct lsn_reader {
    FILE *stream;     /* the gateway's control socket */
    const char *path; /* of the statistic */
};

/* 0, or -1 after it has said why. */
int lsn_open(struct lsn_reader *r, const char *socket, const char *path);
/* 0: nobody is there who knows. */
uint64_t lsn_read(struct lsn_reader *r);
void lsn_close(struct lsn_reader *r);

#endif
