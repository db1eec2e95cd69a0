/* store-nbd-command.c - how is a far server of our own started, kept and ended?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * It is given a listening socket as descriptor 3 (systemd's socket activation, which
 * qemu-nbd and nbdkit speak).  The socket stays ours, so that connections wait in its
 * queue while the server is started again.  Its name in the file system is removed at
 * once: we connect through a descriptor of its inode, nobody else can.
 *
 * The thread that starts the process lives as long as the store: the kernel is asked to
 * end the process with that thread (PR_SET_PDEATHSIG), so kill -9 of the gateway leaves
 * no server behind that would hold the image's lock. */
#include "store-nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "clock.h"
#include "events.h"
#include "scope.h"

enum { BACKLOG = 64, FIRST_PAUSE_MS = 100, SETTLED_MS = 5000, GRACE_MS = 10000 };

struct server {
    char **words, **environment;
    char *folder, *listen_pid; /* listen_pid: into the environment */
    int socket, place, stop;   /* place: the socket's inode, O_PATH; stop: eventfd */
    int longest_pause_ms;
    void (*ended)(void *);
    void *arg;
    pthread_t thread;
    /* the lock guards what follows; innermost */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool tried;  /* the first start has an outcome: */
    int outcome; /* 0 or -errno */
    unsigned ends;
    int status; /* of the last end, as wait() gives it */
};

/* ---- the socket ------------------------------------------------------------------------ */

static int make_socket(struct server *s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *base = getenv("TMPDIR");
    char folder[sizeof address.sun_path - 2];

    int size = snprintf(folder, sizeof folder, "%s/weir-XXXXXX", base && *base ? base : "/tmp");
    if (size < 0 || (size_t)size >= sizeof folder)
        return -ENAMETOOLONG;
    s->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->socket < 0 || !mkdtemp(folder))
        return -errno;
    int r = 0;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    if (bind(s->socket, (struct sockaddr *)&address, sizeof address) < 0 ||
        (s->place = open(address.sun_path, O_PATH | O_CLOEXEC)) < 0 ||
        listen(s->socket, BACKLOG) < 0)
        r = -errno;
    unlink(address.sun_path);
    rmdir(folder);
    return r;
}

int server_connect(struct server *s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", s->place);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return steal_fd(fd);
}

/* ---- the process ------------------------------------------------------------------------- */

static int make_environment(struct server *s)
{
    static const char digits[] = "LISTEN_PID=0000000000";
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    s->environment = calloc(count + 3, sizeof *s->environment);
    if (!s->environment)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LISTEN_", 7) != 0) {
            s->environment[kept] = strdup(environ[i]);
            if (!s->environment[kept++])
                return -ENOMEM;
        }
    s->environment[kept++] = strdup("LISTEN_FDS=1");
    s->environment[kept++] = s->listen_pid = strdup(digits);
    return s->environment[kept - 2] && s->listen_pid ? 0 : -ENOMEM;
}

