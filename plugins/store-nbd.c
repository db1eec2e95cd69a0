/* store-nbd.c - how does a disk behind any NBD server, or behind a command that is one,
 * become a store?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-nbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "scope.h"
#include "stores.h"

#define SECOND 1000000000ll

static const struct weir_option options[] = {
    WEIR_OPTION_STRING(struct nbd_config, uri, .fallback = "",
                       .help = "The NBD URI of the far server; {image} stands for the export's "
                               "image, which else becomes the export's name there."),
    WEIR_OPTION_STRING(struct nbd_config, command, .fallback = "",
                       .help = "Starts this NBD server, given a socket as systemd does it; "
                               "{image} stands for the export's image; no shell is involved."),
    WEIR_OPTION_STRING(struct nbd_config, path, .fallback = "",
                       .help = "The folder in which the command runs."),
    WEIR_OPTION_INT(struct nbd_config, connections, .fallback = "0", .min = 0,
                    .max = CONNECTIONS_MAX,
                    .help = "How many connections; 0 is 4, and never more than 1 where the "
                            "server does not allow several."),
    WEIR_OPTION_TIME(struct nbd_config, reconnect_delay, .fallback = "5s", .min = SECOND / 10,
                     .max = 3600 * SECOND,
                     .help = "The longest pause between two attempts to connect again; the first "
                             "is 100ms."),
    WEIR_OPTION_TIME(struct nbd_config, retry_timeout, .fallback = "60s", .min = 0,
                     .max = 86400 * SECOND,
                     .help = "How long requests wait for a lost server before they fail with "
                             "EIO."),
    WEIR_OPTION_TIME(struct nbd_config, timeout, .fallback = "30s", .min = SECOND / 10,
                     .max = 3600 * SECOND,
                     .help = "How long connecting may take, and how long a far host may leave "
                             "sent bytes unacknowledged before its connection counts as lost."),
    WEIR_OPTION_SIZE(struct nbd_config, keep_unflushed, .fallback = "32M",
                     .help = "How many bytes of answered writes are kept until a flush, to be "
                             "sent again when the server was lost; 0 keeps none."),
    { 0 },
};

static int nbd_check(const void *config, struct weir_text *why)
{
    const struct nbd_config *c = config;
    char **words;

    if (!*c->uri == !*c->command) {
        weir_print(why, *c->uri ? "uri and command exclude each other: remove one"
                                : "a datastore of type nbd needs a uri or a command");
        return -EINVAL;
    }
    if (*c->path && !*c->command) {
        weir_print(why, "path is the folder in which a command runs, and there is no command");
        return -EINVAL;
    }
    if (*c->uri)
        return 0;
    int r = target_words(c->command, "image", &words, why);
    if (r == 0)
        free_words(words);
    return r;
}

/* ---- opening ------------------------------------------------------------------------------ */

static void wake_connections(void *arg)
{
    struct nbd_store *s = arg;

    hold_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        connection_wake(&s->connections[i]);
}

static int start_command(struct nbd_store *s, const struct store_image *image,
                         struct weir_text *why)
{
    const struct nbd_config *c = s->config;
    const char *base = image->folder && *image->folder ? image->folder : ".";
    cleanup_free char *folder = NULL;
    char **words;

    if (c->path[0] == '/' || !*c->path)
        folder = strdup(*c->path ? c->path : base);
    else if (asprintf(&folder, "%s/%s", base, c->path) < 0)
        folder = NULL;
    s->export = strdup(target_names_image(c->command) ? "" : image->image);
    if (!folder || !s->export)
        return -ENOMEM;
    int r = target_words(c->command, image->image, &words, why);
    if (r < 0)
        return r;
    return server_start(words, folder, c->reconnect_delay, wake_connections, s, &s->server, why);
}

