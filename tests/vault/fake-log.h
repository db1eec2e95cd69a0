/* fake-log.h - what is a log that a test can hold in its hand?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The calls of vault.h that index, points, views and folds use, over frames in memory: so a log of
 * thousands of segments is a few megabytes.  Link it instead of log.c. */
#ifndef TESTS_VAULT_FAKE_LOG_H
#define TESTS_VAULT_FAKE_LOG_H

#include "vault.h"

struct log *fake_log_create(void);
void fake_log_destroy(struct log *);

struct fake_record {
    struct record record;
    const void *data; /* record_data() bytes; NULL: zeroes */
};
/* A frame of these records (their LSNs are given) at `position`, of which the log takes `span`
 * bytes at least.  *ret is valid until the log is destroyed or cut. */
struct fake_frame {
    struct frame frame;
    void *payload;
};
const struct fake_frame *fake_log_add(struct log *, uint64_t position, uint32_t flags,
                                      uint64_t time, const struct fake_record *, unsigned count);
void fake_log_copy(struct log *, const struct fake_frame *); /* of another log */
uint64_t fake_log_end(const struct log *);                   /* position */
size_t fake_log_frames(const struct log *);
const struct fake_frame *fake_log_frame(const struct log *, size_t index);
/* Frames from this position on are no more. */
void fake_log_cut(struct log *, uint64_t position);
void fake_log_set_free(struct log *, uint64_t bytes); /* what log_free_bytes() says */
uint64_t fake_log_trimmed(const struct log *);
/* Called before each log_read_data(), without any lock. */
void fake_log_on_read(struct log *, void (*call)(void *arg), void *arg);

#endif
