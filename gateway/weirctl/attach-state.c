/* attach-state.c - how does one invocation know what another one has attached?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * RUN/attach/nbdN.json says what is attached and how it does; who watches it holds a lock on
 * nbdN.lock beside it, which ends with the process, whatever ends that. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "attach.h"
#include "gateway.h"

enum { TRIES = 20 };

static const char *const words[] = { [CONNECTED] = "connected",
                                     [RECONNECTING] = "reconnecting",
                                     [DEAD] = "dead",
                                     [UNWATCHED] = "unwatched" };

const char *attach_state_word(enum attach_state state)
{
    return words[state];
}

void attachment_init(struct attachment *a)
{
    *a = (struct attachment){ .index = NO_INDEX, .folder = -1, .lock = -1 };
    for (unsigned i = 0; i < LINKS_MOST; i++)
        a->link[i] = -1;
}

void attachment_finish(struct attachment *a)
{
    for (unsigned i = 0; i < LINKS_MOST; i++)
        scope_close(&a->link[i]);
    scope_close(&a->folder);
    scope_close(&a->lock);
    text_finish(&a->reason);
    free(a->export);
    free(a->uri);
    attachment_init(a);
}

int attach_folder(const struct invocation *invocation, bool make, struct weir_text *why)
{
    cleanup_text struct weir_text path = { 0 };
    struct stat is;

    weir_print(&path, "%s/attach", run_folder(invocation));
    int r = make ? make_folders(text_string(&path), 0755) : 0;
    cleanup_fd int fd =
        r ? -1 : open(text_string(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r || fd < 0) {
        r = r ? r : -errno;
        weir_print(why, "cannot open %s: %s", text_string(&path), strerror(-r));
        return r;
    }
    /* RUN may belong to the gateways' user, who must not choose which process root ends */
    if (fstat(fd, &is) || (is.st_uid != geteuid() && is.st_uid != 0) || (is.st_mode & 022)) {
        weir_print(why, "%s does not belong to root alone: remove it", text_string(&path));
        return -EPERM;
    }
    return steal_fd(fd);
}

static int open_lock(int folder, int index, int flags)
{
    char name[32];

    snprintf(name, sizeof name, "nbd%d.lock", index);
    return openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, 0644);
}

int attach_lock(int folder, int index)
{
    cleanup_fd int fd = open_lock(folder, index, O_RDWR | O_CREAT);

    if (fd < 0)
        return -errno;
    /* somebody who only looks holds it for a moment */
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
        if (errno != EWOULDBLOCK || i == TRIES)
            return errno == EWOULDBLOCK ? -EBUSY : -errno;
        wait_seconds(0.01);
    }
    return steal_fd(fd);
}

static bool is_watched(int folder, int index)
{
    cleanup_fd int fd = open_lock(folder, index, O_RDONLY);

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}

/* ---- the document ------------------------------------------------------------------------ */

static void name_of(int index, char name[32])
{
    snprintf(name, 32, "nbd%d.json", index);
}

int attach_save(struct attachment *a)
{
    struct json_object *d = document();
    char name[32], device[32];

    snprintf(device, sizeof device, "/dev/nbd%d", a->index);
    add_text(d, "device", device);
    add_text(d, "export", a->export);
    add_text(d, "uri", a->uri);
    add_text(d, "state", words[a->state]);
    add_text(d, "reason", text_string(&a->reason));
    add_number(d, "since", (uint64_t)a->since);
    add_number(d, "reconnects", a->reconnects);
    add_number(d, "size_bytes", a->disk.size);
    add_number(d, "block_size", a->disk.block_size);
    add_number(d, "flags", a->disk.flags);
    add_number(d, "connections", a->links);
    add_number(d, "dead_timeout_s", a->dead_timeout);
    add_number(d, "pid", (uint64_t)getpid());
    const char *text = json_object_to_json_string_ext(d, JSON_C_TO_STRING_NOSLASHESCAPE);
    name_of(a->index, name);
    int r = save_file_at(a->folder, name, text, strlen(text), 0644);
    json_object_put(d);
    return r;
}

/* The lock file stays: one that is removed could be locked by two. */
void attach_forget(struct attachment *a)
{
    char name[32];

    name_of(a->index, name);
    remove_file_at(a->folder, name);
}

struct json_object *attach_load(int folder, int index)
{
    cleanup_free void *data = NULL;
    size_t size;
    char name[32];

    name_of(index, name);
    if (load_file_at(folder, name, &data, &size))
        return NULL;
    struct json_object *d = json_tokener_parse(data);
    if (!json_object_is_type(d, json_type_object) || !*text_of(d, "uri") ||
        number_of(d, "connections") - 1 >= LINKS_MOST) {
        json_object_put(d);
        return NULL;
    }
    add_number(d, "index", (uint64_t)index);
    if (!is_watched(folder, index) && strcmp(text_of(d, "state"), words[DEAD]) != 0)
        add_text(d, "state", words[UNWATCHED]);
    return d;
}

void attach_restore(struct attachment *a, struct json_object *d)
{
    free(a->export);
    free(a->uri);
    a->export = enough(strdup(text_of(d, "export")));
    a->uri = enough(strdup(text_of(d, "uri")));
    a->disk = (struct nbd_disk){ .size = number_of(d, "size_bytes"),
                                 .block_size = (uint32_t)number_of(d, "block_size"),
                                 .flags = (uint16_t)number_of(d, "flags") };
    a->index = (int)number_of(d, "index");
    a->links = (unsigned)number_of(d, "connections");
    a->dead_timeout = number_of(d, "dead_timeout_s");
    a->reconnects = number_of(d, "reconnects");
    a->since = (int64_t)number_of(d, "since");
}

static int by_index(const void *a, const void *b)
{
    struct json_object *const *x = a, *const *y = b;
    uint64_t m = number_of(*x, "index"), n = number_of(*y, "index");

    return (m > n) - (m < n);
}

struct json_object *attach_list(int folder)
{
    struct json_object *ret = enough(json_object_new_array());
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        int index, end = 0;
        if (sscanf(entry->d_name, "nbd%d.json%n", &index, &end) != 1 || !end ||
            entry->d_name[end] || index < 0)
            continue;
        struct json_object *d = attach_load(folder, index);
        if (d)
            json_object_array_add(ret, d);
    }
    if (dir)
        closedir(dir);
    else
        scope_close(&fd);
    json_object_array_sort(ret, by_index);
    return ret;
}
