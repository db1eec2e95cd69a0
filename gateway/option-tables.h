/* option-tables.h - is this option table one that a parser can work with?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_OPTION_TABLES_H
#define WEIR_OPTION_TABLES_H

#include "options.h"

/* 0, or -EINVAL and a sentence that names the row: settings_create() asks it first. */
int option_table_check(const struct weir_option *rows, size_t config_size, struct weir_text *why);

#endif
