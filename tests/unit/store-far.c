/* store-far.c - which NBD servers does a test start, kill and find?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-far.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int open_disk(struct disk *d, const char *const *options, const char *image)
{
    return disk_open(d, "nbd", options, &(struct store_image){ .image = image });
}

static bool listens(void *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", (char *)path);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

void far_start(struct far *f)
{
    unlink(f->socket);
    f->pid = start(f->words);
    wait_until(listens, f->socket, "the far server's socket");
}

void far_kill(struct far *f)
{
    assert_int_equal(kill(f->pid, SIGKILL), 0);
    while (waitpid(f->pid, NULL, 0) < 0)
        assert_int_equal(errno, EINTR);
}

/* nbdkit -f -U SOCKET and these words */
void far_nbdkit(struct far *f, const char *name, const char *const *words)
{
    size_t n = 0;

    *f = (struct far){ .pid = -1 };
    snprintf(f->socket, sizeof f->socket, "%s/%s.sock", work, name);
    snprintf(f->uri, sizeof f->uri, "nbd+unix:///?socket=%s", f->socket);
    f->words[n++] = "nbdkit";
    f->words[n++] = "-f";
    f->words[n++] = "-U";
    f->words[n++] = f->socket;
    while (*words)
        f->words[n++] = *words++;
    f->words[n] = NULL;
    far_start(f);
}

void make_image(const char *format, const char *name)
{
    const char *words[] = { "qemu-img", "create", "-q", "-f", format, in_work(name), "8M", NULL };

    skip_unless(has("qemu-img") && has("qemu-nbd"), "qemu-utils");
    assert_int_equal(run(words), 0);
}

pid_t child_of(pid_t parent)
{
    DIR *list = opendir("/proc");
    pid_t newest = 0;

    for (struct dirent *entry; (entry = readdir(list));) {
        char path[64], state;
        int pid = atoi(entry->d_name), its_parent = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *file = pid > 0 ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        if (fscanf(file, "%*d (%*[^)]) %c %d", &state, &its_parent) == 2 && its_parent == parent &&
            state != 'Z' && pid > newest)
            newest = pid;
        fclose(file);
    }
    closedir(list);
    return newest;
}
