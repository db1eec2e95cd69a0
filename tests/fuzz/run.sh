#!/bin/bash
# run.sh - does a fuzzer find anything in its corpus, or near it?
# SPDX-License-Identifier: BSD-3-Clause
#
#     run.sh replay|fuzz FUZZER CORPUS
#
# What fuzzing finds is kept beside the build as meson-logs/fuzz-NAME/crash-*.
. "$WEIR_SOURCE/tests/lib.sh"
mode=$1 fuzzer=$2 corpus=$3
export LSAN_OPTIONS=suppressions=$WEIR_SOURCE/tests/lsan.supp:print_suppressions=0

case $mode in
replay)
    "$fuzzer" "$corpus"/*
    ;;
fuzz)
    kept=$WEIR_BUILD/meson-logs/$(basename "$fuzzer")
    mkdir -p "$kept" "$work/grown"
    # libFuzzer prints its seed; -seed=N of a log repeats that run
    # 77, its own code for a find, would be a skip here
    "$fuzzer" -error_exitcode=1 -max_total_time="${WEIR_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 \
        -max_len=16384 -print_final_stats=1 -artifact_prefix="$kept/" "$work/grown" "$corpus"
    ;;
esac
