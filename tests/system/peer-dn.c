/* peer-dn.c - what would an nbdkit that knows the names in certificates say of this client?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdkit_peer_tls_dn() came with nbdkit 1.40.  Preloaded, this answers with the first line of the
 * file $PEER_DN; there is no answer without the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *nbdkit_peer_tls_dn(void);

char *nbdkit_peer_tls_dn(void)
{
    const char *path = getenv("PEER_DN");
    FILE *file = path ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t room = 0;

    if (!file)
        return NULL;
    if (getline(&line, &room, file) < 0) {
        free(line);
        line = NULL;
    }
    fclose(file);
    if (line)
        line[strcspn(line, "\n")] = '\0';
    return line;
}
