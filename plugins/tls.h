/* tls.h - does the server in front of us insist on TLS?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_TLS_H
#define PLUGINS_TLS_H

#include <stdbool.h>

/* What the command line of this process says; false when it cannot be read. */
bool tls_is_required(void);

#endif