/* Starts the first connection and waits until it serves or has failed. */
static int start_first_connection(struct nbd_store *s, struct weir_text *why)
{
    int r = connection_start(s, &s->connections[0]);

    pthread_mutex_lock(&s->lock);
    s->count = r == 0;
    while (r == 0 && !s->ready && !s->first_failed)
        pthread_cond_wait(&s->changed, &s->lock);
    s->opened = r == 0 && s->ready;
    if (r == 0 && !s->ready) {
        weir_print(why, "disk \"%s\": the %s %s", s->image,
                   s->server ? "command" : "server gives:", s->last_error);
        r = -EIO;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

static int judge_disk(struct nbd_store *s, const struct store_image *image, struct weir_text *why)
{
    if (image->size && image->size != s->traits.size) {
        weir_print(why,
                   "disk \"%s\" has %" PRIu64 " bytes at its server, the export says %" PRIu64
                   ": leave the export's size out, or change it",
                   s->image, s->traits.size, image->size);
        return -EINVAL;
    }
    if (s->traits.size == 0) {
        weir_print(why, "disk \"%s\" is empty at its server", s->image);
        return -EINVAL;
    }
    if (!s->traits.read_only || image->read_only)
        return 0;
    weir_print(why, "disk \"%s\" can only be read at its server: give the export read_only = true",
               s->image);
    return -EPERM;
}

static int start_more_connections(struct nbd_store *s)
{
    int64_t wanted = s->config->connections ? s->config->connections : CONNECTIONS_USUAL;
    int r = 0;

    for (int64_t i = 1; s->traits.multi && i < wanted && r == 0; i++) {
        r = connection_start(s, &s->connections[i]);
        hold_lock(&s->lock);
        s->count += r == 0;
    }
    return r;
}

static void nbd_store_close(void *self)
{
    struct nbd_store *s = self;

    pthread_mutex_lock(&s->lock);
    s->closing = true;
    s->count = 0; /* so that nobody is woken who is gone */
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        connection_stop(&s->connections[i]);
    server_stop(s->server);
    kept_finish(s);
    free(s->image);
    free(s->uri);
    free(s->export);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

static int nbd_store_open(void *self, const struct store_image *image, const void *config,
                          struct weir_text *why)
{
    struct nbd_store *s = self;
    int r;

    s->config = config;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->stopped_since = clock_ns();
    s->image = strdup(image->image && *image->image ? image->image : image->datastore);
    if (!s->image)
        r = -ENOMEM;
    else if (*s->config->command)
        r = start_command(s, image, why);
    else
        r = target_uri(s->config->uri, image->image, &s->uri, why);
    if (r == 0)
        r = start_first_connection(s, why);
    if (r == 0)
        r = judge_disk(s, image, why);
    if (r == 0)
        r = start_more_connections(s);
    if (r < 0)
        nbd_store_close(s);
    return r;
}

static void nbd_store_geometry(void *self, struct weir_geometry *g)
{
    const struct traits *t = &((struct nbd_store *)self)->traits;

    *g = (struct weir_geometry){
        .size = t->size,
        .block_min = t->block_min,
        .block_preferred = t->block_preferred,
        .block_max = t->block_max,
        .ops = t->read_only ? WEIR_ALL_OPS & ~WEIR_CHANGES : WEIR_ALL_OPS,
        .fast_zero = !t->read_only, /* a refusal is an answer, too */
        .rotational = t->rotational,
    };
}

/* ---- what the far server does not do ----------------------------------------------------------
 */

static int nbd_store_grow(void *self, uint64_t size, struct weir_text *why)
{
    struct nbd_store *s = self;

    weir_print(why,
               "disk \"%s\" belongs to its server: make it %" PRIu64 " bytes there, then close "
               "and open the export",
               s->image, size);
    return -ENOTSUP;
}

static int nbd_store_snapshot(void *self, const char *name, struct weir_text *why)
{
    struct nbd_store *s = self;

    weir_print(why, "disk \"%s\" belongs to its server: make snapshot \"%s\" there", s->image,
               name);
    return -ENOTSUP;
}

static int nbd_store_space(const void *config, const char *folder, struct store_space *space)
{
    (void)config;
    (void)folder;
    *space = (struct store_space){ 0 };
    return 0;
}

static int nbd_identity(void *self, struct weir_identity *ret)
{
    const struct nbd_store *s = self;
    const struct nbd_config *c = s->config;

    if (!s->server)
        return store_identify(ret, "nbd %s", s->uri);
    return store_identify(ret, "nbd command %s in %s image %s", c->command,
                          *c->path ? c->path : ".", s->image);
}

/* Where a command looks for its images; a server elsewhere has none on this host. */
static const char *nbd_folder(const void *config)
{
    const struct nbd_config *c = config;

    return *c->command && *c->path ? c->path : NULL;
}

const struct store_type store_nbd = {
    .name = "nbd",
    .summary = "Disks behind any NBD server, or behind a command that is one.",
    .self_size = sizeof(struct nbd_store),
    .config_size = sizeof(struct nbd_config),
    .options = options,
    .check = nbd_check,
    .open = nbd_store_open,
    .geometry = nbd_store_geometry,
    .serve = nbd_store_serve,
    .grow = nbd_store_grow,
    .snapshot = nbd_store_snapshot,
    .close = nbd_store_close,
    .space = nbd_store_space,
    .folder = nbd_folder,
    .identity = nbd_identity,
};
