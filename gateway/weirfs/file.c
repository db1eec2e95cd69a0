/* file.c - what happens to an open file of the mount?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"
#include "fs.h"
#include "log.h"
#include "policy.h"
#include "scratch.h"
#include "tree.h"
#include "veil.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum file_kind { FILE_TEXT, FILE_EVENTS, FILE_DRAFT, FILE_SCRATCH, FILE_FOLDER };

struct file {
    struct file *next, **at; /* in the list of open files */
    enum file_kind kind;
    bool append;
    char *path; /* in the mount */
    struct log_reader *reader;
    struct draft *draft;
    struct scratch *scratch;

    /* FILE_TEXT: what was read at the opening; a write makes it be read again */
    struct node node;
    pthread_mutex_t lock; /* text and size; nothing is taken under it */
    char *text;
    size_t size;
};

/* What is open: files that are so when the mount goes away are never released. */
static struct {
    pthread_mutex_t lock; /* the list; nothing is taken under it */
    struct file *list;
} open_files = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct file *file_of(struct fuse_file_info *fi)
{
    return (struct file *)(uintptr_t)fi->fh;
}

const char *fs_path_of(struct fuse_file_info *fi)
{
    return file_of(fi)->path;
}

static void file_free(struct file *f)
{
    if (f->reader)
        log_close(f->reader);
    draft_destroy(f->draft);
    scratch_unref(f->scratch);
    node_finish(&f->node);
    pthread_mutex_destroy(&f->lock);
    free(f->text);
    free(f->path);
    free(f);
}

static struct file *file_new(const char *path, enum file_kind kind, struct fuse_file_info *fi)
{
    struct file *f = calloc(1, sizeof(*f));

    if (!f || !(f->path = strdup(path))) {
        free(f);
        return NULL;
    }
    f->kind = kind;
    f->append = fi->flags & O_APPEND;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

/* Gives the file to the kernel, or frees it. */
static int file_opened(struct file *f, int error, struct fuse_file_info *fi)
{
    if (error) {
        if (f)
            file_free(f);
        return error;
    }
    fi->direct_io = 1; /* else the kernel reads st_size bytes, and that is 0 */
    fi->fh = (uintptr_t)f;
    hold_lock(&open_files.lock);
    f->next = open_files.list;
    f->at = &open_files.list;
    if (f->next)
        f->next->at = &f->next;
    open_files.list = f;
    return 0;
}

static void file_closed(struct file *f)
{
    {
        hold_lock(&open_files.lock);
        *f->at = f->next;
        if (f->next)
            f->next->at = f->at;
    }
    file_free(f);
}

void fs_finish(void)
{
    while (open_files.list)
        file_closed(open_files.list);
}

/* ---- open -------------------------------------------------------------------- */

static bool to_write(const struct fuse_file_info *fi)
{
    return (fi->flags & O_ACCMODE) != O_RDONLY;
}

static int open_draft(struct file *f, struct fuse_file_info *fi, unsigned flags)
{
    f->kind = FILE_DRAFT;
    flags |= fi->flags & O_APPEND ? DRAFT_APPEND : 0u;
    flags |= fi->flags & O_TRUNC ? DRAFT_EMPTY : 0u;
    return draft_open(f->path, flags, fuse_get_context()->pid, &f->draft);
}

static int open_events(struct file *f)
{
    struct peer **list = peers_list();

    for (size_t i = 0; list && list[i]; i++)
        peer_fetch_events(list[i]);
    peers_put(list);
    f->kind = FILE_EVENTS;
    return log_open(&f->reader);
}

static int open_node(struct file *f, struct fuse_file_info *fi)
{
    int error = to_write(fi) ? node_find(f->path, &f->node) : node_find_to_read(f->path, &f->node);

    if (error)
        return error;
    if (f->node.kind == NODE_FOLDER)
        return -EISDIR;
    if (to_write(fi) && !f->node.writable)
        return -EACCES; /* root too: there is nothing to write to */
    if (f->node.kind == NODE_EVENTS)
        return open_events(f);
    if (f->node.kind == NODE_POLICY && to_write(fi))
        return open_draft(f, fi, 0);
    if ((fi->flags & O_ACCMODE) == O_WRONLY)
        return 0;
    return node_read(&f->node, &f->text, &f->size);
}

static int open_what(struct file *f, struct fuse_file_info *fi)
{
    size_t size;

    f->scratch = scratch_find(f->path);
    if (f->scratch) {
        f->kind = FILE_SCRATCH;
        return to_write(fi) && (fi->flags & O_TRUNC) ? scratch_resize(f->scratch, 0) : 0;
    }
    switch (veil_of(f->path, &size)) {
    case VEIL_HIDDEN:
        return -ENOENT;
    case VEIL_PENDING:
        return to_write(fi)             ? open_draft(f, fi, DRAFT_NEW | DRAFT_EMPTY)
               : (f->text = strdup("")) ? 0
                                        : -ENOMEM;
    case VEIL_NONE:
        break;
    }
    return open_node(f, fi);
}

int fs_open(const char *path, struct fuse_file_info *fi)
{
    struct file *f = file_new(path + 1, FILE_TEXT, fi);

    return file_opened(f, f ? open_what(f, fi) : -ENOMEM, fi);
}

static int open_folder(struct file *f)
{
    int error = node_find(f->path, &f->node);

    return error ? error : f->node.kind == NODE_FOLDER ? 0 : -ENOTDIR;
}

int fs_opendir(const char *path, struct fuse_file_info *fi)
{
    struct file *f = file_new(path + 1, FILE_FOLDER, fi);

    return file_opened(f, f ? open_folder(f) : -ENOMEM, fi);
}

static int create_what(struct file *f, mode_t mode, struct fuse_file_info *fi)
{
    cleanup_node struct node folder = { 0 };
    const char *slash = strrchr(f->path, '/');

    if (!slash || !path_in_edits(f->path))
        return -EPERM;
    cleanup_free char *parent = strndup(f->path, (size_t)(slash - f->path));
    int error = parent ? node_find(parent, &folder) : -ENOMEM;
    if (error)
        return error;
    if (scratch_name(slash + 1)) {
        f->kind = FILE_SCRATCH;
        error = scratch_create(f->path, &f->scratch);
        if (!error)
            scratch_chmod(f->scratch, mode & 0777);
        return error;
    }
    return path_is_policy(f->path) ? open_draft(f, fi, DRAFT_NEW | DRAFT_EMPTY) : -EPERM;
}

int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    struct file *f = file_new(path + 1, FILE_TEXT, fi);

