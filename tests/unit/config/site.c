/* site.c - a folder with configuration files for one test
 * SPDX-License-Identifier: BSD-3-Clause */
#include "site.h"

#include "gateway.h"
#include "text.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

/* A test cannot go on without its files. */
static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

void site_begin(void)
{
    strcpy(folder, "/tmp/weir-config.XXXXXX");
    must(mkdtemp(folder), "mkdtemp");
    must(chdir(folder) == 0, folder);
    /* a name that messages can be compared with */
    must(symlink(SAMPLE_FILTERS, "filters") == 0, "filters");
    must(loader_path("filters") == 0, "loader_path");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void site_end(void)
{
    must(chdir("/") == 0, "/");
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void site_write_bytes(const char *file, const void *bytes, size_t size)
{
    const char *slash = strrchr(file, '/');

    if (slash) {
        char *parent = strndup(file, (size_t)(slash - file));
        must(parent && make_folders(parent, 0755) == 0, file);
        free(parent);
    }
    FILE *f = fopen(file, "w");
    must(f, file);
    must(fwrite(bytes, 1, size, f) == size, file);
    must(fclose(f) == 0, file);
}

void site_write(const char *file, const char *text)
{
    site_write_bytes(file, text, strlen(text));
}

char *site_read(const char *file)
{
    void *text = NULL;
    size_t size;

    return load_file_at(AT_FDCWD, file, &text, &size) ? NULL : text;
}

void site_remove(const char *file)
{
    must(unlink(file) == 0, file);
}

char *mistakes_text(struct mistakes *mistakes)
{
    struct weir_text text = { 0 };

    mistakes_print(mistakes, &text);
    return text_take(&text);
}
