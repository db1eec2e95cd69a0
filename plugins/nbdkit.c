/* nbdkit.c - how does nbdkit serve weir's exports?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The only file that includes nbdkit-plugin.h.  It turns nbdkit's callbacks into
 * requests of export_serve() and knows nothing of filters. */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "access.h"
#include "config/config.h"
#include "control/control.h"
#include "dynamic.h"
#include "events.h"
#include "gateway.h"
#include "names.h"
#include "notify.h"
#include "request.h"
#include "scope.h"
#include "stop.h"
#include "stores.h"
#include "text.h"
#include "tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* From nbdkit 1.40 on; the plugin loads into older ones as well. */
extern char *nbdkit_peer_tls_dn(void) __attribute__((weak));

/* ---- parameters -------------------------------------------------------------- */

/* What the command line gave; nbdkit has one plugin of a kind per process. */
enum { CONF, RUN, STATE, FILTERS, NAME, PARAMETERS };
static struct {
    const char *key;
    bool path; /* made absolute: nbdkit changes its folder when it goes to the background */
    char *value;
} given[PARAMETERS] = {
    [CONF] = { "conf", true, NULL },   [RUN] = { "run", true, NULL },
    [STATE] = { "state", true, NULL }, [FILTERS] = { "filters", false, NULL },
    [NAME] = { "name", false, NULL },
};

static int weir_plugin_config(const char *key, const char *value)
{
    for (int i = 0; i < PARAMETERS; i++)
        if (strcmp(key, given[i].key) == 0) {
            free(given[i].value);
            given[i].value = given[i].path ? nbdkit_absolute_path(value) : strdup(value);
            return given[i].value ? 0 : -1;
        }
    nbdkit_error("weir: there is no parameter \"%s\": it takes conf=FILE, run=DIR, state=DIR, "
                 "filters=DIR[:DIR...] and name=GATEWAY",
                 key);
    return -1;
}

#define CONFIG_HELP                                                                                \
    "conf=FILE             (required) Configuration, see weir.conf(5).\n"                          \
    "run=DIR               Control sockets (default: $WEIR_RUN or /run/weir).\n"                   \
    "state=DIR             State (default: $WEIR_STATE or /var/lib/weir).\n"                       \
    "filters=DIR[:DIR...]  Filters (default: $WEIR_FILTERS or the installed ones).\n"              \
    "name=GATEWAY          Name of this gateway (default: main)."

static int weir_plugin_config_complete(void)
{
    if (!given[CONF].value) {
        nbdkit_error("weir: conf=FILE is missing: see weir.conf(5)");
        return -1;
    }
    if (!gateway_name_is_plain(given[NAME].value)) {
        nbdkit_error("weir: name=%s: a gateway's name is letters, digits, '.', '_' and '-'",
                     given[NAME].value);
        return -1;
    }
    return 0;
}

/* ---- start and stop ---------------------------------------------------------- */

static void log_line(enum weir_severity severity, const char *line)
{
    if (severity == WEIR_ERROR)
        nbdkit_error("%s", line);
    else
        fprintf(stderr, "weir: %s\n", line);
}

/* Before nbdkit goes to the background, so that mistakes reach the terminal. */
static int weir_plugin_get_ready(void)
{
    struct mistakes mistakes = { 0 };
    cleanup_text struct weir_text text = { 0 };

    events_log_to(log_line);
    int r =
        places_open(given[NAME].value, given[RUN].value, given[STATE].value, given[FILTERS].value);
    if (r) {
        nbdkit_error("weir: run=%s state=%s: %s%s", places()->run, places()->state, strerror(-r),
                     r == -EPERM ? ": these folders must be this user's, and not writable by "
                                   "everybody"
                                 : "");
        return -1;
    }
    r = config_start(given[CONF].value, &mistakes);
    if (!r)
        return 0;
    mistakes_print(&mistakes, &text);
    mistakes_finish(&mistakes);
    nbdkit_error("weir: %s was not accepted:\n%s", given[CONF].value,
                 text.length ? text_string(&text) : strerror(-r));
    return -1;
}

