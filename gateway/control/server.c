/* server.c - who listens on the control socket, and how can no client stall another?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread accepts, one small thread serves each connection, CONNECTIONS at most.  The
 * accepting thread alone takes a place for a connection, joins its thread and closes its
 * descriptor; a connection's thread only says that it is done.  So there is no lock. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../events.h"
#include "../gateway.h"
#include "../scope.h"
#include "answer.h"
#include "stun.h"
#include "wire.h"

enum {
    CONNECTIONS = 64,
    STACK_SIZE = 1 << 20, /* a filter's verbs run here */
    FIRST_ROOM = 4096,
    KEPT_ROOM = 1 << 16, /* what a connection keeps between two requests at most */
    TICK_MS = 1000,      /* how often to look after stuns that nobody ends */
};

struct connection {
    int fd;
    pthread_t thread;
    bool taken;       /* by the accepting thread alone */
    atomic_bool done; /* its thread is about to end */
    struct caller caller;
    char *line;
    size_t filled, room;
};

/* The one server of this process: it serves all exports, as the process does. */
static struct {
    bool started;
    atomic_bool ending;
    atomic_int listener; /* uri.c tells it from the sockets of others */
    atomic_int limit_ms; /* CONTROL_TIMEOUT_MS but in tests */
    int folder, lock, wake;
    pthread_t thread;
    struct connection connection[CONNECTIONS];
} server = { .listener = -1, .limit_ms = CONTROL_TIMEOUT_MS };

bool control_ending(void)
{
    return atomic_load(&server.ending);
}

int control_listener(void)
{
    return atomic_load(&server.listener);
}

void control_line_limit(int limit_ms)
{
    atomic_store(&server.limit_ms, limit_ms);
}

static uint64_t line_deadline(void)
{
    return wire_now_ms() + (uint64_t)atomic_load(&server.limit_ms);
}

/* ---- one connection ---------------------------------------------------------- */

static bool make_room(struct connection *connection)
{
    if (connection->filled < connection->room)
        return true;
    size_t room = connection->room ? connection->room * 2 : FIRST_ROOM;
    char *bigger = realloc(connection->line, room);
    if (!bigger)
        return false;
    connection->line = bigger;
    connection->room = room;
    return true;
}

static int send_error(int fd, int error, const char *sentence)
{
    struct json_out out = { 0 };

    out_open(&out, NULL, '{');
    out_bool(&out, "ok", false);
    out_text(&out, "errno", wire_errno_name(error));
    out_text(&out, "message", sentence);
    out_close(&out, '}');
    weir_print(&out.text, "\n");
    error = wire_send(fd, text_string(&out.text), out.text.length, line_deadline());
    text_finish(&out.text);
    return error;
}

/* Receives more of a line.  A line once begun has until `deadline`, the next one may
 * take as long as it likes.  1: there is more; 0: the client is gone or thrown out. */
static int receive(struct connection *connection, uint64_t deadline)
{
    int error = connection->filled ? wire_wait(connection->fd, POLLIN, deadline) : 0;

    if (error == -ETIMEDOUT)
        send_error(connection->fd, error, "the line of a request did not end in time");
    if (error)
        return 0;
    if (!make_room(connection)) {
        send_error(connection->fd, -ENOMEM, "there is no memory for the request");
        return 0;
    }
    ssize_t n;
    do
        n = recv(connection->fd, connection->line + connection->filled,
                 connection->room - connection->filled, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return 0;
    connection->filled += (size_t)n;
    return 1;
}

/* The length of the first line with its \n; 0: the connection ends. */
static size_t next_line(struct connection *connection)
{
    uint64_t deadline = line_deadline();

    for (size_t seen = 0;;) {
        char *end = connection->filled > seen
                        ? memchr(connection->line + seen, '\n', connection->filled - seen)
                        : NULL;
        if (end)
            return (size_t)(end - connection->line) + 1;
        seen = connection->filled;
        if (seen >= CONTROL_LINE) {
            char sentence[64];
            snprintf(sentence, sizeof(sentence), "the line is longer than %d bytes", CONTROL_LINE);
            send_error(connection->fd, -EMSGSIZE, sentence);
            return 0;
        }
        if (!receive(connection, deadline))
            return 0;
        if (!seen)
            deadline = line_deadline();
    }
}

static void forget_line(struct connection *connection, size_t length)
{
    connection->filled -= length;
    memmove(connection->line, connection->line + length, connection->filled);
    if (!connection->filled && connection->room > KEPT_ROOM) {
        free(connection->line);
        connection->line = NULL;
        connection->room = 0;
    }
}

static int serve_line(struct connection *connection, size_t length)
{
    cleanup_free char *answer = control_answer_for(&connection->caller, connection->line, length);

    if (!answer)
        return send_error(connection->fd, -ENOMEM, "there is no memory for the answer");
    return wire_send(connection->fd, answer, strlen(answer), line_deadline());
}

static void *serve_connection(void *arg)
{
    struct connection *connection = arg;
    size_t length;

    while (!control_ending() && (length = next_line(connection)) > 0) {
        if (serve_line(connection, length) != 0)
            break;
        forget_line(connection, length);
    }
    free(connection->line);
    /* the client must not wait until the descriptor is closed by the other thread */
    shutdown(connection->fd, SHUT_RDWR);
    atomic_store(&connection->done, true);
    return NULL;
}

/* ---- accepting --------------------------------------------------------------- */

static int start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t every, before;
    pthread_attr_t attributes;

    /* signals are for nbdkit's own thread */
    sigfillset(&every);
    int error = pthread_attr_init(&attributes);
    if (error)
        return -error;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    error = pthread_create(thread, &attributes, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

static void give_back(struct connection *connection)
{
    pthread_join(connection->thread, NULL);
    close(connection->fd);
    *connection = (struct connection){ 0 };
}

static struct connection *find_place(void)
{
    struct connection *place = NULL;

    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &server.connection[i];
        if (connection->taken && atomic_load(&connection->done))
            give_back(connection);
        if (!connection->taken && !place)
            place = connection;
    }
    return place;
}

static struct caller who_calls(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return (struct caller){ .fd = fd };
    return (struct caller){ .known = true, .uid = peer.uid, .fd = fd };
}

static void refuse_connection(int fd, int error, const char *sentence)
{
    /* a new socket has room for one line: this never waits */
    send_error(fd, error, sentence);
    close(fd);
}

static void accept_one(void)
{
    int fd = accept4(control_listener(), NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        /* without descriptors poll() would say at once that somebody waits */
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        return;
    }
    struct connection *connection = find_place();
    if (!connection) {
        refuse_connection(fd, -EUSERS,
                          "the gateway serves 64 control connections, which is its "
                          "limit: close one and try again");
        return;
    }
    connection->fd = fd;
    connection->caller = who_calls(fd);
    connection->taken = true;
    if (start_thread(&connection->thread, serve_connection, connection) != 0) {
        *connection = (struct connection){ 0 };
        refuse_connection(fd, -EAGAIN, "the gateway cannot start a thread for this connection");
    }
}

static void end_connections(void)
{
    events_wake();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (server.connection[i].taken)
            shutdown(server.connection[i].fd, SHUT_RDWR);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (server.connection[i].taken)
            give_back(&server.connection[i]);
    }
}

