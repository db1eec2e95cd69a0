/* lsn.c - how is the control socket asked, for each write of a log?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "lsn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int ask(struct lsn_reader *r, uint64_t *ret)
{
    static const char text[] = "\"text\":\"";
    char line[1024];
    int n = snprintf(line, sizeof line, "{\"op\":\"get\",\"path\":\"%s\"}\n", r->path);

    if (send(fileno(r->stream), line, (size_t)n, MSG_NOSIGNAL) != n ||
        !fgets(line, sizeof line, r->stream))
        return -1;
    const char *at = strstr(line, text);
    if (at)
        *ret = strtoull(at + strlen(text), NULL, 10);
    return at ? 0 : -1;
}

int lsn_open(struct lsn_reader *r, const char *path, const char *statistic)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    uint64_t lsn;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    r->path = statistic;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        r->stream = fdopen(fd, "r");
    if (r->stream && ask(r, &lsn) == 0)
        return 0;
    fprintf(stderr, "database: %s at %s: no answer\n", statistic, path);
    if (!r->stream && fd >= 0)
        close(fd);
    return -1;
}

uint64_t lsn_read(struct lsn_reader *r)
{
    uint64_t lsn;

    if (!r->stream)
        return 0;
    if (ask(r, &lsn) == 0)
        return lsn;
    lsn_close(r); /* it was killed */
    return 0;
}

void lsn_close(struct lsn_reader *r)
{
    if (r->stream)
        fclose(r->stream);
    r->stream = NULL;
}