static void ease_all(void)
{
    struct export **all = gateway_list();

    for (size_t i = 0; all && all[i]; i++)
        export_ease(all[i]);
    gateway_put_list(all);
}

/* After the fork, which threads would not survive. */
static int weir_plugin_after_fork(void)
{
    /* a file that may not grow is an error of one write, not the end of all disks */
    signal(SIGXFSZ, SIG_IGN);
    dynamic_changes(&store_changes);
    config_open_all();
    int r = stop_watch(ease_all);
    if (r) {
        nbdkit_error("weir: no thread to watch for signals: %s", strerror(-r));
        return -1;
    }
    control_tls_required(tls_is_required());
    r = control_start();
    if (r) {
        nbdkit_error("weir: the control socket under %s: %s", places()->run, strerror(-r));
        return -1;
    }
    notify_ready();
    return 0;
}

static void weir_plugin_cleanup(void)
{
    stop_unwatch();
    control_stop();
    events_wake();
    dynamic_stop();
    config_stop();
    derived_stop();
}

static void weir_plugin_unload(void)
{
    places_finish();
    for (int i = 0; i < PARAMETERS; i++)
        free(given[i].value);
}

/* ---- exports and who may see them -------------------------------------------- */

static bool is_local(void)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    return nbdkit_peer_name((struct sockaddr *)&address, &length) == 0 &&
           address.ss_family == AF_UNIX;
}

static bool may_open(const struct export *e, bool tls)
{
    char *const *rules = export_config(e)->allow;
    struct peer peer = { .tls = tls, .uid = -1, .gid = -1 };
    cleanup_free char *dn = NULL;

    if (!rules)
        return true;
    if ((access_asks(rules, "uid:") || access_asks(rules, "gid:")) && is_local()) {
        peer.uid = nbdkit_peer_uid();
        peer.gid = nbdkit_peer_gid();
    }
    if (tls && access_asks(rules, "tls-dn:") && nbdkit_peer_tls_dn)
        peer.tls_dn = dn = nbdkit_peer_tls_dn();
    return access_allowed(rules, &peer);
}

static int weir_plugin_list_exports(int readonly, int is_tls, struct nbdkit_exports *list)
{
    struct export **all = gateway_list();
    int r = all ? 0 : -1;

    (void)readonly;
    for (size_t i = 0; all && all[i] && !r; i++) {
        cleanup_text struct weir_text text = { 0 };
        if (name_is_hidden(all[i]) || !may_open(all[i], is_tls))
            continue;
        export_describe(all[i], &text);
        r = nbdkit_add_export(list, export_name(all[i]), text.length ? text_string(&text) : NULL);
    }
    gateway_put_list(all);
    return r;
}

static const char *weir_plugin_default_export(int readonly, int is_tls)
{
    struct export *e = name_default();
    const char *name = "";

    (void)readonly;
    if (e && may_open(e, is_tls))
        name = nbdkit_strdup_intern(export_name(e));
    export_unref(e);
    return name;
}

/* ---- a connection ------------------------------------------------------------ */

struct connection {
    struct export *export;
    bool read_only;
    struct weir_geometry geometry; /* as it was when the client came */
};

/* The client chose the name, and may be repeated in `behind`: it stays in its line and quotes. */
static void refuse(int error, const char *before, const char *name, const char *behind)
{
    cleanup_text struct weir_text line = { 0 };

    weir_print(&line, "%s ", before);
    text_quote(&line, name);
    text_line(&line, behind);
    nbdkit_error("%s", text_string(&line));
    nbdkit_set_error(error);
}

static struct export *find_for_client(const char *name)
{
    struct export *e = name ? name_find(name) : NULL;

