/* uri.c - by which URI do clients reach an export?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Only the server in front of us knows what it listens on, and nbdkit does not tell its
 * plugins.  The kernel does: a listening socket of this process that is not our own is it,
 * also when a service manager opened it. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "answer.h"

union address {
    struct sockaddr any;
    struct sockaddr_un unix_;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_vm vm;
    struct sockaddr_storage room;
};

/* Said once, before the first client: TLS is a must here. */
static bool tls_required;

void control_tls_required(bool required)
{
    tls_required = required;
}

static bool is_listening(int fd, union address *address)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    memset(address, 0, sizeof(*address));
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        return false;
    size = sizeof(*address) - 1;
    return getsockname(fd, &address->any, &size) == 0;
}

static bool find_address(union address *address)
{
    DIR *folder = opendir("/proc/self/fd");
    bool found = false;

    if (!folder)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(folder));) {
        int fd = isdigit((unsigned char)*entry->d_name) ? atoi(entry->d_name) : -1;
        found = fd >= 0 && fd != control_listener() && is_listening(fd, address);
    }
    closedir(folder);
    return found;
}

static void print_escaped(const char *bytes, const char *also, struct weir_text *text)
{
    for (; *bytes; bytes++) {
        unsigned char c = (unsigned char)*bytes;
        if (c < 0x80 && (isalnum(c) || strchr("-._~", c) || strchr(also, c)))
            text_append(text, bytes, 1);
        else
            weir_print(text, "%%%02X", c);
    }
}

/* A client cannot connect to "any address": the host's own name is the best to say. */
static void print_host(const union address *address, struct weir_text *text)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (address->any.sa_family == AF_INET6) {
        if (IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr))
            weir_print(text, "localhost:%u", ntohs(address->in6.sin6_port));
        else
            weir_print(text, "[%s]:%u",
                       inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host)),
                       ntohs(address->in6.sin6_port));
    } else if (address->in.sin_addr.s_addr == htonl(INADDR_ANY)) {
        weir_print(text, "localhost:%u", ntohs(address->in.sin_port));
    } else {
        weir_print(text, "%s:%u", inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host)),
                   ntohs(address->in.sin_port));
    }
}

void uri_print(const char *export, struct weir_text *text)
{
    const char *scheme = tls_required ? "nbds" : "nbd";
    union address address;

    if (!find_address(&address)) {
        weir_print(text, "none");
        return;
    }
    switch (address.any.sa_family) {
    case AF_UNIX:
        weir_print(text, "%s+unix:///", scheme);
        print_escaped(export, "/", text);
        weir_print(text, "?socket=");
        print_escaped(address.unix_.sun_path, "/", text);
        return;
    case AF_INET:
    case AF_INET6:
        weir_print(text, "%s://", scheme);
        print_host(&address, text);
        break;
    case AF_VSOCK:
        weir_print(text, "%s+vsock://%u:%u", scheme, address.vm.svm_cid, address.vm.svm_port);
        break;
    default:
        weir_print(text, "none");
        return;
    }
    weir_print(text, "/");
    print_escaped(export, "/", text);
}
