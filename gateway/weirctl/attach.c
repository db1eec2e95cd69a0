/* attach.c - how does a disk become one of the kernel's, and how does it stop being one?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>

#include "events.h"
#include "gateways.h"
#include "notify.h"

enum {
    DEAD_TIMEOUT_S = 300,
    DIAL_MS = 30000,
    INDEX_MOST = 65535,
};

/* ---- which disk, which device --------------------------------------------------------------- */

int device_index(const char *word)
{
    int index, end = 0;

    if (strncmp(word, "/dev/", 5) == 0)
        word += 5;
    if (sscanf(word, "nbd%d%n", &index, &end) != 1 || word[end] || index < 0 || index > INDEX_MOST)
        return NO_INDEX;
    return index;
}

static enum exit_code find_uri(const struct invocation *invocation, const char *export, char **ret)
{
    cleanup_gateways struct gateways all = { 0 };
    struct gateway *gateway;
    struct json_object *entry;
    enum exit_code code = gateways_open(invocation, &all);

    if (!code)
        code = gateways_find_export(invocation, &all, export, &gateway, &entry);
    if (code)
        return code;
    const char *uri = text_of(entry, "uri");
    if (!*uri || strcmp(uri, "none") == 0)
        return say(invocation, -ENODATA,
                   "gateway \"%s\" does not know on which socket nbdkit serves \"%s\"",
                   gateway->name, export);
    *ret = enough(strdup(uri));
    return DONE;
}

/* What the command line says, and nothing of the kernel's. */
static enum exit_code take_words(const struct invocation *invocation, struct attachment *a)
{
    const char *export = invocation->words[0], *device = invocation->words[1];
    double seconds = DEAD_TIMEOUT_S;
    uint64_t links = 1;
    enum exit_code code = option_count(invocation, OPTION_CONNECTIONS, 1, &links);

    if (!code && links > LINKS_MOST)
        code = say_misuse(invocation, "--connections=%s: %d at most",
                          invocation->option[OPTION_CONNECTIONS], LINKS_MOST);
    if (!code)
        code = option_seconds(invocation, OPTION_DEAD_TIMEOUT, 1, &seconds);
    if (code)
        return code;
    a->links = (unsigned)links;
    a->dead_timeout = (uint64_t)(seconds + 0.5);
    a->index = device ? device_index(device) : NO_INDEX;
    if (device && a->index == NO_INDEX)
        return say_misuse(invocation,
                          "\"%s\" is no device of the kernel's NBD client: /dev/nbd0 would be one",
                          device);
    a->export = enough(strdup(export));
    if (strstr(export, "://"))
        a->uri = enough(strdup(export));
    else
        code = find_uri(invocation, export, &a->uri);
    if (code)
        return code;
    const char *unfit = uri_unfit(a->uri);
    return unfit ? say(invocation, -ENOTSUP, "\"%s\" cannot be attached: %s", export, unfit) : DONE;
}

/* ---- what is attached already --------------------------------------------------------------- */

static bool is_unwatched(struct json_object *entry)
{
    return strcmp(text_of(entry, "state"), attach_state_word(UNWATCHED)) == 0;
}

static bool is_dead(struct json_object *entry)
{
    return strcmp(text_of(entry, "state"), attach_state_word(DEAD)) == 0;
}

/* One whose watch has ended is taken over: the kernel still has it, and perhaps a file system
 * on it.  Attached twice, a disk is a disk with two owners who do not know of each other. */
static enum exit_code take_over(const struct invocation *invocation, struct attachment *a,
                                struct nbd_kernel *kernel, bool *taken)
{
    struct json_object *list = attach_list(a->folder);
    enum exit_code code = DONE;

    for (size_t i = 0; i < items_of(list) && !code && !*taken; i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        int index = (int)number_of(entry, "index");
        bool same = strcmp(text_of(entry, "uri"), a->uri) == 0;
        cleanup_text struct weir_text backend = { 0 };

        if ((!same && index != a->index) || is_dead(entry))
            continue;
        kernel_backend(index, &backend);
        bool lives = kernel_connected(kernel, index) != 0 &&
                     strcmp(text_string(&backend), text_of(entry, "uri")) == 0;
        if (!is_unwatched(entry) ||
            (lives && (!same || (a->index != NO_INDEX && a->index != index))))
            code = say(invocation, -EBUSY, "/dev/nbd%d is attached already, to \"%s\"", index,
                       text_of(entry, "export"));
        else if (lives) {
            attach_restore(a, entry);
            *taken = true;
        }
    }
    json_object_put(list);
    return code;
}

/* ---- attach ------------------------------------------------------------------------- */

static enum exit_code dial_all(const struct invocation *invocation, struct attachment *a)
{
    cleanup_text struct weir_text why = { 0 };
    int ms = timeout_ms(invocation, DIAL_MS);

    for (unsigned i = 0; i < a->links; i++) {
        int r = attach_dial(a->uri, ms, -1, &a->disk, &a->link[i], &why);
        if (r)
            return say(invocation, r, "%s", text_string(&why));
    }
    if (disk_fits(&a->disk, a->links, &why))
        return say(invocation, -ENOTSUP, "\"%s\" cannot be attached: %s", a->export,
                   text_string(&why));
    if (a->links == 1) /* then nobody relies on it */
        a->disk.flags &= (uint16_t)~NBD_FLAG_CAN_MULTI_CONN;
    return DONE;
}

/* Locked before the kernel is asked where the device is known, after it where the kernel chose. */
static enum exit_code watch_alone(const struct invocation *invocation, struct attachment *a)
{
    a->lock = a->lock < 0 ? attach_lock(a->folder, a->index) : a->lock;
    if (a->lock < 0)
        return say(invocation, a->lock, "/dev/nbd%d cannot be watched: %s", a->index,
                   a->lock == -EBUSY ? "another weirctl does" : strerror(-a->lock));
    return DONE;
}