    if (!e) {
        refuse(ENOENT, "there is no export", name ? name : "", "");
        return NULL;
    }
    if (!may_open(e, nbdkit_is_tls() > 0)) {
        refuse(EPERM, "export", name, ": none of its \"allow\" rules fits this client");
        export_unref(e);
        return NULL;
    }
    return e;
}

static struct export *open_for_client(void)
{
    const char *name = nbdkit_export_name();
    struct export *e = find_for_client(name);
    cleanup_text struct weir_text why = { 0 };
    int r = e ? name_open(e, name, &e, &why) : 0;

    if (!r)
        return e;
    cleanup_text struct weir_text said = { 0 };
    weir_print(&said, " %s", why.length ? text_string(&why) : strerror(-r));
    refuse(-r, "export", name, text_string(&said));
    return NULL;
}

/* Clients that only list exports come here too: no lock is taken, nothing is changed.  A point of
 * a disk is opened, but no list names one. */
static void *weir_plugin_open(int readonly)
{
    struct export *e = open_for_client();

    if (!e)
        return NULL;
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        nbdkit_set_error(ENOMEM);
        name_leave(e);
        return NULL;
    }
    c->export = e;
    c->read_only = readonly || export_config(e)->read_only;
    export_geometry(e, &c->geometry);
    export_connected(e);
    return c;
}

static void weir_plugin_close(void *handle)
{
    struct connection *c = handle;

    export_disconnected(c->export);
    name_leave(c->export);
    free(c);
}

static const char *weir_plugin_export_description(void *handle)
{
    const struct connection *c = handle;
    const char *said = export_config(c->export)->description;

    return said && *said ? nbdkit_strdup_intern(said) : NULL;
}

static int64_t weir_plugin_get_size(void *handle)
{
    return (int64_t)((struct connection *)handle)->geometry.size;
}

static int weir_plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                                  uint32_t *maximum)
{
    const struct weir_geometry *g = &((struct connection *)handle)->geometry;

    *minimum = g->block_min ? g->block_min : 1;
    *preferred = g->block_preferred < 512 ? 512 : g->block_preferred;
    *maximum = g->block_max ? g->block_max : 0xffffffff;
    return 0;
}

static bool has(void *handle, enum weir_op op)
{
    return ((struct connection *)handle)->geometry.ops & WEIR_OP(op);
}

static int weir_plugin_can_write(void *handle)
{
    return !((struct connection *)handle)->read_only;
}

static int weir_plugin_is_rotational(void *handle)
{
    return ((struct connection *)handle)->geometry.rotational;
}

static int weir_plugin_yes(void *handle)
{
    (void)handle;
    return 1;
}

static int weir_plugin_can_trim(void *handle)
{
    return has(handle, WEIR_TRIM);
}

static int weir_plugin_can_fast_zero(void *handle)
{
    /* to fail fast is an answer too, and what the flag is about */
    (void)handle;
    return 1;
}

static int weir_plugin_can_fua(void *handle)
{
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

static int weir_plugin_can_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_NATIVE;
}

/* ---- requests ---------------------------------------------------------------- */

static uint32_t flags_of(uint32_t nbdkit_flags)
{
    return (nbdkit_flags & NBDKIT_FLAG_FUA ? WEIR_FUA : 0) |
           (nbdkit_flags & NBDKIT_FLAG_MAY_TRIM ? WEIR_MAY_TRIM : 0) |
           (nbdkit_flags & NBDKIT_FLAG_FAST_ZERO ? WEIR_FAST_ZERO : 0) |
           (nbdkit_flags & NBDKIT_FLAG_REQ_ONE ? WEIR_ONE_EXTENT : 0);
}

static int serve(void *handle, enum weir_op op, void *data, uint32_t count, uint64_t offset,
                 uint32_t flags)
{
    struct weir_request io = {
        .op = op,
        .flags = flags_of(flags),
        .offset = offset,
        .length = count,
        .data = data,
    };
    int error = export_serve(((struct connection *)handle)->export, &io);

    if (!error)
        return 0;
    errno = error; /* .errno_is_preserved */
    return -1;
}

