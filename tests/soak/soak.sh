#!/bin/bash
# soak.sh - does the campaign find nothing in WEIR_SOAK_MINUTES, 5 by default?
# SPDX-License-Identifier: BSD-3-Clause
set -eu
exec /usr/bin/python3 "$WEIR_SOURCE/tests/soak/soak.py" --minutes="${WEIR_SOAK_MINUTES:-5}"
