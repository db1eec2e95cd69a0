/* act.h - what is done to files, and how often?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXERCISE_ACT_H
#define EXERCISE_ACT_H

#include "file.h"

enum { FILES = 8 };

/* A process with a folder and files of its own. */
struct worker {
    struct where at;
    uint64_t random;
    const char *folder;
    struct file files[FILES];
    uint64_t names; /* given to files until now */
};

/* Done to a file chosen by chance.  0, or -errno: -EOPNOTSUPP when the file system cannot do it,
 * -EBADMSG when something else was read than was written. */
struct act {
    const char *name;
    int (*run)(struct worker *w, struct file *f);
    unsigned weight;
};
extern const struct act acts[];
extern const size_t acts_count;

/* By chance, as the weights are. */
size_t act_choose(uint64_t *random);
/* A file that is not there yet gets a name that none has had. */
int worker_create_file(struct worker *w, struct file *f, size_t limit);

#endif
