/* main.c - how do the gateways of a host get onto a mount point, and off again?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fs.h"
#include "gateway.h"
#include "log.h"
#include "mount.h"
#include "peer.h"
#include "policy.h"
#include "scratch.h"
#include "stamp.h"
#include "veil.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum { EXIT_USAGE = 2, THREADS = 256, THREADS_IDLE = 16, TIMEOUT_MS = 2000 };

struct arguments {
    char *run, *mountpoint;
    unsigned timeout_ms;
    int foreground, help, version;
};

static const struct fuse_opt options[] = {
    { "--run=%s", offsetof(struct arguments, run), 0 },
    { "timeout=%u", offsetof(struct arguments, timeout_ms), 0 },
    { "-f", offsetof(struct arguments, foreground), 1 },
    { "--foreground", offsetof(struct arguments, foreground), 1 },
    { "-h", offsetof(struct arguments, help), 1 },
    { "--help", offsetof(struct arguments, help), 1 },
    { "-V", offsetof(struct arguments, version), 1 },
    { "--version", offsetof(struct arguments, version), 1 },
    FUSE_OPT_END,
};

static const char usage[] =
    "Usage: weirfs [OPTIONS] MOUNTPOINT\n"
    "Shows the gateways of this host, their statistics and policies, as files.\n"
    "\n"
    "  --run=DIR         where the gateways' control sockets are, below DIR/ctl\n"
    "                    (default: $WEIR_RUN or /run/weir)\n"
    "  -f, --foreground  stay in the foreground\n"
    "  -o OPTION[,…]     timeout=MS: how long a gateway may take to answer (2000);\n"
    "                    and the mount options of FUSE: allow_other, auto_unmount, …\n"
    "  -h, --help        this text\n"
    "  -V, --version     the version\n";

/* Everything that is not in the table: the mount point, or an option of libfuse's. */
static int take_argument(void *data, const char *argument, int key, struct fuse_args *rest)
{
    struct arguments *a = data;

    (void)rest;
    if (key == FUSE_OPT_KEY_NONOPT) {
        if (a->mountpoint) {
            fprintf(stderr, "weirfs: one mount point is expected, '%s' is a second one\n",
                    argument);
            return -1;
        }
        a->mountpoint = strdup(argument);
        return a->mountpoint ? 0 : -1;
    }
    if (argument[0] == '-' && argument[1] != 'o') {
        fprintf(stderr, "weirfs: there is no option '%s'; weirfs --help says which there are\n",
                argument);
        return -1;
    }
    return 1;
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    struct fs_start *start = fuse_get_context()->private_data;

    (void)connection;
    config->nullpath_ok = 1;
    config->hard_remove = 1; /* no .fuse_hidden files: policies are text in memory here */
    /* names and sizes are as fresh as values: the next look asks the gateway again */
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    int error = peers_start(start->run, start->timeout_ms);
    if (error) {
        syslog(LOG_ERR, "the gateways cannot be watched: %s", strerror(-error));
        fuse_exit(fuse_get_context()->fuse);
    }
    return start;
}

const struct fuse_operations weirfs_operations = {
    .init = fs_init,
    .getattr = fs_getattr,
    .opendir = fs_opendir,
    .readdir = fs_readdir,
    .releasedir = fs_release,
    .open = fs_open,
    .create = fs_create,
    .read = fs_read,
    .write = fs_write,
    .flush = fs_flush,
    .fsync = fs_fsync,
    .release = fs_release,
    .poll = fs_poll,
    .truncate = fs_truncate,
    .unlink = fs_unlink,
    .rename = fs_rename,
    .chmod = fs_chmod,
    .chown = fs_chown,
    .utimens = fs_utimens,
    /* no xattrs: the kernel asks once, hears ENOSYS and says "not supported" from then on */
};

/* Serves until SIGTERM, SIGINT, SIGHUP or an unmount. */
static int serve(struct fuse *fuse, bool foreground)
{
    struct fuse_loop_config *loop = fuse_loop_cfg_create();
    struct fuse_session *session = fuse_get_session(fuse);

    if (!loop || fuse_daemonize(foreground) || fuse_set_signal_handlers(session)) {
        fuse_loop_cfg_destroy(loop);
        return -1;
    }
    /* one that waits for a hanging gateway must not be one that others wait for */
    fuse_loop_cfg_set_max_threads(loop, THREADS);
    fuse_loop_cfg_set_idle_threads(loop, THREADS_IDLE);
    int error = fuse_loop_mt(fuse, loop);
    fuse_remove_signal_handlers(session);
    fuse_loop_cfg_destroy(loop);
    return error < 0 ? -1 : 0;
}

static int mount_and_serve(struct fuse_args *args, struct fs_start *start, const char *mountpoint,
                           bool foreground)
{
    struct fuse *fuse = fuse_new(args, &weirfs_operations, sizeof(weirfs_operations), start);

    if (!fuse)
        return EXIT_USAGE; /* libfuse has said which option */
    if (fuse_mount(fuse, mountpoint)) {
        fuse_destroy(fuse);
        return EXIT_FAILURE;
    }
    int error = serve(fuse, foreground);
    log_mute();
    fuse_unmount(fuse);
    fuse_destroy(fuse);
    fs_finish();
    peers_stop();
    policy_finish();
    scratch_finish();
    veil_finish();
    stamp_finish();
    log_finish();
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct fuse_args *args, struct arguments *a)
{
    cleanup_free char *mountpoint = NULL;
    cleanup_free char *folder = a->run ? strdup(a->run) : default_run();

    if (a->help || a->version) {
        fputs(a->help ? usage : "weirfs " WEIR_VERSION "\n", stdout);
        return EXIT_SUCCESS;
    }
    if (!a->mountpoint) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (!a->timeout_ms) {
        fputs("weirfs: timeout=0 leaves no gateway any time; 2000 is the default\n", stderr);
        return EXIT_USAGE;
    }
    /* a daemon's working folder is another */
    cleanup_free char *here = folder && *folder != '/' ? getcwd(NULL, 0) : strdup("");
    cleanup_free char *where = NULL;
    if (!folder || !here || asprintf(&where, "%s%s%s", here, *here ? "/" : "", folder) < 0)
        return EXIT_FAILURE;
    if (mount_prepare(a->mountpoint, &mountpoint))
        return EXIT_FAILURE;
    if (fuse_opt_add_arg(args, "-odefault_permissions,fsname=weirfs,subtype=weirfs") ||
        (mount_may_be_shared() && fuse_opt_add_arg(args, "-oallow_other")))
        return EXIT_FAILURE;
    struct fs_start start = { where, a->timeout_ms };
    return mount_and_serve(args, &start, mountpoint, a->foreground);
}

int main(int argc, char **argv)
{
    struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
    struct arguments a = { .timeout_ms = TIMEOUT_MS };

    openlog("weirfs", LOG_PID, LOG_DAEMON);
    int status = fuse_opt_parse(&args, &a, options, take_argument) ? EXIT_USAGE : run(&args, &a);
    fuse_opt_free_args(&args);
    free(a.run);
    free(a.mountpoint);
    return status;
}
