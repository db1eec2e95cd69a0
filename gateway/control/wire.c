/* wire.c - what must both ends of the control socket do in the same way?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int wire_address(const char *folder, const char *name, struct sockaddr_un *address, int *folder_fd)
{
    size_t room = sizeof(address->sun_path);

    *folder_fd = -1;
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int size = snprintf(address->sun_path, room, "%s/%s", folder, name);
    if (size > 0 && (size_t)size < room)
        return 0;
    *folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*folder_fd < 0)
        return -errno;
    size = snprintf(address->sun_path, room, "/proc/self/fd/%d/%s", *folder_fd, name);
    return size > 0 && (size_t)size < room ? 0 : -ENAMETOOLONG;
}

uint64_t wire_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int wire_wait(int fd, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = wire_now_ms();
        struct pollfd ready = { .fd = fd, .events = events };
        int n = poll(&ready, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0 && wire_now_ms() >= deadline_ms)
            return -ETIMEDOUT;
    }
}

int wire_send(int fd, const char *bytes, size_t size, uint64_t deadline_ms)
{
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            int error = wire_wait(fd, POLLOUT, deadline_ms);
            if (error)
                return error;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

const char *wire_errno_name(int error)
{
    const char *name = strerrorname_np(error < 0 ? -error : error);

    return name ? name : "EIO";
}

int wire_errno(const char *name)
{
    enum { LAST_ERRNO = 133 };

    for (int error = 1; error <= LAST_ERRNO; error++) {
        const char *known = strerrorname_np(error);
        if (known && strcmp(known, name) == 0)
            return error;
    }
    return EIO;
}
