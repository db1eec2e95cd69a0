/* weir-backoff.c - how long does a gateway wait that has just crashed, before it begins again?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     weir-backoff FOLDER [FIRST MOST CALM]
 *
 * The unit weir@ runs it before each start.  systemd 252 restarts after the same time always, and
 * either gives up after some restarts or never slows down; a disk must come back whenever its
 * datastore does, and a filter that crashes in each start must not have the host's CPU.  So the
 * first restart is at once; each one after a gateway that did not live for CALM waits twice as
 * long as the last, FIRST to MOST.  Times are in ms.
 *
 * FOLDER is one that systemd keeps through restarts and removes when the unit is stopped. */
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* MOST is less than the reconnect-delay of most clients, a minute. */
static uint64_t first = 200, most = 10000, calm = 60000;

struct start {
    uint64_t when, waited; /* ms */
};

/* Goes on while the host sleeps, and nobody can set it. */
static uint64_t boot_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* False: it is the first start, or nobody can tell. */
static bool read_last(int folder, struct start *ret)
{
    cleanup_fd int fd = openat(folder, "last", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[64] = "";

    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return false;
    return sscanf(text, "%" SCNu64 " %" SCNu64, &ret->when, &ret->waited) == 2;
}

static int write_last(int folder, const struct start *s)
{
    cleanup_fd int fd =
        openat(folder, "last", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || dprintf(fd, "%" PRIu64 " %" PRIu64 "\n", s->when, s->waited) < 0)
        return -errno;
    return 0;
}

static uint64_t next_wait(const struct start *last, uint64_t now)
{
    if (now - last->when >= last->waited + calm)
        return 0;
    uint64_t wait = last->waited > most / 2 ? most : last->waited * 2;
    return wait < first ? first : wait;
}

static bool read_ms(const char *word, uint64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoull(word, &end, 10);
    return *word >= '0' && *word <= '9' && !*end && !errno && *ret <= 1000 * 86400ull;
}

static int usage(void)
{
    fprintf(stderr, "usage: weir-backoff FOLDER [FIRST MOST CALM]   (in ms, up to a day)\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct start last = { 0 }, this = { .when = boot_ms() };

    if (argc != 2 && argc != 5)
        return usage();
    if (argc == 5 && (!read_ms(argv[2], &first) || !read_ms(argv[3], &most) ||
                      !read_ms(argv[4], &calm) || first > most))
        return usage();
    cleanup_fd int folder = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && read_last(folder, &last))
        this.waited = next_wait(&last, this.when);
    int r = folder < 0 ? -errno : write_last(folder, &this);
    if (r) { /* the disk comes first, but not at any price */
        fprintf(stderr, "weir-backoff: %s: %s: the restart waits for %" PRIu64 " ms\n", argv[1],
                strerror(-r), most);
        this.waited = most;
    }
    if (!this.waited)
        return 0;
    if (!r)
        printf("the last start was %" PRIu64 " ms ago: the gateway starts in %" PRIu64 " ms\n",
               this.when - last.when, this.waited);
    fflush(stdout);
    struct timespec t = { .tv_sec = (time_t)(this.waited / 1000),
                          .tv_nsec = (long)(this.waited % 1000 * 1000000) };
    while (nanosleep(&t, &t) && errno == EINTR)
        ;
    return 0;
}
