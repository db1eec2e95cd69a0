/* scope.h - how is a thing given back when its scope ends?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SCOPE_H
#define WEIR_SCOPE_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *where)
{
    free(*(void **)where);
}

static inline void scope_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void scope_unlock(pthread_mutex_t **lock)
{
    if (*lock)
        pthread_mutex_unlock(*lock);
}

static inline pthread_mutex_t *scope_lock(pthread_mutex_t *lock)
{
    pthread_mutex_lock(lock);
    return lock;
}

#define cleanup_free __attribute__((cleanup(scope_free)))
#define cleanup_fd   __attribute__((cleanup(scope_close)))

/* Holds `lock` until the end of the enclosing block. */
#define hold_lock(lock)                                                                            \
    __attribute__((cleanup(scope_unlock), unused)) pthread_mutex_t *held_ = scope_lock(lock)

/* Hands a cleanup_free pointer (or, with steal_fd, a descriptor) on to its new owner. */
#define steal(pointer)                                                                             \
    __extension__({                                                                                \
        __auto_type stolen_ = (pointer);                                                           \
        (pointer) = NULL;                                                                          \
        stolen_;                                                                                   \
    })
#define steal_fd(fd)                                                                               \
    __extension__({                                                                                \
        int stolen_ = (fd);                                                                        \
        (fd) = -1;                                                                                 \
        stolen_;                                                                                   \
    })

#endif
