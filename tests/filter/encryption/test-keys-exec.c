/* test-keys-exec.c - do commands give their keys, and is nothing left of them?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keys-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- exec --------------------------------------------------------------------- */

static void command_gives_what_it_writes(void **state)
{
    (void)state;
    assert_int_equal(get("exec:/usr/bin/printf  %s-%s  a   $HOME"), 0);
    is_key("a-$HOME"); /* no shell */
    assert_int_equal(get("exec:/usr/bin/echo abc"), 0);
    is_key("abc\n");
}

static void command_gives_more_than_one_page(void **state)
{
    (void)state;
    assert_int_equal(get("exec:/usr/bin/head -c 70000 /dev/zero"), 0);
    assert_int_equal(key.size, 70000);
    for (size_t i = 0; i < key.size; i++)
        assert_int_equal(key.data[i], 0);
}

static void command_has_a_small_world(void **state)
{
    (void)state;
    setenv("WEIR_TEST_SECRET", "no", 1);
    put_script("hook", "exec /usr/bin/env");
    assert_int_equal(get(word_of("exec", "hook")), 0);
    key.data[key.size - 1] = '\0';
    assert_null(strstr((char *)key.data, "WEIR_TEST_SECRET"));
    assert_non_null(strstr((char *)key.data, "WEIR_EXPORT=vm1"));
    assert_non_null(strstr((char *)key.data, "WEIR_UUID=6c8b4ac3"));
    assert_non_null(strstr((char *)key.data, "PATH=/usr/local/sbin:"));
    unsetenv("WEIR_TEST_SECRET");

    int fd = open("/dev/null", O_RDONLY); /* that a careless library left open */
    assert_true(fd >= 0);
    assert_int_equal(get("exec:/usr/bin/ls /proc/self/fd"), 0);
    close(fd);
    is_key("0\n1\n2\n3\n"); /* 3: by which ls reads the folder */
    put_script("hook", "cat; pwd");
    assert_int_equal(get(word_of("exec", "hook")), 0);
    is_key("/\n"); /* nothing came to cat */
}

static void command_has_fresh_signals(void **state)
{
    sigset_t blocked;

    (void)state;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(
        get("exec:/usr/bin/sed -nE s/^Sig(Blk|Ign).*(.......)$/\\2/p /proc/self/status"), 0);
    is_key("0000000\n0000000\n"); /* signals 1 to 28; libc ignores some of its own, 32 and 33 */
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
}

/* A daemon may have closed its standard descriptors: ours get their numbers. */
static void command_of_a_process_without_standard_descriptors(void **state)
{
    int saved[3];

    (void)state;
    put_script("hook", "cat; echo out; echo err >&2");
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
        close(i);
    }
    int r = get(word_of("exec", "hook"));
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    assert_int_equal(r, 0);
    is_key("out\n");
}

static void command_that_fails(void **state)
{
    (void)state;
    put_script("hook", "echo secret; echo first >&2; printf 'no \\001such key\\n\\n' >&2; exit 3");
    assert_int_equal(get(word_of("exec", "hook")), -EACCES);
    says("failed with exit code 3: no ?such key");
    assert_null(strstr(why, "secret"));
    assert_null(strstr(why, "first"));
    assert_null(key.data);

    put_script("hook", "printf '%300s' x | tr ' ' a >&2; exit 1");
    assert_int_equal(get(word_of("exec", "hook")), -EACCES);
    says("exit code 1: ");
    assert_int_equal(strspn(strstr(why, "code 1: ") + 8, "a"), 200);

    put_script("hook", "echo half; kill -9 $$");
    assert_int_equal(get(word_of("exec", "hook")), -EIO);
    says("was ended by signal 9");
    assert_int_equal(get("exec:/usr/bin/true"), -ENODATA);
    says("wrote nothing");
    assert_int_equal(get("exec:/usr/bin/yes"), -EFBIG);
    says("more than 8 MiB");
}

static void command_that_cannot_start(void **state)
{
    (void)state;
    assert_int_equal(get(word_of("exec", "missing")), -ENOENT);
    says("is not there");
    put("hook", "#!/bin/sh\n", 10, 0600);
    assert_int_equal(get(word_of("exec", "hook")), -EACCES);
    says("chmod +x");
    put("hook", "text", 4, 0700);
    assert_int_equal(get(word_of("exec", "hook")), -ENOEXEC);
    says("begins with #!");
}

/* A process is gone, or nobody has waited for it yet. */
static bool ended(int pid)
{
    char path[64], state = 'Z';
    FILE *stat;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    stat = fopen(path, "r");
    if (stat && fscanf(stat, "%*d %*s %c", &state) != 1)
        state = '?';
    if (stat)
        fclose(stat);
    return state == 'Z' || state == 'X';
}

static int read_pid(const char *name)
{
    FILE *file = fopen(path_of(name), "r");
    int pid = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static void wait_for_end(int pid)
{
    for (int i = 0; i < 1000 && !ended(pid); i++) /* SIGKILL is on its way */
        usleep(10000);
    assert_true(ended(pid));
}

static void command_that_hangs_is_ended_with_its_children(void **state)
{
    char script[512], word[160];

    (void)state;
    snprintf(script, sizeof script,
             "trap '' TERM\necho half\necho thinking >&2\nsleep 1000 &\necho $! >%s/pid\nwait",
             folder);
    put_script("hook", script);
    snprintf(word, sizeof word, "%s", word_of("exec", "hook"));
    unlink(path_of("pid"));
    /* a machine may need longer to start a shell; then there is no child yet: again */
    for (uint64_t patience = 300000000; access(path_of("pid"), F_OK); patience *= 2) {
        assert_int_equal(get_within(word, patience), -ETIMEDOUT);
        assert_true(patience < 60000000000);
    }
    says("had not answered after");
    says("it said: thinking");
    assert_null(key.data);
    wait_for_end(read_pid("pid"));
}

static void what_a_command_leaves_behind_is_ended(void **state)
{
    char script[512];

    (void)state;
    snprintf(script, sizeof script, "sleep 1000 &\necho $! >%s/pid\nprintf abc", folder);
    put_script("hook", script);
    assert_int_equal(get(word_of("exec", "hook")), 0); /* though its output is still open */
    is_key("abc");
    wait_for_end(read_pid("pid"));
}

static void no_descriptor_is_left(void **state)
{
    static const char *const words[] = { "exec:/usr/bin/true", "exec:/missing", "exec:/usr/bin/yes",
                                         "exec:/usr/bin/printf x" };

    (void)state;
    int before = dup(0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        get(words[i]);
    get(word_of("file", "folder"));
    get(word_of("file", "missing"));
    int after = dup(0);
    assert_int_equal(after, before + 1); /* the lowest that is free */
    close(after);
    close(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_gives_what_it_writes),
        cmocka_unit_test(command_gives_more_than_one_page),
        cmocka_unit_test(command_has_a_small_world),
        cmocka_unit_test(command_has_fresh_signals),
        cmocka_unit_test(command_of_a_process_without_standard_descriptors),
        cmocka_unit_test(command_that_fails),
        cmocka_unit_test(command_that_cannot_start),
        cmocka_unit_test(command_that_hangs_is_ended_with_its_children),
        cmocka_unit_test(what_a_command_leaves_behind_is_ended),
        cmocka_unit_test(no_descriptor_is_left),
    };
    return cmocka_run_group_tests_name("keys-exec", tests, start, finish);
}