static enum exit_code connect_device(const struct invocation *invocation, struct attachment *a,
                                     struct nbd_kernel *kernel)
{
    cleanup_text struct weir_text why = { 0 };
    enum exit_code code = a->index == NO_INDEX ? DONE : watch_alone(invocation, a);

    if (!code)
        code = dial_all(invocation, a);
    if (code)
        return code;
    int r = kernel_connect(kernel, a, &why);
    if (r)
        return say(invocation, r, "\"%s\" cannot be attached: %s", a->export, text_string(&why));
    code = watch_alone(invocation, a);
    if (code)
        kernel_disconnect(kernel, a->index, &why);
    return code;
}

/* ---- the watch ---------------------------------------------------------------------- */

static void log_line(enum weir_severity severity, const char *line)
{
    static const int priorities[] = { LOG_INFO, LOG_WARNING, LOG_ERR };

    syslog(priorities[severity], "%s", line);
}

/* Memory that this process needs may be memory that only its disk, once it is back, can free. */
static void need_nothing(void)
{
    cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "-1000", 5);
    prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
    mlockall(MCL_CURRENT | MCL_FUTURE);
}

static enum exit_code print_device(const struct invocation *invocation, const struct attachment *a)
{
    char device[32];

    snprintf(device, sizeof device, "/dev/nbd%d", a->index);
    if (!invocation->option[OPTION_JSON]) {
        puts(device);
        return finish_output(invocation);
    }
    struct json_object *ret = document();
    add_text(ret, "device", device);
    add_text(ret, "export", a->export);
    add_text(ret, "uri", a->uri);
    add_number(ret, "size_bytes", a->disk.size);
    add_flag(ret, "read_only", a->disk.flags & NBD_FLAG_READ_ONLY);
    return print_document(invocation, ret);
}

static void leave_terminal(void)
{
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setsid();
    (void)!chdir("/");
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    openlog("weirctl", LOG_PID, LOG_DAEMON);
    events_log_to(log_line);
}

static _Noreturn void watch_apart(struct attachment *a, struct nbd_kernel *kernel, int signals,
                                  int ready)
{
    leave_terminal();
    need_nothing();
    if (attach_save(a) == 0)
        (void)!write(ready, "", 1);
    close(ready);
    _exit((int)attach_watch(a, kernel, signals));
}

/* Returns once somebody watches the device, who is another process. */
static enum exit_code watch_behind(const struct invocation *invocation, struct attachment *a,
                                   struct nbd_kernel *kernel, int signals, int *busy)
{
    int ends[2];
    char byte;

    if (pipe2(ends, O_CLOEXEC))
        return say(invocation, -errno, "nobody can watch /dev/nbd%d: %s", a->index,
                   strerror(errno));
    cleanup_fd int from = ends[0], to = ends[1];
    pid_t pid = fork();
    if (pid < 0)
        return say(invocation, -errno, "nobody can watch /dev/nbd%d: %s", a->index,
                   strerror(errno));
    if (pid == 0) {
        scope_close(busy);
        close(from);
        watch_apart(a, kernel, signals, to);
    }
    close(to);
    to = -1;
    if (read(from, &byte, 1) != 1)
        return say(
            invocation, -EIO,
            "/dev/nbd%d is attached, but the process that is to watch it ended: attach it again",
            a->index);
    return print_device(invocation, a);
}

static enum exit_code watch_here(const struct invocation *invocation, struct attachment *a,
                                 struct nbd_kernel *kernel, int signals, int *busy)
{
    int r = attach_save(a);

    if (r)
        return say(invocation, r, "the state of /dev/nbd%d cannot be written: %s", a->index,
                   strerror(-r));
    enum exit_code code = print_device(invocation, a);
    scope_close(busy);
    *busy = -1;
    need_nothing();
    notify_ready();
    return code ? code : attach_watch(a, kernel, signals);
}

static enum exit_code begin_watch(const struct invocation *invocation, struct attachment *a,
                                  struct nbd_kernel *kernel, int *busy)
{
    int signals = watch_signals();

    a->state = CONNECTED;
    a->since = time(NULL);
    if (signals < 0)
        return say(invocation, signals, "cannot wait for signals: %s", strerror(-signals));
    return invocation->option[OPTION_FOREGROUND]
               ? watch_here(invocation, a, kernel, signals, busy)
               : watch_behind(invocation, a, kernel, signals, busy);
}

enum exit_code ctl_attach(const struct invocation *invocation)
{
    cleanup_attachment struct attachment a;
    cleanup_kernel struct nbd_kernel kernel = { 0 };
    cleanup_text struct weir_text why = { 0 };
    cleanup_fd int busy = -1; /* one attaches at a time: none sees another half done */
    bool taken = false;

    attachment_init(&a);
    enum exit_code code = take_words(invocation, &a);
    if (code)
        return code;
    int r = kernel_open(&kernel, &why);
    if (r)
        return say(invocation, r, "%s", text_string(&why));
    a.folder = attach_folder(invocation, true, &why);
    if (a.folder < 0)
        return say(invocation, a.folder, "%s", text_string(&why));
    busy = openat(a.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (busy < 0 || flock(busy, LOCK_EX))
        return say(invocation, -errno, "cannot lock %s/attach: %s", run_folder(invocation),
                   strerror(errno));
    code = take_over(invocation, &a, &kernel, &taken);
    if (!code)
        code = taken ? watch_alone(invocation, &a) : connect_device(invocation, &a, &kernel);
    return code ? code : begin_watch(invocation, &a, &kernel, &busy);
}
