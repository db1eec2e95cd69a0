/* test-keys.c - do words name providers, and do files and credentials give their keys?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keys-rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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
    };
    return cmocka_run_group_tests_name("keys", tests, start, finish);
}
