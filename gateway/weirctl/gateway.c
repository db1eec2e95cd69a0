/* gateway.c - what is asked of a gateway as a whole?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "../gateway.h"
#include "gateways.h"
#include "measure.h"

/* Dead ones too: their sockets are what a crash leaves.  So without gateways_open(), for
 * which nobody alive is an error. */
enum exit_code ctl_gateway_list(const struct invocation *invocation)
{
    const char *titles[] = { "GATEWAY", "STATE", ">PID", "VERSION", ">UP", ">EXPORTS", NULL };
    const char *wanted = invocation->option[OPTION_GATEWAY];
    cleanup_free char **names = enough(control_gateways(run_folder(invocation)));
    struct json_object *list = enough(json_object_new_array());
    struct table table;

    table_begin(&table, titles);
    for (size_t i = 0; names[i]; i++) {
        struct gateway gateway = { .name = names[i] };
        if (wanted && strcmp(wanted, names[i]) != 0)
            continue;
        gateway.error = control_connect(run_folder(invocation), names[i], &gateway.control);
        if (!gateway.error)
            gateway_show(invocation, &gateway, NULL);
        const char *state = gateway.show                     ? "running"
                            : gateway.error == -ECONNREFUSED ? "dead"
                            : gateway.error == -EACCES       ? "not allowed"
                                                             : "silent";
        struct json_object *about = member_of(gateway.show, "gateway");
        size_t exports = items_of(member_of(gateway.show, "exports"));
        cleanup_text struct weir_text up = { 0 };
        show_duration(number_of(about, "uptime_s"), &up);
        struct number pid, count = count_number((double)exports);
        snprintf(pid.text, sizeof(pid.text), "%u", (unsigned)number_of(about, "pid"));
        const char *cells[] = { names[i],
                                state,
                                about ? pid.text : "-",
                                about ? text_of(about, "version") : "-",
                                about ? text_string(&up) : "-",
                                about ? count.text : "-" };
        table_add(&table, cells);
        struct json_object *entry = document();
        add_text(entry, "name", names[i]);
        add_text(entry, "state", state);
        add_copy(entry, "pid", about);
        add_copy(entry, "version", about);
        add_copy(entry, "uptime_s", about);
        if (about)
            add_number(entry, "exports", exports);
        json_object_array_add(list, entry);
        control_close(gateway.control);
        json_object_put(gateway.show);
    }
    return print_list(invocation, "gateways", list, &table);
}

enum exit_code ctl_reload(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    struct json_object *done = enough(json_object_new_array());
    enum exit_code worst = gateways_open(invocation, &all);

    for (size_t i = 0; i < all.count && worst != FAILED; i++) {
        struct json_object *ask = request("do", NULL);
        cleanup_text struct weir_text what = { 0 };
        if (!all.list[i].control) {
            json_object_put(ask);
            continue;
        }
        add_text(ask, "verb", "reload");
        weir_print(&what, "reloading %s", all.list[i].name);
        enum exit_code code =
            gateway_ask_long(invocation, &all.list[i], ask, text_string(&what), NULL);
        if (!code)
            json_object_array_add(done, enough(json_object_new_string(all.list[i].name)));
        if (code > worst)
            worst = code;
    }
    if (worst || !invocation->option[OPTION_JSON]) {
        json_object_put(done);
        return worst;
    }
    struct json_object *ret = document();
    add_item(ret, "reloaded", done);
    return print_document(invocation, ret);
}

enum exit_code ctl_version(const struct invocation *invocation)
{
    cleanup_free char **names = enough(control_gateways(run_folder(invocation)));
    struct json_object *ret = document(), *list = enough(json_object_new_array());

    if (!invocation->option[OPTION_JSON])
        puts("weirctl " WEIR_VERSION);
    for (size_t i = 0; names[i]; i++) {
        struct gateway gateway = { .name = names[i] };
        if (control_connect(run_folder(invocation), names[i], &gateway.control))
            continue;
        if (gateway_show(invocation, &gateway, NULL) == 0) {
            struct json_object *about = member_of(gateway.show, "gateway");
            struct json_object *entry = document();
            if (!invocation->option[OPTION_JSON])
                printf("gateway %s %s\n", names[i], text_of(about, "version"));
            add_text(entry, "name", names[i]);
            add_copy(entry, "version", about);
            json_object_array_add(list, entry);
        }
        control_close(gateway.control);
        json_object_put(gateway.show);
    }
    add_text(ret, "weirctl", WEIR_VERSION);
    add_item(ret, "gateways", list);
    if (invocation->option[OPTION_JSON])
        return print_document(invocation, ret);
    json_object_put(ret);
    return finish_output(invocation);
}
