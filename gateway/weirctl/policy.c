/* policy.c - which policies are there, what do they say, and may they say something else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateways.h"
#include "policy.h"

static void list_row(struct table *table, struct json_object *entry, bool many)
{
    cleanup_text struct weir_text exports = { 0 };

    print_words(member_of(entry, "exports"), &exports);
    const char *cells[] = { text_of(entry, "gateway"), text_of(entry, "name"),
                            exports.length ? text_string(&exports) : "-",
                            text_of(entry, "description") };
    table_add(table, cells + !many);
}

enum exit_code ctl_policy_list(const struct invocation *invocation)
{
    static const char *const titles[] = { "GATEWAY", "POLICY", "EXPORTS", "DESCRIPTION", NULL };
    static const struct entry_kind policies = { "policies", "policies", titles, list_row,
                                                entry_document };

    return list_entries(invocation, &policies);
}

/* ---- one policy -------------------------------------------------------------- */

enum exit_code policy_target_open(const struct invocation *invocation, bool may_be_new,
                                  struct policy_target *target)
{
    *target = (struct policy_target){ .name = invocation->words[0] };
    if (!*target->name || strchr(target->name, '/') || *target->name == '.')
        return say_misuse(invocation, "\"%s\" is no name for a policy", target->name);
    if (asprintf(&target->path, "policies/%s", target->name) < 0)
        target->path = enough(NULL);
    enum exit_code code = gateways_open(invocation, &target->all);
    return code ? code
                : gateways_find_policy(invocation, &target->all, target->name, may_be_new,
                                       &target->gateway);
}

void policy_target_close(struct policy_target *target)
{
    gateways_close(&target->all);
    free(target->path);
}

enum exit_code policy_get(const struct invocation *invocation, struct policy_target *target,
                          char **text)
{
    struct json_object *answer = NULL;
    enum exit_code code =
        gateway_ask(invocation, target->gateway, request("get", target->path), &answer);

    if (!code)
        *text = enough(strdup(text_of(answer, "text")));
    json_object_put(answer);
    return code;
}

enum exit_code policy_put(const struct invocation *invocation, struct policy_target *target,
                          const char *op, const char *text, const char *file)
{
    struct json_object *ask = request(op, target->path), *answer = NULL;

    add_text(ask, "text", text);
    int error = control_call(target->gateway->control, ask,
                             timeout_ms(invocation, POLICY_TIMEOUT_MS), &answer);
    json_object_put(ask);
    target->gateway->error = error;
    if (error)
        return say_silent(invocation, target->gateway);
    /* The gateway knows the text by its path, the user by the name of the file. */
    enum exit_code code = say_refusal(invocation, answer, target->path, file);
    json_object_put(answer);
    return code;
}

enum exit_code policy_told(const struct invocation *invocation, const struct policy_target *target,
                           const char *key, bool value)
{
    if (!invocation->option[OPTION_JSON])
        return finish_output(invocation);
    struct json_object *ret = document();
    add_text(ret, "gateway", target->gateway->name);
    add_text(ret, "policy", target->name);
    add_flag(ret, key, value);
    return print_document(invocation, ret);
}

enum exit_code ctl_policy_show(const struct invocation *invocation)
{
    cleanup_policy struct policy_target target = { 0 };
    cleanup_free char *text = NULL;
    enum exit_code code = policy_target_open(invocation, false, &target);

    if (!code)
        code = policy_get(invocation, &target, &text);
    if (code)
        return code;
    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "gateway", target.gateway->name);
        add_text(ret, "policy", target.name);
        add_text(ret, "text", text);
        return print_document(invocation, ret);
    }
    fputs(text, stdout);
    return finish_output(invocation);
}

/* A whole file, or stdin for "-". */
static enum exit_code read_text(const struct invocation *invocation, const char *file, char **ret)
{
    bool is_stdin = strcmp(file, "-") == 0;
    int error = is_stdin ? read_stream(stdin, ret) : read_file(file, ret);

    if (error == -EILSEQ)
        return say(invocation, -EINVAL, "\"%s\" is no text: it has zero bytes", file);
    return error ? say(invocation, error, "cannot read \"%s\": %s", file, strerror(-error)) : DONE;
}

static enum exit_code put_file(const struct invocation *invocation, bool only_check)
{
    cleanup_policy struct policy_target target = { 0 };
    cleanup_free char *text = NULL;
    const char *file = invocation->words[1];
    enum exit_code code = read_text(invocation, file, &text);

    if (!code)
        code = policy_target_open(invocation, true, &target);
    if (!code)
        code = policy_put(invocation, &target, only_check ? "check" : "set", text,
                          strcmp(file, "-") == 0 ? "stdin" : file);
    return code ? code : policy_told(invocation, &target, only_check ? "valid" : "changed", true);
}

enum exit_code ctl_policy_check(const struct invocation *invocation)
{
    return put_file(invocation, true);
}

enum exit_code ctl_policy_set(const struct invocation *invocation)
{
    return put_file(invocation, false);
}

enum exit_code ctl_policy_remove(const struct invocation *invocation)
{
    cleanup_policy struct policy_target target = { 0 };
    enum exit_code code = policy_target_open(invocation, false, &target);

    if (!code)
        code = gateway_ask(invocation, target.gateway, request("remove", target.path), NULL);
    return code ? code : policy_told(invocation, &target, "removed", true);
}

static enum exit_code assign_one(const struct invocation *invocation, struct gateways *all,
                                 const char *export, int index)
{
    struct gateway *gateway;
    struct json_object *entry;
    cleanup_text struct weir_text what = { 0 };
    enum exit_code code = gateways_find_export(invocation, all, export, &gateway, &entry);

    if (code)
        return code;
    struct json_object *ask = request("do", NULL);
    add_text(ask, "verb", "assign");
    add_text(ask, "export", export);
    add_text(ask, "policy", invocation->words[0]);
    weir_print(&what, "changing the policy of %s (%d of %d)", export, index, invocation->count - 1);
    return gateway_ask_long(invocation, gateway, ask, text_string(&what), NULL);
}

enum exit_code ctl_policy_assign(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    struct json_object *done = enough(json_object_new_array());
    enum exit_code code = gateways_open(invocation, &all);

    for (int i = 1; i < invocation->count && !code; i++) {
        code = assign_one(invocation, &all, invocation->words[i], i);
        if (!code)
            json_object_array_add(done, enough(json_object_new_string(invocation->words[i])));
    }
    if (code || !invocation->option[OPTION_JSON]) {
        json_object_put(done);
        return code;
    }
    struct json_object *ret = document();
    add_text(ret, "policy", invocation->words[0]);
    add_item(ret, "assigned", done);
    return print_document(invocation, ret);
}
