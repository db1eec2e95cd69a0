/* header-of.c - what is in the LUKS header of a file, and which volume key does a passphrase give?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *     header-of FILE PASSPHRASE [format SECTOR KEY_BITS PBKDF]
 *
 * For tests alone, whose keys are no secrets: it prints the volume key, and how long that took. */
#include "header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int file; /* of main() */

static int file_read(void *arg, void *data, uint64_t length, uint64_t offset)
{
    (void)arg;
    return pread(file, data, length, (off_t)offset) == (ssize_t)length ? 0 : -EIO;
}

static int file_write(void *arg, const void *data, uint64_t length, uint64_t offset)
{
    (void)arg;
    return pwrite(file, data, length, (off_t)offset) == (ssize_t)length ? 0 : -EIO;
}

static int file_flush(void *arg)
{
    (void)arg;
    return fsync(file) ? -errno : 0;
}

int main(int argc, char **argv)
{
    struct header_medium medium = { NULL, 0, false, file_read, file_write, file_flush };
    struct timespec from, to;
    struct secret key, volume;
    struct header_about about;
    struct header *header = NULL;
    char why[HEADER_WHY] = "";
    struct stat st;
    int slot;

    if (argc < 3 || (file = open(argv[1], O_RDWR | O_CLOEXEC)) < 0 || fstat(file, &st))
        return 2;
    medium.size = (uint64_t)st.st_size;
    int r = secret_init(why, sizeof why);
    if (!r)
        r = secret_copy(&key, argv[2], strlen(argv[2]));
    if (!r && argc > 6) {
        struct header_format format = { .sector = (uint32_t)atoi(argv[4]),
                                        .key_bits = (unsigned)atoi(argv[5]),
                                        .pbkdf = argv[6],
                                        .pbkdf_ms = 1,
                                        .pbkdf_memory = 64 };
        r = header_format(&medium, &format, &key, &header, why);
    } else if (!r)
        r = header_open(&medium, &header, why);
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (!r)
        r = header_unlock(header, &key, &volume, &slot, why);
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (r) {
        fprintf(stderr, "%d: %s\n", r, why);
        header_close(header);
        secret_clear(&key);
        return 1;
    }
    header_about(header, &about);
    printf("%u %s-%s %u %" PRIu32 " %" PRIu64 "\n", about.version, about.cipher, about.mode,
           about.key_bits, about.sector, about.offset);
    for (size_t i = 0; i < volume.size; i++)
        printf("%02x", volume.data[i]);
    printf("\n%.3f\n",
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    header_close(header);
    secret_clear(&volume);
    secret_clear(&key);
    return 0;
}
