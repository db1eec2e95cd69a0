/* ledger-log.c - how does a line come into the log, and how is an old log gone on with?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

uint64_t ledger_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void ledger_log_flush(struct ledger *l)
{
    for (size_t done = 0; done < l->length;) {
        ssize_t n = write(l->fd, l->lines + done, l->length - done);
        if (n < 0 && errno != EINTR) {
            fprintf(stderr, "ledger: the log: %s\n", strerror(errno));
            exit(1); /* what is not in the log must not be sent */
        }
        done += n > 0 ? (size_t)n : 0;
    }
    l->length = 0;
}

void ledger_log(struct ledger *l, const char *format, ...)
{
    enum { LINE = 512 };
    va_list arguments;

    if (l->length > sizeof l->lines - LINE)
        ledger_log_flush(l);
    va_start(arguments, format);
    int n = vsnprintf(l->lines + l->length, LINE, format, arguments);
    va_end(arguments);
    l->length += n > 0 ? (size_t)n : 0;
}

/* Whoever wrote it last may have been killed in the middle of a line. */
static int go_on(struct ledger *l, const char *path)
{
    struct history history;
    char why[256] = "it cannot be read", last;
    off_t end = lseek(l->fd, 0, SEEK_END);

    while (end > 0 && pread(l->fd, &last, 1, end - 1) == 1 && last != '\n')
        end--;
    if (ftruncate(l->fd, end) < 0)
        return -1;
    if (history_read(path, &history, why) < 0) {
        fprintf(stderr, "ledger: %s: %s\n", path, why);
        return -1;
    }
    l->run = history.run;
    l->last_id = history.ops;
    l->disks = history.disks;
    history_free(&history);
    return 0;
}

int ledger_open_log(struct ledger *l, const char *path)
{
    l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (l->fd < 0) {
        fprintf(stderr, "ledger: %s: %s\n", path, strerror(errno));
        return -1;
    }
    if (lseek(l->fd, 0, SEEK_END) > 0)
        return go_on(l, path);
    if (getrandom(&l->run, sizeof l->run, 0) != sizeof l->run)
        return -1;
    ledger_log(l, "weir-ledger 1 %016" PRIx64 "\n", l->run);
    ledger_log_flush(l);
    return 0;
}

void ledger_close_log(struct ledger *l)
{
    if (l->fd < 0)
        return;
    ledger_log_flush(l);
    close(l->fd);
}