static void *serve(void *arg)
{
    struct pollfd ready[] = { { .fd = control_listener(), .events = POLLIN },
                              { .fd = server.wake, .events = POLLIN } };

    (void)arg;
    while (!control_ending()) {
        int n = poll(ready, 2, TICK_MS);
        if (n > 0 && ready[0].revents)
            accept_one();
        stun_end_late(wire_now_ms());
    }
    end_connections();
    return NULL;
}

/* ---- start and end ----------------------------------------------------------- */

/* Whoever holds the lock file is the gateway of this name; the kernel lets go of it when
 * the gateway dies, so a socket that is still there then is nobody's. */
static int take_name(const char *folder, const char *name)
{
    char file[NAME_MAX + 1];

    int size = snprintf(file, sizeof(file), "%s.lock", name);
    if (size < 0 || (size_t)size >= sizeof(file) || strchr(name, '/') || !*name) {
        event_post(WEIR_ERROR, NULL, NULL, "\"%s\" cannot be the name of a gateway", name);
        return -EINVAL;
    }
    server.lock = openat(server.folder, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (server.lock < 0)
        goto failed;
    if (flock(server.lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK) {
        event_post(WEIR_ERROR, NULL, NULL,
                   "another gateway named \"%s\" runs and serves %s/%s.sock: stop it, or give "
                   "this one a name=… of its own",
                   name, folder, name);
        return -EADDRINUSE;
    }
failed:
    event_post(WEIR_ERROR, NULL, NULL, "%s/%s: %s", folder, file, strerror(errno));
    return -errno;
}

static int listen_at(const char *folder, const char *file)
{
    struct sockaddr_un address;
    cleanup_fd int folder_fd = -1;

    int error = wire_address(folder, file, &address, &folder_fd);
    if (error)
        return error;
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (unlinkat(server.folder, file, 0) < 0 && errno != ENOENT))
        return -errno;
    /* before bind(), so that it is never more open than it will be */
    fchmod(fd, 0660);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        fchmodat(server.folder, file, 0660, 0) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    atomic_store(&server.listener, steal_fd(fd));
    return 0;
}

static void close_all(void)
{
    const int fds[] = { atomic_exchange(&server.listener, -1), server.folder, server.lock,
                        server.wake };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    server.folder = server.lock = server.wake = -1;
}

static int open_all(const char *folder, const char *file)
{
    int error = make_folders(folder, 0750);
    if (!error) {
        server.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        error = server.folder < 0 ? -errno : 0;
    }
    if (error) {
        event_post(WEIR_ERROR, NULL, NULL, "%s: %s", folder, strerror(-error));
        return error;
    }
    error = take_name(folder, places()->name);
    if (error)
        return error;
    server.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = server.wake < 0 ? -errno : listen_at(folder, file);
    if (!error)
        error = start_thread(&server.thread, serve, NULL);
    if (error)
        event_post(WEIR_ERROR, NULL, NULL, "the control socket %s/%s: %s", folder, file,
                   strerror(-error));
    return error;
}

int control_start(void)
{
    cleanup_free char *folder = NULL;
    cleanup_free char *file = NULL;

    if (asprintf(&folder, "%s/ctl", places()->run) < 0) {
        folder = NULL;
        return -ENOMEM;
    }
    if (asprintf(&file, "%s.sock", places()->name) < 0) {
        file = NULL;
        return -ENOMEM;
    }
    server.folder = server.lock = server.wake = -1;
    atomic_store(&server.ending, false);
    int error = open_all(folder, file);
    if (error)
        close_all();
    else
        server.started = true;
    return error;
}

void control_stop(void)
{
    char file[NAME_MAX + 1];

    if (!server.started)
        return;
    server.started = false;
    atomic_store(&server.ending, true);
    uint64_t one = 1;
    while (write(server.wake, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(server.thread, NULL);
    stun_end_late(UINT64_MAX);
    snprintf(file, sizeof(file), "%s.sock", places()->name);
    unlinkat(server.folder, file, 0);
    close_all();
    kept_forget_all();
}
