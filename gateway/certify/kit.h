/* kit.h - what does a check of the conformance kit have to work with?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A check runs in a process of its own, which may crash, hang or be killed: what it finds
 * is in memory that it shares with the one that reports.  It comes to its verdict by
 * returning (passed), by fail() or by not_applicable(), which do not return. */
#ifndef CERTIFY_KIT_H
#define CERTIFY_KIT_H

#include "export.h"
#include "gateway.h"
#include "media.h"
#include "scope.h"
#include "text.h"

enum verdict { UNDECIDED, PASSED, FAILED, NOT_APPLICABLE };

enum { FIGURES_MAX = 8, REASON_MAX = 1024 };
struct outcome { /* shared */
    _Atomic int verdict;
    char reason[REASON_MAX];
    unsigned figures;
    struct figure {
        char name[48], unit[32];
        double value;
    } figure[FIGURES_MAX];
    double seconds;
};

struct about { /* shared: what the first check has found out of the filter */
    char name[64], version[64], summary[256];
    unsigned abi, klass, flags;
};

struct pair {
    const char *name, *value;
};

struct kit {
    /* what the command line asks for; read only */
    const char *path; /* of the shared object, absolute */
    const char *name; /* of the filter, from its file's name */
    struct pair *options;
    size_t option_count;
    struct pool *pools; /* a path that is not absolute lies in the check's folder */
    size_t pool_count;
    const char *policy; /* a file with the chain that the filter stands in; NULL: it is alone */
    double seconds;     /* for a check's random work */
    uint64_t seed;
    /* of the check that runs */
    char folder[64]; /* state and pools; empty at its begin */
    uint64_t random;
    uint64_t hold_limit; /* ns; of chains that are opened next */
    enum on_failure on_failure;
    struct outcome *outcome;
    struct about *about;
    struct media *media;
    /* of its process: rig.c */
    struct library *library;
    const char *label;    /* of the filter in its chain */
    struct plan *company; /* what the policy asks for, the filter at `place` of it; NULL: alone */
    size_t place;
    struct export *export;
    uint64_t size; /* of the disk above the filter, bytes */
};

struct check {
    const char *name, *sentence;
    void (*run)(struct kit *);
};
extern const struct check checks[]; /* ends with a NULL name */
extern const size_t check_count;

_Noreturn void fail(struct kit *, const char *format, ...) WEIR_PRINTF(2, 3);
_Noreturn void not_applicable(struct kit *, const char *format, ...) WEIR_PRINTF(2, 3);
void figure(struct kit *, const char *name, double value, const char *unit);

/* run.c: runs one check in a process of its own, in a folder of its own. */
void run_check(struct kit *, const struct check *);
/* A process below that of a check: true when it ended by itself or the medium killed it;
 * otherwise the check fails with what happened to it. */
void in_process(struct kit *, void (*work)(struct kit *, void *), void *arg);

uint64_t next_random(uint64_t *state);
uint64_t now_ns(void);
/* True until the time for random work is over; ask once per request. */
bool time_left(const struct kit *, uint64_t since);
/* Under a sanitizer everything takes longer. */
unsigned slowness(void);

#endif
