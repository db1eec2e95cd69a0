/* header-library.c - how does libcryptsetup work on a header that is in memory?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "header-image.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void header_say(char why[HEADER_WHY], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, HEADER_WHY, format, args);
    va_end(args);
}

/* ---- the image ---------------------------------------------------------------- */

int header_image_create(struct header_image *image, uint64_t size, char why[HEADER_WHY])
{
    memset(image, 0, sizeof *image);
    image->size = size;
    image->fd = memfd_create("weir-header", MFD_CLOEXEC);
    if (image->fd < 0 || ftruncate(image->fd, (off_t)size)) {
        int r = -errno;
        header_say(why, "no memory for the header: %s", strerror(-r));
        header_image_close(image);
        return r;
    }
    return 0;
}

void header_image_close(struct header_image *image)
{
    if (image->fd >= 0)
        close(image->fd);
    image->fd = -1;
    free(image->json);
    image->json = NULL;
}

int header_image_put(const struct header_image *image, const void *data, uint64_t length,
                     uint64_t offset)
{
    for (uint64_t done = 0; done < length;) {
        ssize_t n =
            pwrite(image->fd, (const char *)data + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        done += (uint64_t)n;
    }
    return 0;
}

int header_image_get(const struct header_image *image, void *data, uint64_t length, uint64_t offset)
{
    for (uint64_t done = 0; done < length;) {
        ssize_t n = pread(image->fd, (char *)data + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        done += (uint64_t)n;
    }
    return 0;
}

/* ---- the library -------------------------------------------------------------- */

/* Called once per sentence; the first one of a failure is the precise one. */
static void hear(int level, const char *message, void *arg)
{
    struct header_library *library = arg;

    if (level != CRYPT_LOG_ERROR || *library->said)
        return;
    snprintf(library->said, sizeof library->said, "%s", message);
    for (char *c = library->said; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ' ' : '\0';
    size_t length = strlen(library->said);
    if (length && library->said[length - 1] == '.')
        library->said[length - 1] = '\0';
}

static int start(struct header_library *library, int fd)
{
    char path[64];

    memset(library, 0, sizeof *library);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int r = crypt_init(&library->device, path);
    if (!r)
        crypt_set_log_callback(library->device, hear, library);
    return r;
}

/* What the library makes for itself at its first use: not in the region of secrets, as it stays,
 * and not by two threads at once.  Its lock files are of no use, as nobody else sees a memfd. */
static void prepare(void)
{
    struct header_library library = { 0 };
    int fd = memfd_create("weir-header", MFD_CLOEXEC);

    crypt_metadata_locking(NULL, 0);
    if (fd < 0)
        return; /* the next memfd fails as well, and says so */
    if (!ftruncate(fd, HEADER_BLOCK) && !start(&library, fd))
        crypt_load(library.device, CRYPT_LUKS1, NULL);
    header_library_close(&library);
    close(fd);
}

int header_library_start(struct header_library *library, const struct header_image *image,
                         char why[HEADER_WHY])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* the library is one for the process */

    pthread_once(&once, prepare);
    int r = start(library, image->fd);
    if (r)
        header_say(why, "libcryptsetup cannot work on a header in memory: %s; is /proc mounted?",
                   strerror(-r));
    return r;
}

int header_library_load(struct header_library *library, const struct header_image *image,
                        char why[HEADER_WHY])
{
    int r = header_library_start(library, image, why);

    if (r)
        return r;
    r = crypt_load(library->device, NULL, NULL);
    if (r)
        header_say(why, "libcryptsetup cannot read the header: %s",
                   *library->said ? library->said : strerror(-r));
    return r;
}

void header_library_close(struct header_library *library)
{
    crypt_free(library->device);
    library->device = NULL;
}

int header_library_why(const struct header_library *library, int r, char why[HEADER_WHY],
                       const char *what)
{
    if (r == -EPERM)
        r = -EACCES;
    if (*library->said)
        header_say(why, "%s: %s (%s)", what, library->said, strerror(-r));
    else
        header_say(why, "%s: %s", what, strerror(-r));
    return r;
}

/* Held for as long as a key slot was made to take, on purpose: eight disks that open at once
 * would take eight times the memory of Argon2, up to 1 GiB each, and are hardly quicker, as each
 * takes several CPUs.  Guards nothing else; no lock is taken under it. */
static pthread_mutex_t deriving = PTHREAD_MUTEX_INITIALIZER; /* one for the process */

void header_library_derive(void)
{
    pthread_mutex_lock(&deriving);
    secret_begin();
}

void header_library_derived(void)
{
    secret_end();
    pthread_mutex_unlock(&deriving);
}

enum { LEAST_MS = 10 };

int header_library_pbkdf(struct header_library *library, const struct header_format *format,
                         char why[HEADER_WHY])
{
    const char *type = format && format->pbkdf ? format->pbkdf : CRYPT_KDF_ARGON2ID;

    /* LUKS1 knows but one */
    if (!strcmp(crypt_get_type(library->device) ?: CRYPT_LUKS2, CRYPT_LUKS1))
        type = CRYPT_KDF_PBKDF2;
    const struct crypt_pbkdf_type *standard = crypt_get_pbkdf_type_params(type);
    if (!standard) {
        header_say(why, "pbkdf = \"%s\" is not known: \"argon2id\" or \"pbkdf2\"", type);
        return -EINVAL;
    }
    struct crypt_pbkdf_type pbkdf = *standard;
    if (format && format->pbkdf_ms)
        pbkdf.time_ms = (uint32_t)(format->pbkdf_ms < UINT32_MAX ? format->pbkdf_ms : UINT32_MAX);
    if (format && format->pbkdf_memory && pbkdf.max_memory_kb > format->pbkdf_memory)
        pbkdf.max_memory_kb = format->pbkdf_memory;
    if (format && format->pbkdf_ms && format->pbkdf_ms < LEAST_MS) {
        /* less than can be measured; to measure takes a second of a CPU */
        pbkdf.flags |= CRYPT_PBKDF_NO_BENCHMARK;
        pbkdf.iterations = strcmp(type, CRYPT_KDF_PBKDF2) ? 4 : 1000; /* LUKS2's least */
    }
    int r = crypt_set_pbkdf_type(library->device, &pbkdf);
    return r ? header_library_why(library, r, why, "the cost of a key slot cannot be set") : 0;
}
