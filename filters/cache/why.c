/* why.c - what is a person told?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "media.h"

#include <stdarg.h>
#include <stdio.h>

void why_print(char why[WHY], const char *format, ...)
{
    va_list list;

    if (!why)
        return;
    va_start(list, format);
    vsnprintf(why, WHY, format, list);
    va_end(list);
}
