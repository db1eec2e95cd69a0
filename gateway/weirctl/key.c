/* key.c - which disks are encrypted, with which key, and how do they go over to another?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The work is done by the verbs of the filter of class encryption.  A KEY names a provider of keys,
 * never a key; what does not name one is refused and never repeated, as it may be a passphrase
 * that somebody wrote there. */
#include "key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the disk ---------------------------------------------------------------- */

struct json_object *encryption_of(struct json_object *entry)
{
    return entry_of(member_of(entry, "filters"), "class", "encryption");
}

static enum exit_code say_not_encrypted(const struct invocation *invocation,
                                        struct json_object *entry)
{
    return say(invocation, -ENOENT,
               "export \"%s\" has no filter of class encryption: { filter = \"encryption\"; "
               "key = \"…\"; } in its policy, \"%s\", gives it one",
               text_of(entry, "name"), text_of(entry, "policy"));
}

enum exit_code keyed_open(const struct invocation *invocation, struct keyed *disk)
{
    struct json_object *entry;
    enum exit_code code = gateways_open(invocation, &disk->all);

    if (!code)
        code = gateways_find_export(invocation, &disk->all, invocation->words[0], &disk->gateway,
                                    &entry);
    if (code)
        return code;
    disk->filter = encryption_of(entry);
    disk->export = text_of(entry, "name");
    return disk->filter ? DONE : say_not_encrypted(invocation, entry);
}

void keyed_close(struct keyed *disk)
{
    gateways_close(&disk->all);
}

void keyed_path(const struct keyed *disk, const char *rest, struct weir_text *ret)
{
    weir_print(ret, "exports/%s/filters/%s/%s", disk->export, text_of(disk->filter, "place"), rest);
}

enum exit_code keyed_verb(const struct invocation *invocation, const struct keyed *disk,
                          const char *doing, const char *verb, const char *argument,
                          struct json_object **answer)
{
    cleanup_text struct weir_text path = { 0 };
    cleanup_text struct weir_text line = { 0 };
    cleanup_text struct weir_text what = { 0 };

    keyed_path(disk, "ctl", &path);
    weir_print(&line, "%s%s%s", verb, argument ? " " : "", argument ? argument : "");
    weir_print(&what, "%s %s", doing, disk->export);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", text_string(&line));
    return gateway_ask_long(invocation, disk->gateway, ask, text_string(&what), answer);
}

static int ask_quietly(const struct invocation *invocation, struct gateway *gateway,
                       struct json_object *ask, char **text)
{
    struct json_object *answer = NULL;
    const char *said = "";
    int error = -ESHUTDOWN;

    if (gateway->control)
        error = control_call(gateway->control, ask, timeout_ms(invocation, CONTROL_TIMEOUT_MS),
                             &answer);
    json_object_put(ask);
    if (error) {
        gateway->error = error;
    } else {
        error = control_error(answer, &said);
        said = error ? said : text_of(answer, "text");
    }
    *text = enough(strdup(said));
    json_object_put(answer);
    return error;
}

int keyed_statistic(const struct invocation *invocation, const struct keyed *disk, const char *name,
                    char **text)
{
    cleanup_text struct weir_text path = { 0 };
    cleanup_text struct weir_text rest = { 0 };

    weir_print(&rest, "stats/%s", name);
    keyed_path(disk, text_string(&rest), &path);
    int error = ask_quietly(invocation, disk->gateway, request("get", text_string(&path)), text);
    (*text)[strcspn(*text, "\n")] = '\0';
    return error;
}

int keyed_ask(const struct invocation *invocation, const struct keyed *disk, const char *verb,
              char **text)
{
    cleanup_text struct weir_text path = { 0 };

    keyed_path(disk, "ctl", &path);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", verb);
    return ask_quietly(invocation, disk->gateway, ask, text);
}

enum exit_code keyed_finish(const struct invocation *invocation, const struct keyed *disk,
                            const char *done, const char *text)
{
    size_t length = strlen(text);

    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "gateway", disk->gateway->name);
        add_text(ret, "export", disk->export);
        add_text(ret, "done", done);
        add_text(ret, "text", text);
        return print_document(invocation, ret);
    }
    if (length)
        printf("%s%s", text, text[length - 1] == '\n' ? "" : "\n");
    return finish_output(invocation);
}

/* ---- format, lock, unlock, add, remove --------------------------------------- */

static enum exit_code run_verb(const struct invocation *invocation, const char *doing)
{
    cleanup_keyed struct keyed disk = { 0 };
    const char *verb = invocation->command->verb;
    struct json_object *answer = NULL;
    enum exit_code code = keyed_open(invocation, &disk);

    if (!code)
        code = keyed_verb(invocation, &disk, doing, verb, invocation->words[1], &answer);
    if (!code)
        code = keyed_finish(invocation, &disk, verb, text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

enum exit_code ctl_key_format(const struct invocation *invocation)
{
    return run_verb(invocation, "formatting");
}

enum exit_code ctl_key_lock(const struct invocation *invocation)
{
    return run_verb(invocation, "locking");
}

enum exit_code ctl_key_unlock(const struct invocation *invocation)
{
    return run_verb(invocation, "unlocking");
}

/* A provider and its colon: what else follows is for the gateway to judge. */
enum exit_code judge_key(const struct invocation *invocation, const char *key)
{
    static const char *const providers[] = { KEY_PROVIDERS, NULL };
    cleanup_text struct weir_text list = { 0 };
    size_t length = strcspn(key, ":");

    for (size_t i = 0; providers[i]; i++) {
        if (key[length] && strlen(providers[i]) == length &&
            strncmp(providers[i], key, length) == 0)
            return DONE;
        weir_print(&list, "%s%s:", i ? ", " : "", providers[i]);
    }
    return say_misuse(invocation,
                      "KEY names where a key comes from and begins with one of %s; yours does not "
                      "and is not repeated here: if it is a passphrase, the history of your shell "
                      "has it now, so do not use it",
                      text_string(&list));
}

enum exit_code ctl_key_add(const struct invocation *invocation)
{
    enum exit_code code = judge_key(invocation, invocation->words[1]);

    return code ? code : run_verb(invocation, "adding a key to");
}

enum exit_code ctl_key_remove(const struct invocation *invocation)
{
    const char *word = invocation->words[1];

    if (!*word || word[strspn(word, "0123456789")])
        return say_misuse(invocation,
                          "SLOT is the number of a key slot, as weirctl key status "
                          "%s shows it; yours is no number and is not repeated here",
                          invocation->words[0]);
    return run_verb(invocation, "removing a key of");
}