/* Between fork and exec: only what is safe after a fork of a process with threads. */
static _Noreturn void become_server(struct server *s, int report, pid_t parent)
{
    char *digit = strchr(s->listen_pid, '=') + 1;
    sigset_t none;

    pid_t pid = getpid(), scale = 1;
    while (scale <= pid / 10)
        scale *= 10;
    for (; scale; scale /= 10)
        *digit++ = (char)('0' + pid / scale % 10);
    *digit = '\0';
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* a Ctrl-C for the gateway must not end it before the last flush */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(125);
    int null = open("/dev/null", O_RDONLY);
    /* `report` must not be where the socket goes */
    report = fcntl(report, F_DUPFD_CLOEXEC, 10);
    int listening = fcntl(s->socket, F_DUPFD_CLOEXEC, 10);
    if (null >= 0 && report >= 0 && listening >= 0 && dup2(null, 0) == 0 &&
        dup2(listening, 3) == 3 && chdir(s->folder) == 0) {
        syscall(SYS_close_range, 4u, ~0u, CLOSE_RANGE_CLOEXEC);
        execvpe(s->words[0], s->words, s->environment);
    }
    int error = errno;
    if (write(report, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

static int start_process(struct server *s, pid_t *pid, int *pidfd)
{
    int report[2], error = 0;
    pid_t parent = getpid();

    if (pipe2(report, O_CLOEXEC) < 0)
        return -errno;
    *pid = fork();
    if (*pid == 0)
        become_server(s, report[1], parent);
    if (*pid < 0)
        error = errno;
    close(report[1]);
    ssize_t n;
    do
        n = *pid < 0 ? 0 : read(report[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
    close(report[0]);
    *pidfd = -1;
    if (error == 0 && (*pidfd = (int)syscall(SYS_pidfd_open, *pid, 0)) < 0) {
        error = errno;
        kill(*pid, SIGKILL);
    }
    if (error && *pid > 0)
        waitpid(*pid, NULL, 0);
    return -error;
}

/* Waits until `fd` or the stop is readable.  true: stop. */
static bool wait_or_stop(struct server *s, int fd, int timeout_ms)
{
    struct pollfd list[] = { { .fd = s->stop, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

    while (poll(list, 2, timeout_ms) < 0 && errno == EINTR)
        ;
    return list[0].revents != 0;
}

static void end_process(pid_t pid, int pidfd)
{
    struct pollfd end = { .fd = pidfd, .events = POLLIN };

    kill(pid, SIGTERM);
    while (poll(&end, 1, GRACE_MS) < 0 && errno == EINTR)
        ;
    if (!end.revents)
        kill(pid, SIGKILL);
}

/* Waits for its end, or ends it when the store closes.  true: the store closes. */
static bool watch_process(struct server *s, pid_t pid, int pidfd)
{
    bool stop = wait_or_stop(s, pidfd, -1);
    int status = 0;

    if (stop)
        end_process(pid, pidfd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(pidfd);
    pthread_mutex_lock(&s->lock);
    s->ends++;
    s->status = status;
    pthread_mutex_unlock(&s->lock);
    if (!stop)
        s->ended(s->arg);
    return stop;
}

/* ---- the keeper --------------------------------------------------------------------------- */

static void settle_first_start(struct server *s, int outcome)
{
    hold_lock(&s->lock);
    if (!s->tried) {
        s->tried = true;
        s->outcome = outcome;
        pthread_cond_broadcast(&s->changed);
    }
}

static void *keep_server(void *arg)
{
    struct server *s = arg;
    int pause_ms = FIRST_PAUSE_MS;

    for (bool stop = false; !stop;) {
        pid_t pid = -1;
        int pidfd = -1;
        uint64_t begun = clock_ns();
        int r = start_process(s, &pid, &pidfd);
        settle_first_start(s, r);
        if (r == 0)
            stop = watch_process(s, pid, pidfd);
        else
            event_post(WEIR_ERROR, NULL, NULL, "command %s: %s", s->words[0], strerror(-r));
        if (clock_ns() - begun > SETTLED_MS * 1000000ull)
            pause_ms = FIRST_PAUSE_MS;
        if (!stop)
            stop = wait_or_stop(s, -1, pause_ms);
        pause_ms = pause_ms * 2 < s->longest_pause_ms ? pause_ms * 2 : s->longest_pause_ms;
    }
    return NULL;
}

bool server_has_ended(struct server *s, struct weir_text *how)
{
    hold_lock(&s->lock);
    if (s->ends && WIFSIGNALED(s->status))
        weir_print(how, "was ended by signal %d", WTERMSIG(s->status));
    else if (s->ends)
        weir_print(how, "ended with status %d", WEXITSTATUS(s->status));
    return s->ends;
}

static void free_server(struct server *s)
{
    scope_close(&s->socket);
    scope_close(&s->place);
    scope_close(&s->stop);
    free_words(s->words);
    free_words(s->environment);
    free(s->folder);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void server_stop(struct server *s)
{
    uint64_t one = 1;

    if (!s)
        return;
    while (write(s->stop, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(s->thread, NULL);
    free_server(s);
}

int server_start(char **words, const char *folder, uint64_t longest_pause, void (*ended)(void *),
                 void *arg, struct server **ret, struct weir_text *why)
{
    struct server *s = calloc(1, sizeof *s);
    int r;

    if (!s) {
        free_words(words);
        return -ENOMEM;
    }
    *s = (struct server){ .words = words,
                          .folder = strdup(folder),
                          .socket = -1,
                          .place = -1,
                          .stop = eventfd(0, EFD_CLOEXEC),
                          .ended = ended,
                          .arg = arg,
                          .longest_pause_ms = (int)(longest_pause / 1000000) };
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    r = !s->folder ? -ENOMEM : s->stop < 0 ? -errno : make_socket(s);
    if (r == 0)
        r = make_environment(s);
    if (r == 0)
        r = -pthread_create(&s->thread, NULL, keep_server, s);
    if (r < 0) {
        weir_print(why, "command \"%s\" cannot be started: %s", words[0], strerror(-r));
        free_server(s);
        return r;
    }
    pthread_mutex_lock(&s->lock);
    while (!s->tried)
        pthread_cond_wait(&s->changed, &s->lock);
    r = s->outcome;
    pthread_mutex_unlock(&s->lock);
    if (r < 0) {
        weir_print(why, "command \"%s\" cannot be started in folder \"%s\": %s", words[0], folder,
                   strerror(-r));
        server_stop(s);
        return r;
    }
    *ret = s;
    return 0;
}
