/* tree-table.h - what is in the tree that the mount and weirctl show?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_TREE_TABLE_H
#define WEIR_CONTROL_TREE_TABLE_H

#include "tree.h"

const struct row *tree_rows(void); /* ends with a NULL pattern */

#endif
