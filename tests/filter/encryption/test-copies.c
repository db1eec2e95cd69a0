/* test-copies.c - does an upgraded filter find the region of the one before it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An upgrade loads a second shared object with the same code into the process, while libcrypto
 * stays and has what the first one gave it. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

struct copy {
    void *handle;
    int (*init)(char *why, size_t size);
    void *(*alloc)(size_t);
    void (*free)(void *);
    bool (*holds)(const void *);
    size_t (*room)(void);
    void (*begin)(void), (*end)(void);
};

static void *function(const struct copy *c, const char *name)
{
    void *f = dlsym(c->handle, name);

    if (!f)
        fail_msg("%s", dlerror());
    return f;
}

/* As the loader does: another file, so that the dynamic linker takes it for another object. */
static struct copy load(const char *folder, const char *name)
{
    char path[512], command[2048];
    struct copy c;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(command, sizeof command, "cp '%s' '%s'", getenv("SECRET_COPY"), path);
    assert_int_equal(system(command), 0);
    c.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!c.handle)
        fail_msg("%s", dlerror());
    unlink(path);
    c.init = function(&c, "secret_init");
    c.alloc = function(&c, "secret_alloc");
    c.free = function(&c, "secret_free");
    c.holds = function(&c, "secret_holds");
    c.room = function(&c, "secret_room");
    c.begin = function(&c, "secret_begin");
    c.end = function(&c, "secret_end");
    return c;
}

static void a_second_copy_uses_the_first_ones_region(void **state)
{
    char folder[] = "/tmp/weir-copies-XXXXXX", why[512] = "";

    (void)state;
    assert_non_null(mkdtemp(folder));
    struct copy first = load(folder, "first.so"), second = load(folder, "second.so");
    assert_ptr_not_equal(first.init, second.init);
    assert_int_equal(first.init(why, sizeof why), 0);
    void *old = first.alloc(100);
    assert_false(second.holds(old));
    assert_int_equal(second.init(why, sizeof why), 0);
    assert_true(second.holds(old));
    assert_int_equal(second.room(), first.room());

    void *new = second.alloc(100);
    assert_true(first.holds(new));
    second.begin();
    char *data = OPENSSL_malloc(100);
    second.end();
    char *out = OPENSSL_malloc(100);
    assert_true(first.holds(data));
    assert_false(first.holds(out));

    /* nobody is asked whether the first one may go, and it does not */
    assert_int_equal(dlclose(first.handle), 0);
    struct copy third = load(folder, "third.so");
    rmdir(folder);
    assert_int_equal(third.init(why, sizeof why), 0);
    assert_true(third.holds(data));
    memset(data, 's', 100);
    OPENSSL_free(data);
    OPENSSL_free(out);
    assert_int_equal(data[50], 0);
    third.free(new);
    third.free(old);
    assert_int_equal(third.room(), second.room());
    dlclose(second.handle);
    dlclose(third.handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_copy_uses_the_first_ones_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
