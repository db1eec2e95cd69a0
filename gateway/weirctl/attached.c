/* attached.c - which disks does the kernel have, how do they do, and how are they given back?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "attach.h"
#include "clock.h"
#include "measure.h"

enum { DETACH_MS = 60000 };

/* ---- attached ------------------------------------------------------------------------------- */

static void print_time(uint64_t seconds, char text[32])
{
    time_t when = (time_t)seconds;
    struct tm utc;

    gmtime_r(&when, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static struct json_object *public_document(struct json_object *entry)
{
    static const char *const same[] = { "device", "export", "uri", "state", NULL };
    static const char *const rest[] = { "reason",         "reconnects", "size_bytes", "connections",
                                        "dead_timeout_s", "pid",        NULL };
    struct json_object *ret = document();
    char since[32];

    print_time(number_of(entry, "since"), since);
    for (size_t i = 0; same[i]; i++)
        add_copy(ret, same[i], entry);
    add_text(ret, "since", since);
    for (size_t i = 0; rest[i]; i++)
        add_copy(ret, rest[i], entry);
    add_flag(ret, "read_only", number_of(entry, "flags") & NBD_FLAG_READ_ONLY);
    return ret;
}

static void add_row(struct table *table, struct json_object *one)
{
    struct number size = bytes_number((double)number_of(one, "size_bytes"));
    char reconnects[24];

    snprintf(reconnects, sizeof reconnects, "%llu",
             (unsigned long long)number_of(one, "reconnects"));
    const char *cells[] = { text_of(one, "device"),
                            text_of(one, "export"),
                            text_of(one, "state"),
                            text_of(one, "since"),
                            size.text,
                            reconnects,
                            text_of(one, "uri") };
    table_add(table, cells);
}

static void print_reasons(struct json_object *list)
{
    for (size_t i = 0; i < items_of(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        if (*text_of(one, "reason"))
            printf("%s: %s\n", text_of(one, "device"), text_of(one, "reason"));
    }
}

enum exit_code ctl_attached(const struct invocation *invocation)
{
    static const char *const titles[] = { "DEVICE", "EXPORT",      "STATE", "SINCE",
                                          ">SIZE",  ">RECONNECTS", "URI",   NULL };
    cleanup_text struct weir_text why = { 0 };
    struct json_object *list = enough(json_object_new_array());
    struct table table;

    cleanup_fd int folder = attach_folder(invocation, false, &why);
    if (folder < 0 && folder != -ENOENT) {
        json_object_put(list);
        return say(invocation, folder, "%s", text_string(&why));
    }
    struct json_object *all = folder < 0 ? NULL : attach_list(folder);
    table_begin(&table, titles);
    for (size_t i = 0; i < items_of(all); i++) {
        struct json_object *one = public_document(json_object_array_get_idx(all, i));
        json_object_array_add(list, one);
        add_row(&table, one);
    }
    json_object_put(all);
    if (invocation->option[OPTION_JSON])
        return print_list(invocation, "attached", list, &table);
    table_print(&table, stdout);
    table_finish(&table);
    print_reasons(list);
    json_object_put(list);
    return finish_output(invocation);
}

/* ---- detach ---------------------------------------------------------------------------------- */

/* By its device, by the export's name, or by its URI. */
static enum exit_code find_attached(const struct invocation *invocation, int folder,
                                    struct json_object **ret)
{
    const char *word = invocation->words[0];
    int index = device_index(word);
    struct json_object *all = folder < 0 ? NULL : attach_list(folder);
    cleanup_text struct weir_text known = { 0 };

    *ret = NULL;
    for (size_t i = 0; i < items_of(all) && !*ret; i++) {
        struct json_object *one = json_object_array_get_idx(all, i);
        if (index == NO_INDEX ? strcmp(text_of(one, "export"), word) == 0 ||
                                    strcmp(text_of(one, "uri"), word) == 0
                              : number_of(one, "index") == (uint64_t)index)
            *ret = json_object_get(one);
        weir_print(&known, "%s%s", i ? ", " : "", text_of(one, "device"));
    }
    json_object_put(all);
    if (*ret)
        return DONE;
    return say(invocation, -ENOENT, "\"%s\" is not attached by weirctl%s%s", word,
               known.length ? "; these are: " : "", text_string(&known));
}

/* Writes back what the host's cache has of a device that nobody else uses, and has the gateway
 * flush it.  Here, not in the watch, which may be needed for it to end. */
static enum exit_code flush_device(const struct invocation *invocation, const char *device)
{
    cleanup_fd int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

    if (fd < 0 && errno == EBUSY)
        return say(invocation, -EBUSY,
                   "%s is in use (mounted, swapped on or part of another device): end that first, "
                   "or lose what "
                   "is not written yet by --force",
                   device);
    if (fd < 0 || fsync(fd))
        return say(invocation, -errno, "%s cannot be flushed: %s; --force detaches it all the same",
                   device, strerror(errno));
    return DONE;
}

/* Who watches it detaches it: two that did would be in each other's way. */
static enum exit_code let_watch_end(const struct invocation *invocation, int folder,
                                    struct json_object *entry, bool force)
{
    int index = (int)number_of(entry, "index");
    uint64_t end = clock_ns() + (uint64_t)timeout_ms(invocation, DETACH_MS) * 1000000;
    pid_t pid = (pid_t)number_of(entry, "pid");
    int r = pid <= 1 ? -ESRCH : kill(pid, force ? SIGUSR1 : SIGTERM) ? -errno : 0;

    if (r)
        return say(invocation, r, "cannot end process %d, which watches %s: %s", (int)pid,
                   text_of(entry, "device"), strerror(-r));
    for (;;) {
        cleanup_fd int lock = attach_lock(folder, index);
        if (lock >= 0)
            break;
        if (lock != -EBUSY || clock_ns() >= end)
            return say(invocation, lock == -EBUSY ? -ETIMEDOUT : lock,
                       "process %d, which watches %s, did not end in time", (int)pid,
                       text_of(entry, "device"));
    }
    struct json_object *left = attach_load(folder, index);
    enum exit_code code = left ? say(invocation, -EBUSY, "%s", text_of(left, "reason")) : DONE;
    json_object_put(left);
    return code;
}

/* Nobody watches it: what the kernel still has is ended here. */
static enum exit_code end_unwatched(const struct invocation *invocation, int *folder,
                                    struct json_object *entry, bool force)
{
    cleanup_attachment struct attachment a;
    cleanup_kernel struct nbd_kernel kernel = { 0 };
    cleanup_text struct weir_text why = { 0 }, backend = { 0 };

    attachment_init(&a);
    attach_restore(&a, entry);
    a.folder = steal_fd(*folder);
    int r = kernel_open(&kernel, &why);
    if (r && r != -ENODEV) /* without its module nothing is attached any more */
        return say(invocation, r, "%s", text_string(&why));
    kernel_backend(a.index, &backend);
    /* another program may have the device now */
    if (r || strcmp(text_string(&backend), a.uri) != 0) {
        attach_forget(&a);
        return DONE;
    }
    r = attach_end(&a, &kernel, force, &why);
    return r ? say(invocation, r, "%s", text_string(&why)) : DONE;
}

enum exit_code ctl_detach(const struct invocation *invocation)
{
    cleanup_text struct weir_text why = { 0 };
    bool force = invocation->option[OPTION_FORCE];
    struct json_object *entry;

    cleanup_fd int folder = attach_folder(invocation, false, &why);
    if (folder < 0 && folder != -ENOENT)
        return say(invocation, folder, "%s", text_string(&why));
    enum exit_code code = find_attached(invocation, folder, &entry);
    if (code)
        return code;
    const char *state = text_of(entry, "state"), *device = text_of(entry, "device");
    bool connected = strcmp(state, attach_state_word(CONNECTED)) == 0;
    if (strcmp(state, attach_state_word(RECONNECTING)) == 0 && !force)
        code = say(invocation, -EBUSY,
                   "%s waits for its gateway and cannot be flushed: wait, too, or lose what is not "
                   "written yet by --force",
                   device);
    else if (connected && !force)
        code = flush_device(invocation, device);
    if (!code && (connected || strcmp(state, attach_state_word(RECONNECTING)) == 0))
        code = let_watch_end(invocation, folder, entry, force);
    else if (!code)
        code = end_unwatched(invocation, &folder, entry, force);
    json_object_put(entry);
    return code;
}
