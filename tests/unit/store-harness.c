/* store-harness.c - how does a test hold a store without a gateway around it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "request.h"

char work[64];

/* ---- disks ------------------------------------------------------------------------------ */

int disk_open(struct disk *d, const char *type, const char *const *options,
              const struct store_image *image)
{
    *d = (struct disk){ .type = store_find(type) };
    assert_non_null(d->type);
    int r = settings_create(d->type->options, d->type->config_size, &d->settings, &d->why);
    for (; r == 0 && options && *options; options += 2)
        r = settings_set(d->settings, options[0], options[1], &d->why);
    if (r == 0 && d->type->check)
        r = d->type->check(settings_config(d->settings), &d->why);
    if (r < 0)
        return r;
    struct store_image full = *image;
    if (!full.datastore)
        full.datastore = "test";
    if (!full.image)
        full.image = "";
    if (!full.folder)
        full.folder = work;
    void *self = calloc(1, d->type->self_size);
    assert_non_null(self);
    r = d->type->open(self, &full, settings_config(d->settings), &d->why);
    if (r < 0) {
        free(self);
        return r;
    }
    d->self = self;
    d->type->geometry(self, &d->geometry);
    return 0;
}

void disk_close(struct disk *d)
{
    if (d->self)
        d->type->close(d->self);
    free(d->self);
    settings_destroy(d->settings);
    text_finish(&d->why);
    *d = (struct disk){ 0 };
}

int disk_do(struct disk *d, enum weir_op op, uint32_t flags, uint64_t offset, uint64_t length,
            void *data)
{
    struct weir_request req = {
        .op = op, .flags = flags, .offset = offset, .length = length, .data = data
    };

    return d->type->serve(d->self, &req);
}

const char *disk_identity(struct disk *d, uint64_t *changed)
{
    static struct weir_identity is;

    is = (struct weir_identity){ 0 };
    assert_int_equal(d->type->identity(d->self, &is), 0);
    if (changed)
        *changed = is.changed;
    return is.name;
}

bool disk_is_hole(struct disk *d, uint64_t offset, uint64_t length)
{
    struct weir_extents *list = weir_extents_create();
    uint64_t at, size, covered = 0;
    uint32_t type;
    bool hole = true;

    assert_int_equal(disk_do(d, WEIR_EXTENTS, 0, offset, length, list), 0);
    for (size_t i = 0; weir_get_extent(list, i, &at, &size, &type) == 0; i++) {
        hole = hole && (type & WEIR_HOLE) && (type & WEIR_READS_ZERO);
        covered += size;
    }
    assert_int_equal(covered, length);
    weir_extents_destroy(list);
    return hole;
}

/* ---- a folder and processes ---------------------------------------------------------------- */

int make_work(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(work, sizeof work, "%.40s/weir-store.XXXXXX", base ? base : "/tmp");
    return mkdtemp(work) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int remove_work(void **state)
{
    (void)state;
    return nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *in_work(const char *name)
{
    static char *paths[64]; /* so that a test need not free them */
    static unsigned next;
    char **path = &paths[next++ % 64];

    free(*path);
    assert_true(asprintf(path, "%s/%s", work, name) > 0);
    return *path;
}

void make_file(const char *name, uint64_t size)
{
    int fd = open(in_work(name), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

pid_t start(const char *const *words)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves nobody behind */
        int log = open(in_work("peers.log"), O_CREAT | O_APPEND | O_WRONLY, 0600);
        dup2(log, 1);
        dup2(log, 2);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    return pid;
}

int run(const char *const *words)
{
    int status;
    pid_t pid = start(words);

    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

bool has(const char *program)
{
    char command[128];
    const char *words[] = { "sh", "-c", command, NULL };

    snprintf(command, sizeof command, "command -v %s", program);
    return run(words) == 0;
}

void skip_unless(bool able, const char *what)
{
    const char *must = getenv("WEIR_MUST_WORK");

    if (able)
        return;
    if (must && !strcmp(must, "1"))
        fail_msg("skipped where everything must work: needs %s", what);
    print_message("skipped: needs %s\n", what);
    skip();
}

void wait_until(bool (*is_true)(void *), void *arg, const char *what)
{
    for (int i = 0; i < 6000; i++) {
        if (is_true(arg))
            return;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    fail_msg("never became true: %s", what);
}

bool exists(void *path)
{
    return access(path, F_OK) == 0;
}
