/* scratch.h - where do editors leave their swap, backup and temporary files?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * In memory, beside the policies, bounded in number and size.  They are nothing to the
 * gateways until one is renamed onto a policy. */
#ifndef WEIRFS_SCRATCH_H
#define WEIRFS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    SCRATCH_FILES = 256,
    SCRATCH_BYTES = 16 << 20, /* of all */
    TEXT_BYTES = 1 << 20,     /* of one file: no policy is longer */
};

struct scratch; /* a file; the holder of a reference may go on using an unlinked one */

/* Does `name` look like a file that an editor or a copying tool makes for itself? */
bool scratch_name(const char *name);

int scratch_create(const char *path, struct scratch **ret); /* -EEXIST, -ENOSPC, -ENOMEM */
struct scratch *scratch_find(const char *path);             /* a reference, or NULL */
void scratch_unref(struct scratch *);                       /* NULL is fine */
int scratch_remove(const char *path);                       /* -ENOENT */
int scratch_rename(const char *from, const char *to);       /* replaces what is at `to` */
/* Makes a file of a text, replacing what is there. */
int scratch_put(const char *path, const char *text, size_t size);

size_t scratch_read(struct scratch *, char *buffer, size_t size, uint64_t offset);
int scratch_write(struct scratch *, const char *bytes, size_t size, uint64_t offset,
                  bool append); /* -EFBIG, -ENOSPC, -ENOMEM */
int scratch_resize(struct scratch *, uint64_t size);
void scratch_stat(struct scratch *, size_t *size, struct timespec *changed, unsigned *mode);
void scratch_chmod(struct scratch *, unsigned mode);
/* A copy of its bytes; the caller frees.  -ENOMEM. */
int scratch_text(struct scratch *, char **text, size_t *size);

int scratch_each(const char *folder, int (*each)(void *context, const char *name), void *context);
void scratch_finish(void);

#endif
