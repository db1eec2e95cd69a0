/* sample-stores.h - what can a test ask of the sample stores?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SAMPLE_STORES_H
#define SAMPLE_STORES_H

#include "store.h"

extern _Atomic bool sample_refuses;    /* every open fails */
extern _Atomic unsigned sample_opened; /* how often one succeeded */
extern _Atomic unsigned sample_open;   /* how many are open now */

#endif
