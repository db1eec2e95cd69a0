/* fs.h - what do the files of the mount do when the kernel asks?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIRFS_FS_H
#define WEIRFS_FS_H

#define FUSE_USE_VERSION 312
#include <fuse3/fuse.h>

extern const struct fuse_operations weirfs_operations;

struct fs_start { /* the private data of fuse_new() */
    const char *run;
    unsigned timeout_ms;
};

/* file.c: what is open */
int fs_open(const char *, struct fuse_file_info *);
int fs_create(const char *, mode_t, struct fuse_file_info *);
int fs_read(const char *, char *, size_t, off_t, struct fuse_file_info *);
int fs_write(const char *, const char *, size_t, off_t, struct fuse_file_info *);
int fs_flush(const char *, struct fuse_file_info *);
int fs_fsync(const char *, int, struct fuse_file_info *);
int fs_release(const char *, struct fuse_file_info *);
int fs_poll(const char *, struct fuse_file_info *, struct fuse_pollhandle *, unsigned *revents);
int fs_opendir(const char *, struct fuse_file_info *);
const char *fs_path_of(struct fuse_file_info *);
void fs_finish(void); /* frees what is still open, with nobody to call back any more */
int fs_truncate(const char *, off_t, struct fuse_file_info *);

/* names.c: what names do */
int fs_unlink(const char *);
int fs_rename(const char *from, const char *to, unsigned flags);

/* attr.c: what stat() says */
int fs_getattr(const char *, struct stat *, struct fuse_file_info *);
int fs_readdir(const char *, void *, fuse_fill_dir_t, off_t, struct fuse_file_info *,
               enum fuse_readdir_flags);
int fs_chmod(const char *, mode_t, struct fuse_file_info *);
int fs_chown(const char *, uid_t, gid_t, struct fuse_file_info *);
int fs_utimens(const char *, const struct timespec[2], struct fuse_file_info *);

#endif
