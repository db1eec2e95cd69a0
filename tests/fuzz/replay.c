/* replay.c - do the inputs that were kept still pass, in builds without libFuzzer?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A fuzzer is linked with this main(): it feeds it each file that it is given. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 8 << 20 };

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    /* exactly the size of the input, so that a sanitizer sees a read past its end */
    uint8_t *room = malloc(INPUT_MAX);
    size_t size = room ? fread(room, 1, INPUT_MAX, file) : 0;
    fclose(file);
    uint8_t *data = room ? malloc(size ? size : 1) : NULL;
    if (data) {
        memcpy(data, room, size);
        LLVMFuzzerTestOneInput(data, size);
    }
    free(room);
    free(data);
    return data ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int error = replay(argv[i]);
        if (error) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(-error));
            return 1;
        }
    }
    printf("%d inputs\n", argc - 1);
    return argc > 1 ? 0 : 1; /* an empty corpus proves nothing */
}
