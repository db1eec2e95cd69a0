/* relay.c - how does a guest's TCP connection reach a Unix socket of the host?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * relay SOCKET: copies both ways between standard input (the loopback connection that
 * QEMU's guestfwd=…-cmd: hands to it) and the Unix socket, until either side ends. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* 1: copied something.  0: the end.  -1: an error, which is an end as well. */
static int copy_some(int from, int to)
{
    static char buffer[256 << 10]; /* static only because of its size */
    ssize_t n = read(from, buffer, sizeof buffer);
    if (n < 0)
        return errno == EINTR ? 1 : -1;
    if (n == 0)
        return 0;
    return write_all(to, buffer, (size_t)n) < 0 ? -1 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: relay SOCKET\n");
        return 2;
    }
    int server = dial(argv[1]);
    if (server < 0) {
        perror(argv[1]);
        return 1;
    }
    struct pollfd poll_fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                  { .fd = server, .events = POLLIN } };
    for (;;) {
        if (poll(poll_fds, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (poll_fds[0].revents) {
            /* QEMU's end has no TCP_NODELAY: without an acknowledgement at once each small
             * write waits 40 ms for the delayed one.  The flag wears off, so each time. */
            const int on = 1;
            setsockopt(STDIN_FILENO, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
            if (copy_some(STDIN_FILENO, server) <= 0)
                return 0;
        }
        if (poll_fds[1].revents && copy_some(server, STDOUT_FILENO) <= 0)
            return 0;
    }
}
