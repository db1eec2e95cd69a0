/* loader-file.h - which bytes does a filter consist of, and are they still those on disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_LOADER_FILE_H
#define WEIR_LOADER_FILE_H

#include "weir-filter.h"

#include <sys/stat.h>

/* Who says whether a file may be loaded.  The core has none: what trust is made of, keys and
 * manifests, is another library's to know (gateway/package/trust.c). */
struct loader_guard {
    /* Before anything of it runs: these bytes, which lie at `path` (no link), as filter NAME. */
    int (*admit)(const char *name, const char *path, const void *bytes, size_t size,
                 struct weir_text *why);
    /* Later: does what lies beside the file still vouch for it? */
    int (*vouch)(const char *name, const char *path, const void *bytes, size_t size,
                 struct weir_text *why);
    /* Another number: vouch() may say something else now. */
    uint64_t (*stamp)(void);
};

/* What tells that a file may be another one now. */
struct loader_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* A private copy of a file, which nobody can change: what was judged is what is loaded, whatever
 * happens to the file meanwhile. */
struct loader_file {
    int fd; /* sealed memory; -1: none */
    size_t size;
    char *real; /* where it was read, with all links followed */
    /* what loader_drift() saw last; under the loader's lock */
    struct loader_mark mark, manifest;
    uint64_t stamp;
    bool seen;
    char *drift; /* the sentence; NULL: none */
};

/* 0 or -errno with the sentence. */
int loader_file_read(const char *path, struct loader_file *ret, struct weir_text *why);
void loader_file_finish(struct loader_file *);
bool loader_file_equal(const struct loader_file *, const struct loader_file *);
/* Its bytes; loader_file_unmap() them.  NULL: no memory. */
const void *loader_file_map(const struct loader_file *);
void loader_file_unmap(const struct loader_file *, const void *bytes);
/* The name for dlopen(), and its length: with another serial another name. */
enum { LOADER_NAME = 96 };
int loader_file_name(const struct loader_file *, unsigned serial, char buffer[LOADER_NAME]);

#endif
