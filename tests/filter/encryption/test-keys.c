/* test-keys.c - do words name providers, and do files, credentials and commands give their keys?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keys.h"

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

static char folder[] = "/tmp/weir-keys.XXXXXX";
static char why[HEADER_WHY];
static struct secret key;

int header_token(const struct header *header, int token, char **json)
{
    (void)header, (void)token, (void)json;
    return -ENOENT;
}

/* ---- what the tests say ------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *word_of(const char *provider, const char *name)
{
    static char word[160];

    snprintf(word, sizeof word, "%s:%s", provider, path_of(name));
    return word;
}

static void put(const char *name, const char *text, size_t size, mode_t mode)
{
    unlink(path_of(name)); /* it may be one that its owner may not write to, either */
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put_script(const char *name, const char *text)
{
    char whole[1024];
    int n = snprintf(whole, sizeof whole, "#!/bin/sh\n%s\n", text);

    put(name, whole, (size_t)n, 0700);
}

static int get_within(const char *word, uint64_t patience)
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
static int get(const char *word)
{
    return get_within(word, 60000000000);
}

static void is_key(const char *text)
{
    assert_int_equal(key.size, strlen(text));
    assert_memory_equal(key.data, text, key.size);
    assert_true(secret_holds(key.data));
}

static void says(const char *part)
{
    if (!strstr(why, part))
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

/* ---- words -------------------------------------------------------------------- */

static void good_words(void **state)
{
    static const char *const words[] = {
        "file:/etc/weir/vm1.key", "credential:vm1",
        "credential:vm1.key",     "keyring:vm1",
        "keyring:weir:vm1",       "keyring:user:weir:vm1",
        "keyring:big_key:vm1",    "exec:/usr/bin/get-key vm1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        int r = keys_check(words[i], why);
        if (r)
            fail_msg("%s: %s", words[i], why);
        assert_string_equal(why, "");
    }
}

static void bad_words(void **state)
{
    static const struct {
        const char *word, *sentence;
    } rows[] = {
        { "", "the key does not begin with a provider of keys: expected one of file:, " },
        { "fiel:/x", "\"fiel\" is not a provider of keys (did you mean \"file:\"?)" },
        { "file", "\"file\" is not a provider of keys (did you mean \"file:\"?)" },
        { "file:", "\"file:\": expected an absolute path, as file:/etc/weir/vm1.key" },
        { "file:vm1.key", "\"file:vm1.key\": expected an absolute path" },
        { "credential:", "expected the name of a credential" },
        { "credential:..", "expected the name of a credential" },
        { "credential:a/b", "\"credential:a/b\": expected the name of a credential, one word" },
        { "keyring:", "expected the description of a key" },
        { "keyring:user:", "expected the description of a key" },
        { "keyring:logon:x", "a key of type logon cannot be used because no program can read it" },
        { "keyring:trusted:x", "what is read from it is its cipher text" },
        { "exec:get-key vm1", "\"exec:get-key vm1\": expected the absolute path of a command" },
        { "exec: /bin/true", "expected the absolute path of a command" },
        { "pkcs11:token=a", "pkcs11: expected type=private and x-wrapped=/PATH, or type=data" },
        { "pkcs11:object=b;type=data", "names no token" },
        { "pkcs11:token=a;objekt=b;type=data", "has an attribute that RFC 7512 does not name" },
        { "pkcs11:token=a;type=private", "type=private needs x-wrapped=/PATH" },
        { "pkcs11:token=a;type=private?x-wrapped=b", "type=private needs x-wrapped=/PATH" },
        { "pkcs11:token=a;type=data?x-wrapped=/b", "x-wrapped is for type=private" },
        { "pkcs11:token=a;type=data?pin-value=1", "pin-value would show the PIN" },
        { "pkcs11:token=a;type=data?pin-source=b", "pin-source: the key does not begin with" },
        { "pkcs11:token=a;type=data?pin-source=token:", "pin-source=token:: expected file:, " },
        { "pkcs11:%zz", "the URI is not one of RFC 7512" },
        { "token:32", "\"32\" is not the number of a LUKS2 token: expected 0 to 31" },
        { "token:-1", "expected 0 to 31" },
        { "token:001", "expected 0 to 31" },
        { "clevis:tang", "\"tang\" is not the number of a LUKS2 token" },
        { "file:/a\nb", "the key has a control character at byte 7" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(keys_check(rows[i].word, why), -EINVAL);
        says(rows[i].sentence);
        assert_int_equal(get(rows[i].word), -EINVAL); /* which checks, too */
        says(rows[i].sentence);
    }
}

static void what_may_be_a_passphrase_is_not_shown(void **state)
{
    static const char *const words[] = { "correct horse", "correct:horse", "file-correct:horse" };

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal(keys_check(words[i], why), -EINVAL);
        assert_null(strstr(why, "correct"));
        assert_null(strstr(why, "horse"));
    }
}

static void long_words_are_refused(void **state)
{
    char *word = malloc(8192);

    (void)state;
    assert_non_null(word);
    memset(word, 'a', 8191);
    word[8191] = '\0';
    memcpy(word, "file:/", 6);
    assert_int_equal(keys_check(word, why), -EINVAL);
    says("longer than 4096 bytes");
    free(word);
}

static void table_is_whole(void **state)
{
    size_t n = 0;

    (void)state;
    for (const struct key_provider *const *p = key_providers; *p; p++, n++) {
        assert_non_null((*p)->check);
        assert_non_null((*p)->get);
        assert_true(strlen((*p)->name) <= 16); /* the room of distance() */
        assert_int_equal((*p)->summary[strlen((*p)->summary) - 1], '.');
    }
    assert_true(n >= 4);
}

/* ---- file --------------------------------------------------------------------- */

static void file_is_the_key_with_its_newline(void **state)
{
    (void)state;
    put("key", "abc\n", 4, 0600);
    assert_int_equal(get(word_of("file", "key")), 0);
    is_key("abc\n");
    put("key", "a\0b", 3, 0400);
    assert_int_equal(get(word_of("file", "key")), 0);
    assert_int_equal(key.size, 3);
    assert_memory_equal(key.data, "a\0b", 3);
}

static void file_through_a_link(void **state)
{
    (void)state;
    put("key", "abc", 3, 0600);
    assert_int_equal(symlink("key", path_of("link")), 0);
    assert_int_equal(get(word_of("file", "link")), 0);
    is_key("abc");
    /* the file's mode counts, not the link's 0777 */
    put("key", "abc", 3, 0640);
    assert_int_equal(get(word_of("file", "link")), -EACCES);
}

static void file_that_others_may_use(void **state)
{
    static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0777 };

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char mode[16];
        put("key", "abc", 3, modes[i]);
        assert_int_equal(get(word_of("file", "key")), -EACCES);
        assert_null(key.data);
        snprintf(mode, sizeof mode, "%04o", (unsigned)modes[i]);
        says(mode);
        says(path_of("key"));
        says("chmod 600");
    }
}

