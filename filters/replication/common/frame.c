/* frame.c - how are frames written and read?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

uint32_t record_data(const struct record *r)
{
    return r->op == RECORD_VERIFY ? 8 : r->op == RECORD_ZERO || r->op == RECORD_TRIM ? 0 : r->length;
}