static int weir_plugin_pread(void *handle, void *buf, uint32_t count, uint64_t offset,
                             uint32_t flags)
{
    return serve(handle, WEIR_READ, buf, count, offset, flags);
}

static int weir_plugin_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
                              uint32_t flags)
{
    return serve(handle, WEIR_WRITE, (void *)(uintptr_t)buf, count, offset, flags);
}

static int weir_plugin_flush(void *handle, uint32_t flags)
{
    return serve(handle, WEIR_FLUSH, NULL, 0, 0, flags);
}

static int weir_plugin_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    return serve(handle, WEIR_TRIM, NULL, count, offset, flags);
}

static int weir_plugin_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    return serve(handle, WEIR_ZERO, NULL, count, offset, flags);
}

static int weir_plugin_cache(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    return serve(handle, WEIR_PREFETCH, NULL, count, offset, flags);
}

/* An answer may end before the request does; the client asks again from there. */
static int add_extents(const struct weir_extents *from, struct nbdkit_extents *to)
{
    uint64_t offset, length;
    uint32_t type;

    for (size_t i = 0; weir_get_extent(from, i, &offset, &length, &type) == 0; i++) {
        if (nbdkit_add_extent(to, offset, length,
                              (type & WEIR_HOLE ? NBDKIT_EXTENT_HOLE : 0) |
                                  (type & WEIR_READS_ZERO ? NBDKIT_EXTENT_ZERO : 0)))
            return -1;
    }
    return 0;
}

static int weir_plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                               struct nbdkit_extents *extents)
{
    struct weir_extents *found = weir_extents_create();

    if (!found) {
        errno = ENOMEM;
        return -1;
    }
    int r = serve(handle, WEIR_EXTENTS, found, count, offset, flags);
    if (!r && weir_get_extent(found, 0, &(uint64_t){ 0 }, &(uint64_t){ 0 }, &(uint32_t){ 0 }))
        r = nbdkit_add_extent(extents, offset, count, 0);
    else if (!r)
        r = add_extents(found, extents);
    weir_extents_destroy(found);
    return r;
}

static struct nbdkit_plugin plugin = {
    .name = "weir",
    .longname = "weir I/O filters for virtual disks",
    .version = WEIR_VERSION,
    .description = "Serves disks through chains of loadable filters.",
    .unload = weir_plugin_unload,
    .config = weir_plugin_config,
    .config_complete = weir_plugin_config_complete,
    .config_help = CONFIG_HELP,
    .magic_config_key = "conf",
    .get_ready = weir_plugin_get_ready,
    .after_fork = weir_plugin_after_fork,
    .cleanup = weir_plugin_cleanup,
    .list_exports = weir_plugin_list_exports,
    .default_export = weir_plugin_default_export,
    .open = weir_plugin_open,
    .close = weir_plugin_close,
    .export_description = weir_plugin_export_description,
    .get_size = weir_plugin_get_size,
    .block_size = weir_plugin_block_size,
    .can_write = weir_plugin_can_write,
    .can_flush = weir_plugin_yes,
    .is_rotational = weir_plugin_is_rotational,
    .can_trim = weir_plugin_can_trim,
    .can_zero = weir_plugin_yes,
    .can_fast_zero = weir_plugin_can_fast_zero,
    .can_fua = weir_plugin_can_fua,
    .can_multi_conn = weir_plugin_yes,
    .can_extents = weir_plugin_yes,
    .can_cache = weir_plugin_can_cache,
    .pread = weir_plugin_pread,
    .pwrite = weir_plugin_pwrite,
    .flush = weir_plugin_flush,
    .trim = weir_plugin_trim,
    .zero = weir_plugin_zero,
    .cache = weir_plugin_cache,
    .extents = weir_plugin_extents,
    .errno_is_preserved = 1,
};

struct nbdkit_plugin *plugin_init(void); /* nbdkit's macro defines it without */
NBDKIT_REGISTER_PLUGIN(plugin)
