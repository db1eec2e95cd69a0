/* seen.c - which bytes does a filter at this place of the chain see?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A filter for tests: appends the data of each write on its way down, and of each read on its
 * way up, to the file of its option `path`.  Built once for each class, with -DNAME and -DCLASS. */
#include "weir-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

struct seen_config {
    const char *path;
};

struct seen {
    pthread_mutex_t lock; /* guards the file: what is seen together is written together */
    int fd;
};

static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct seen_config, path, .flags = WEIR_REQUIRED,
                       .help = "The file that gets the bytes."),
    { 0 },
};

static void note(struct seen *s, const struct weir_request *req)
{
    pthread_mutex_lock(&s->lock);
    ssize_t written = write(s->fd, req->data, req->length);
    pthread_mutex_unlock(&s->lock);
    (void)written;
}

static enum weir_verdict seen_down(void *self, struct weir_request *req)
{
    if (req->op == WEIR_WRITE)
        note(self, req);
    return WEIR_PASS;
}

static enum weir_verdict seen_up(void *self, struct weir_request *req)
{
    if (req->op == WEIR_READ && !req->error)
        note(self, req);
    return WEIR_PASS;
}

static int seen_attach(void *self, struct weir_below *below, const void *settings,
                       struct weir_text *why)
{
    const struct seen_config *config = settings;
    struct seen *s = self;

    (void)below;
    s->fd = open(config->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->fd < 0) {
        weir_print(why, "path: %s: %s", config->path, strerror(errno));
        return -errno;
    }
    pthread_mutex_init(&s->lock, NULL);
    return 0;
}

static void seen_detach(void *self)
{
    struct seen *s = self;

    close(s->fd);
    pthread_mutex_destroy(&s->lock);
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = NAME,
    .version = "1",
    .summary = "Writes down the bytes that it sees.",
    .klass = CLASS,
    .ops = WEIR_ALL_OPS,
    .self_size = sizeof(struct seen),
    .config_size = sizeof(struct seen_config),
    .options = options,
    .attach = seen_attach,
    .detach = seen_detach,
    .down = seen_down,
    .up = seen_up,
};