    return file_opened(f, f ? create_what(f, mode, fi) : -ENOMEM, fi);
}

/* ---- read and write ---------------------------------------------------------- */

static int read_text(struct file *f, char *buffer, size_t size, uint64_t offset)
{
    pthread_mutex_lock(&f->lock);
    bool known = f->text;
    pthread_mutex_unlock(&f->lock);
    if (!known) { /* written since */
        char *text = NULL;
        size_t length;
        int error = node_read(&f->node, &text, &length);
        if (error)
            return error;
        hold_lock(&f->lock);
        free(f->text);
        f->text = text;
        f->size = length;
    }
    hold_lock(&f->lock);
    if (!f->text || offset >= f->size)
        return 0;
    if (size > f->size - offset)
        size = f->size - (size_t)offset;
    memcpy(buffer, f->text + offset, size);
    return (int)size;
}

int fs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);

    (void)path;
    switch (f->kind) {
    case FILE_TEXT:
        return read_text(f, buffer, size, (uint64_t)offset);
    case FILE_EVENTS:
        return (int)log_read(f->reader, buffer, size, (uint64_t)offset);
    case FILE_DRAFT:
        return (int)draft_read(f->draft, buffer, size, (uint64_t)offset);
    case FILE_SCRATCH:
        return (int)scratch_read(f->scratch, buffer, size, (uint64_t)offset);
    case FILE_FOLDER:
        break;
    }
    return -EBADF;
}

/* One write is one whole value. */
static int write_value(struct file *f, const char *bytes, size_t size, off_t offset)
{
    cleanup_refusal struct refusal why = { 0 };

    if (offset && !f->append) {
        last_error_set(f->path, "a value is written whole, by one write");
        return -EINVAL;
    }
    int error = peer_set(f->node.peer, f->node.path, bytes, size, &why);
    if (error)
        last_error_set(f->path, why.sentence && *why.sentence ? why.sentence : strerror(-error));
    else
        last_error_clear(f->path);
    hold_lock(&f->lock);
    free(f->text);
    f->text = NULL;
    return error;
}

int fs_write(const char *path, const char *bytes, size_t size, off_t offset,
             struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);
    int error = -EBADF;

    (void)path;
    switch (f->kind) {
    case FILE_TEXT:
        error = write_value(f, bytes, size, offset);
        break;
    case FILE_EVENTS:
    case FILE_FOLDER:
        break;
    case FILE_DRAFT:
        error = draft_write(f->draft, bytes, size, (uint64_t)offset);
        break;
    case FILE_SCRATCH:
        error = scratch_write(f->scratch, bytes, size, (uint64_t)offset, f->append);
        break;
    }
    return error ? error : (int)size;
}

int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    struct file *f = fi ? file_of(fi) : NULL;
    struct scratch *s = f ? f->scratch : path ? scratch_find(path + 1) : NULL;
    cleanup_node struct node node = { 0 };
    size_t pending;
    int error = 0;

    if (s) {
        error = scratch_resize(s, (uint64_t)size);
        if (!f)
            scratch_unref(s);
        return error;
    }
    if (f)
        return f->draft ? draft_resize(f->draft, (uint64_t)size) : 0;
    /* as O_TRUNC: what follows will say what the text is */
    if (!path || veil_of(path + 1, &pending) == VEIL_PENDING)
        return 0;
    error = node_find(path + 1, &node);
    return error ? error : !node.writable ? -EACCES : size ? -EPERM : 0;
}

/* ---- close, sync, poll ------------------------------------------------------- */

int fs_flush(const char *path, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);

    (void)path;
    return f->draft ? draft_close(f->draft, fuse_get_context()->pid) : 0;
}

int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);

    (void)path, (void)data_only;
    return f->draft ? draft_sync(f->draft) : 0;
}

int fs_release(const char *path, struct fuse_file_info *fi)
{
    struct file *f = file_of(fi);

    (void)path;
    if (f->draft)
        draft_release(f->draft);
    file_closed(f);
    return 0;
}

int fs_poll(const char *path, struct fuse_file_info *fi, struct fuse_pollhandle *handle,
            unsigned *revents)
{
    struct file *f = file_of(fi);

    (void)path;
    if (f->kind == FILE_EVENTS) {
        *revents = log_poll(f->reader, handle) ? POLLIN | POLLRDNORM : 0;
        return 0;
    }
    if (handle)
        fuse_pollhandle_destroy(handle);
    *revents = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
    return 0;
}
