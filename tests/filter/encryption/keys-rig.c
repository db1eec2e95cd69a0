/* keys-rig.c - what do the tests of those who give keys share?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keys-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char folder[] = "/tmp/weir-keys.XXXXXX";
char why[HEADER_WHY];
struct secret key;

int header_token(const struct header *header, int token, char **json)
{
    (void)header, (void)token, (void)json;
    return -ENOENT;
}

const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

const char *word_of(const char *provider, const char *name)
{
    static char word[160];

    snprintf(word, sizeof word, "%s:%s", provider, path_of(name));
    return word;
}

void put(const char *name, const char *text, size_t size, mode_t mode)
{
    unlink(path_of(name)); /* it may be one that its owner may not write to, either */
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

void put_script(const char *name, const char *text)
{
    char whole[1024];
    int n = snprintf(whole, sizeof whole, "#!/bin/sh\n%s\n", text);

    put(name, whole, (size_t)n, 0700);
}

int get_within(const char *word, uint64_t patience)
{
    const struct key_request request = {
        .export = "vm1",
        .uuid = "6c8b4ac3",
        .patience = patience,
    };

    secret_clear(&key);
    return keys_get(word, &request, &key, why);
}

/* A minute: what is not stuck never needs it. */
int get(const char *word)
{
    return get_within(word, 60000000000);
}

void is_key(const char *text)
{
    assert_int_equal(key.size, strlen(text));
    assert_memory_equal(key.data, text, key.size);
    assert_true(secret_holds(key.data));
}

void says(const char *part)
{
    if (!strstr(why, part))
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

int start(void **state)
{
    (void)state;
    if (secret_init(why, sizeof why)) {
        print_error("%s\n", why);
        return -1;
    }
    return mkdtemp(folder) ? 0 : -1;
}

int finish(void **state)
{
    static const char *const names[] = { "key", "link", "fifo", "vm1", "hook", "pid" };

    (void)state;
    secret_clear(&key);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    rmdir(path_of("folder"));
    return rmdir(folder);
}