static void file_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(get(word_of("file", "missing")), -ENOENT);
    says("is not there");
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    assert_int_equal(get(word_of("file", "folder")), -EINVAL);
    says("is a folder");
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_int_equal(get(word_of("file", "fifo")), -EINVAL); /* and does not wait for a writer */
    says("is a FIFO");
    assert_int_equal(get("file:/dev/zero"), -EINVAL);
    says("is a device");
    put("key", "", 0, 0600);
    assert_int_equal(get(word_of("file", "key")), -ENODATA);
    says("is empty");
}

static void file_that_is_too_long(void **state)
{
    (void)state;
    put("key", "abc", 3, 0600);
    assert_int_equal(truncate(path_of("key"), (8 << 20) + 1), 0);
    assert_int_equal(get(word_of("file", "key")), -EFBIG);
    says("at most 8 MiB");
}

/* ---- credential --------------------------------------------------------------- */

static void credential_is_in_its_folder(void **state)
{
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(get("credential:vm1"), -ENOENT);
    says("LoadCredential=vm1:PATH");

    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_int_equal(chmod(folder, 0700), 0);
    put("vm1", "abc", 3, 0440); /* as with the ACL of a unit with User= */
    assert_int_equal(get("credential:vm1"), 0);
    is_key("abc");
    assert_int_equal(get("credential:vm2"), -ENOENT);
    says("the gateway's unit has no credential of that name");

    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(get("credential:vm1"), -EACCES);
    says("0755");
    assert_int_equal(chmod(folder, 0700), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
}

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
    says("failed with exit code 3: no ?such key.");
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
    says("it said: thinking.");
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

/* ---- all ---------------------------------------------------------------------- */

static int start(void **state)
{
    (void)state;
    if (secret_init(why, sizeof why)) {
        print_error("%s\n", why);
        return -1;
    }
    return mkdtemp(folder) ? 0 : -1;
}

static int finish(void **state)
{
    static const char *const names[] = { "key", "link", "fifo", "vm1", "hook", "pid" };

    (void)state;
    secret_clear(&key);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    rmdir(path_of("folder"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_words),
        cmocka_unit_test(bad_words),
        cmocka_unit_test(what_may_be_a_passphrase_is_not_shown),
        cmocka_unit_test(long_words_are_refused),
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(file_is_the_key_with_its_newline),
        cmocka_unit_test(file_through_a_link),
        cmocka_unit_test(file_that_others_may_use),
        cmocka_unit_test(file_that_is_none),
        cmocka_unit_test(file_that_is_too_long),
        cmocka_unit_test(credential_is_in_its_folder),
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
    return cmocka_run_group_tests_name("keys", tests, start, finish);
}
