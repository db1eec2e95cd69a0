/* weir-filter.h - what does a filter see of weir?  This header and nothing else.
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   client ─► filter 0 ─► filter 1 ─► … ─► store
 *              down()      down()            │
 *   client ◄─ filter 0 ◄─ filter 1 ◄─ … ◄────┘
 *               up()        up()
 *
 * A filter whose down() said WEIR_PASS sees up() once, in reverse order.  See
 * weir-filter(3) for the long form and filters/pass/ for the smallest filter.
 */
#ifndef WEIR_FILTER_H
#define WEIR_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_MAGIC 0x77656972u /* "weir" */
#define WEIR_ABI   1u          /* changes only if an existing field changes */

/* what weir gives to filters is visible in a gateway built with hidden symbols */
#pragma GCC visibility push(default)

#define WEIR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* ---- requests ---------------------------------------------------------------- */

enum weir_op {
    WEIR_READ,
    WEIR_WRITE,
    WEIR_FLUSH,
    WEIR_TRIM,
    WEIR_ZERO,
    WEIR_PREFETCH,
    WEIR_EXTENTS,
    WEIR_OP_COUNT
};

#define WEIR_OP(op)  (1u << (op))
#define WEIR_ALL_OPS (WEIR_OP(WEIR_OP_COUNT) - 1)
/* the operations that change the disk, which WEIR_NEEDS_ORDER is about */
#define WEIR_CHANGES (WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_TRIM) | WEIR_OP(WEIR_ZERO))

/* weir_request.flags */
enum {
    WEIR_FUA = 1u << 0,        /* durable before it completes */
    WEIR_MAY_TRIM = 1u << 1,   /* ZERO may punch a hole */
    WEIR_FAST_ZERO = 1u << 2,  /* ZERO: fail with ENOTSUP rather than write zeroes */
    WEIR_ONE_EXTENT = 1u << 3, /* EXTENTS: the first extent is enough */
    WEIR_DERIVED = 1u << 8,    /* a filter started it, not a client (the core sets it) */
    WEIR_BACKGROUND = 1u << 9, /* derived, and nobody waits: scrub, resync, destage */
};

/* A filter may change flags, offset, length and data in down() for those below it;
 * its up() and those above see them again as they were when down() was called.  The
 * request may be at another address in up(); its weir_scratch() is not.
 * Bytes at `data` of a WRITE belong to the client and are never modified: take
 * weir_bounce() first. */
struct weir_request {
    enum weir_op op;
    uint32_t flags;
    uint64_t offset;      /* bytes, from the start of the disk as this filter shows it */
    uint64_t length;      /* bytes; 0 for FLUSH */
    void *data;           /* READ: to fill.  WRITE: to read.  EXTENTS: struct weir_extents */
    int error;            /* 0, or a positive errno on its way up */
    uint64_t reserved[2]; /* 0, until a later weir has a use for them */
    /* the gateway's own fields follow */
};

enum weir_verdict {
    WEIR_PASS,     /* down: go on, my up() will see the answer.  up: go on */
    WEIR_COMPLETE, /* down: answered here, nothing below sees it.  up: clear the error */
    WEIR_FAIL,     /* down: refused with req->error.  up: req->error is set */
    WEIR_DEFER,    /* I hold it and will call weir_resume() exactly once */
};

/* Gives a held request back.  From any thread, with any lock held, even before
 * down() or up() has returned WEIR_DEFER: it runs no filter code, it records the
 * verdict and wakes the request's home thread.  After this call the request is
 * not the caller's any more.  A second resume is refused and reported. */
void weir_resume(struct weir_request *req, enum weir_verdict verdict);

/* The same with an errno for WEIR_FAIL. */
void weir_resume_error(struct weir_request *req, int error);

/* Asks the core to resume `req` by itself at `when`, in ns of CLOCK_MONOTONIC, or when
 * the disk is drained.  May be called again to move the time.  Only while the filter
 * holds the request (or is about to return WEIR_DEFER).  A filter that may also call
 * weir_resume() for it has a due(), which settles who of the two does. */
void weir_resume_at(struct weir_request *req, uint64_t when, enum weir_verdict verdict);

static inline enum weir_verdict weir_fail(struct weir_request *req, int error)
{
    req->error = error;
    return WEIR_FAIL;
}

/* The options as they stood when this request reached the filter; valid until the
 * filter is done with the request. */
const void *weir_config(const struct weir_request *req);

/* The filter's statistics, the shard of this CPU: add with weir_add(), never read. */
void *weir_stats(const struct weir_request *req);

/* The filter's request_size bytes, zero at down(). */
void *weir_scratch(struct weir_request *req);

/* When down() or up() was called, in ns of a clock that only measures spans: it never goes
 * back on one CPU, starts anywhere, and costs nothing because the core has just read it.
 * weir_now(NULL) reads it anew. */
uint64_t weir_now(const struct weir_request *req);

/* In down(): replaces req->data by a private buffer of req->length bytes (holding a
 * copy, for a WRITE) and returns it; in up(): returns that buffer again, while
 * req->data is the buffer of those above.  The core frees it after up().  NULL: no
 * memory, or none was taken. */
void *weir_bounce(struct weir_request *req);

/* ---- extents ----------------------------------------------------------------- */

enum { WEIR_HOLE = 1u << 0, WEIR_READS_ZERO = 1u << 1 };

struct weir_extents;

/* For an EXTENTS of the filter's own, by weir_submit(). */
struct weir_extents *weir_extents_create(void); /* NULL: no memory */
void weir_extents_destroy(struct weir_extents *);

/* Appends [offset, offset+length) of `type`; calls come in ascending order and
 * without gaps.  What is missing at the end is taken for data.  0, or -ENOMEM. */
int weir_add_extent(struct weir_extents *, uint64_t offset, uint64_t length, uint32_t type);

/* Walks what has been added: 0, or -ENOENT past the last. */
int weir_get_extent(const struct weir_extents *, size_t index, uint64_t *offset, uint64_t *length,
                    uint32_t *type);

/* Forgets what has been added, so that a filter can say it otherwise. */
void weir_clear_extents(struct weir_extents *);

/* ---- a filter's place in a chain --------------------------------------------- */

/* Given to attach(); valid until detach() returns. */
struct weir_below;

struct weir_geometry {
    uint64_t size;      /* bytes */
    uint32_t block_min; /* bytes, powers of two: requests are multiples of it … */
    uint32_t block_preferred;
    uint32_t block_max; /* … and no longer than this, but for an EXTENTS of a filter's own */
    uint32_t ops;       /* WEIR_OP() mask of what exists */
    bool fast_zero;
    bool rotational;
    uint64_t reserved[4];
};

/* Of the disk as it was (BASE@POINT), too, the name of the disk. */
const char *weir_export_name(const struct weir_below *);
/* The disk as it is just below this filter. */
void weir_geometry(const struct weir_below *, struct weir_geometry *);
/* A shard of the statistics and the present options, for threads of the filter's own.
 * The options stay valid until the filter's next apply() or detach() returns. */
void *weir_own_stats(struct weir_below *);
const void *weir_own_config(struct weir_below *);

/* Where the disk lies, with which others.  The strings are valid until detach() returns. */
struct weir_datastore {
    const char *name;
    const char *folder;         /* of this host, that its disks lie in; NULL: none */
    const char *exchange;       /* the file by which gateways share it; NULL: not said; "none":
                                   they do not */
    uint64_t latency_threshold; /* ns; 0: auto.  May change: ask again */
    uint64_t reserved[4];
};
void weir_datastore(const struct weir_below *, struct weir_datastore *);

/* Which disk lies at the end of the chain, for who keeps a copy of it elsewhere and must
 * notice when the disk was exchanged, or written by somebody else. */
struct weir_identity {
    char name[192];   /* in the store's words; the same as long as it is that disk, of whatever
                         size, and another for every other disk of the store */
    uint64_t changed; /* ns since 1970 when its bytes were last changed, by anyone, and so by
                         this gateway, too; an older one after the host's power failed; 0:
                         the store cannot say */
    uint64_t reserved[4];
};
/* 0, or -ENOTSUP: the store cannot tell its disks apart.  Blocks. */
int weir_identity(const struct weir_below *, struct weir_identity *);

/* A file or block device of this host that filters share: an entry of `pools`. */
struct weir_pool {
    const char *name, *path; /* path: absolute; a file may not exist yet */
    uint64_t size;           /* bytes; 0: not said */
    uint64_t reserved[4];
};
/* 0, -ENOENT or -ENOMEM.  The strings are valid until detach() returns, and as long as the
 * filter stays attached a name gives the same: it is attached anew when an entry that it has
 * asked for changes. */
int weir_pool(const struct weir_below *, const char *name, struct weir_pool *);

/* Derived I/O: starts just below the filter, is counted under its name and drained
 * with the disk.  Blocks.  0 or -errno (one that NBD carries).  Usable from down()
 * and up(), from attach() on, and from any thread of the filter's until drain(true)
 * has returned and the last request has left the disk; it waits from then on.  `flags` take
 * WEIR_FUA, WEIR_MAY_TRIM, WEIR_FAST_ZERO, WEIR_BACKGROUND. */
int weir_read(struct weir_below *, void *data, uint64_t length, uint64_t offset, uint32_t flags);
int weir_write(struct weir_below *, const void *data, uint64_t length, uint64_t offset,
               uint32_t flags);
int weir_flush(struct weir_below *, uint32_t flags);
int weir_trim(struct weir_below *, uint64_t length, uint64_t offset, uint32_t flags);
int weir_zero(struct weir_below *, uint64_t length, uint64_t offset, uint32_t flags);
int weir_prefetch(struct weir_below *, uint64_t length, uint64_t offset, uint32_t flags);

/* The same without waiting: `io` is copied, done() runs exactly once on a gateway
 * thread with 0 or a positive errno.  0, or -EINVAL (not on the disk), -ENOMEM, -EAGAIN
 * and done() never runs. */
int weir_submit(struct weir_below *, const struct weir_request *io,
                void (*done)(void *arg, int error), void *arg);

/* The write order of a filter with WEIR_NEEDS_ORDER, for its own derived work: while
 * held, no write, zero or trim that overlaps the range is between this filter's
 * down() and up().  Blocks.  Not from down() or up(). */
struct weir_order;
int weir_order_lock(struct weir_below *, uint64_t offset, uint64_t length, struct weir_order **);
void weir_order_unlock(struct weir_order *);

/* A durable folder for this filter on this export.  Names are single path components.
 * save: write, fsync, rename, fsync the folder: after it returns 0 the new bytes are
 * what a crash leaves.  load: *data is malloc'ed; -ENOENT where there is none.
 * The file "left-out" is there when the export has been served, by a chain without this filter,
 * since the filter last removed it: who keeps a copy of the disk elsewhere looks for it. */
int weir_state_folder(struct weir_below *); /* an O_PATH descriptor that stays the core's */
int weir_state_save(struct weir_below *, const char *name, const void *data, size_t size);
int weir_state_load(struct weir_below *, const char *name, void **data, size_t *size);
int weir_state_remove(struct weir_below *, const char *name);

/* true: from now on the disk is not whole without this filter, which holds what clients were
 * told is written.  Remembered durably before it returns 0: a policy that leaves the filter
 * out is refused, a gateway that starts without it locks the export, and the filter is not
 * bypassed.  false: the disk is whole again.  It outlives detach(): say what is so in attach().
 * From any thread, down() and up() included.  Blocks: a few fsyncs when something changes,
 * else next to nothing.  Calls with different words at the same time are the filter's to
 * order.  0; -ESHUTDOWN: the filter has been bypassed already and may hold nothing; or another
 * -errno: nothing is promised but what was before. */
int weir_keep(struct weir_below *, bool keep);

/* One line for `events` and the log; the core adds time, export and filter. */
enum weir_severity { WEIR_INFO, WEIR_WARNING, WEIR_ERROR };
void weir_report(struct weir_below *, enum weir_severity, const char *format, ...)
    WEIR_PRINTF(3, 4);

/* Locks the export: every request fails with EIO and the reason is shown until this
 * filter calls weir_unlock_export() or leaves the export. */
void weir_lock_export(struct weir_below *, const char *format, ...) WEIR_PRINTF(2, 3);
void weir_unlock_export(struct weir_below *);

/* ---- text that a filter gives to people -------------------------------------- */

struct weir_text;
void weir_print(struct weir_text *, const char *format, ...) WEIR_PRINTF(2, 3);

/* ---- declarations: one table feeds parser, mount, CLI, metrics and man page ---- */

enum weir_type {
    WEIR_BOOL,   /* bool */
    WEIR_INT,    /* int64_t */
    WEIR_SIZE,   /* uint64_t, bytes: "20G", binary units */
    WEIR_TIME,   /* uint64_t, ns: "5ms" */
    WEIR_RATE,   /* uint64_t, per second, 0 is "max": "10k" decimal, "64M" for bytes */
    WEIR_RATIO,  /* double: 0.5, "50%" */
    WEIR_STRING, /* const char *, "" when unset */
    WEIR_CHOICE, /* int: index into choices */
};

/* A word that stands for a value of a number, as "auto" may for 0; it need not be in
 * range. */
struct weir_word {
    const char *word;
    int64_t value;
};

/* weir_option.flags */
enum {
    WEIR_LIVE = 1u << 0,     /* may be changed while requests run */
    WEIR_REQUIRED = 1u << 1, /* has no default */
    WEIR_SECRET = 1u << 2,   /* never shown */
    WEIR_NAMES_POOL =
        1u << 3, /* STRING: the name of one of the `pools`, or "", as its default is */
};

/* A row of the option table; WEIR_OPTION_* below fill name, type and at. */
struct weir_option {
    const char *name;
    enum weir_type type;
    size_t at; /* offsetof in the filter's config struct */
    unsigned flags;
    const char *fallback;          /* the default, as a user would write it */
    int64_t min, max;              /* of a number; both 0: any */
    const char *const *choices;    /* WEIR_CHOICE: NULL-terminated */
    const char *help;              /* one sentence, with its full stop */
    const struct weir_word *words; /* INT, SIZE, TIME, RATE; ends with a NULL word; or NULL */
};

/* offsetof that does not compile when the field has another type */
#define WEIR_FIELD(s, f, t) (offsetof(s, f) + 0 * sizeof((t *)0 == &((s *)0)->f))
/* clang-format off */
#define WEIR_OPTION(s, f, kind, ctype, ...) \
    { .name = #f, .type = (kind), .at = WEIR_FIELD(s, f, ctype), __VA_ARGS__ }
#define WEIR_OPTION_BOOL(s, f, ...)   WEIR_OPTION(s, f, WEIR_BOOL, bool, __VA_ARGS__)
#define WEIR_OPTION_INT(s, f, ...)    WEIR_OPTION(s, f, WEIR_INT, int64_t, __VA_ARGS__)
#define WEIR_OPTION_SIZE(s, f, ...)   WEIR_OPTION(s, f, WEIR_SIZE, uint64_t, __VA_ARGS__)
#define WEIR_OPTION_TIME(s, f, ...)   WEIR_OPTION(s, f, WEIR_TIME, uint64_t, __VA_ARGS__)
#define WEIR_OPTION_RATE(s, f, ...)   WEIR_OPTION(s, f, WEIR_RATE, uint64_t, __VA_ARGS__)
#define WEIR_OPTION_RATIO(s, f, ...)  WEIR_OPTION(s, f, WEIR_RATIO, double, __VA_ARGS__)
#define WEIR_OPTION_STRING(s, f, ...) WEIR_OPTION(s, f, WEIR_STRING, const char *, __VA_ARGS__)
#define WEIR_OPTION_CHOICE(s, f, ...) WEIR_OPTION(s, f, WEIR_CHOICE, int, __VA_ARGS__)

/* clang-format on */

enum weir_stat_kind {
    WEIR_COUNTER,   /* weir_counter: only grows */
    WEIR_GAUGE,     /* weir_counter: goes up and down (shards are added up) */
    WEIR_HISTOGRAM, /* struct weir_histogram */
    WEIR_VALUE,     /* computed by value(self) when somebody looks */
    WEIR_TEXT,      /* printed by show(self, text) when somebody looks */
};

typedef struct {
    _Atomic uint64_t n;
} weir_counter;

static inline void weir_add(weir_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->n, n, memory_order_relaxed);
}

/* Log-linear: 16 buckets per power of two, so a percentile is right to 1/16; values
 * of 2^40 and more (18 minutes, if they are ns) share the last bucket.  After Gil
 * Tene's HdrHistogram. */
#define WEIR_BUCKETS 592
struct weir_histogram {
    weir_counter sum;
    _Atomic uint64_t max;
    weir_counter bucket[WEIR_BUCKETS];
};

static inline unsigned weir_bucket(uint64_t value)
{
    if (value < 32)
        return (unsigned)value;
    unsigned top = 63 - (unsigned)__builtin_clzll(value);
    unsigned index = (top - 3) * 16 + (unsigned)(value >> (top - 4)) - 16;
    return index < WEIR_BUCKETS ? index : WEIR_BUCKETS - 1;
}

static inline void weir_record(struct weir_histogram *h, uint64_t value)
{
    weir_add(&h->bucket[weir_bucket(value)], 1);
    weir_add(&h->sum, value);
    uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);
    while (value > max && !atomic_compare_exchange_weak_explicit(
                              &h->max, &max, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

struct weir_stat {
    const char *name;
    enum weir_stat_kind kind;
    size_t at; /* offsetof in the filter's stats struct */
    const char *unit, *help;
    int64_t (*value)(void *self);
    void (*show)(void *self, struct weir_text *);
};

/* clang-format off */
#define WEIR_STAT_COUNTER(s, f, u, h) \
    { .name = #f, .kind = WEIR_COUNTER, .at = WEIR_FIELD(s, f, weir_counter), .unit = (u), .help = (h) }
#define WEIR_STAT_GAUGE(s, f, u, h) \
    { .name = #f, .kind = WEIR_GAUGE, .at = WEIR_FIELD(s, f, weir_counter), .unit = (u), .help = (h) }
#define WEIR_STAT_HISTOGRAM(s, f, u, h)                                             \
    { .name = #f, .kind = WEIR_HISTOGRAM, .at = WEIR_FIELD(s, f, struct weir_histogram), \
      .unit = (u), .help = (h) }
#define WEIR_STAT_VALUE(f, fn, u, h) \
    { .name = #f, .kind = WEIR_VALUE, .value = (fn), .unit = (u), .help = (h) }
#define WEIR_STAT_TEXT(f, fn, h) { .name = #f, .kind = WEIR_TEXT, .show = (fn), .help = (h) }
/* clang-format on */

/* A word that can be written to the filter's `ctl` file.  0, or -errno with the
 * reason in `answer`. */
struct weir_verb {
    const char *name, *help;
    int (*run)(void *self, const char *arguments, struct weir_text *answer);
};

/* ---- life of a disk ---------------------------------------------------------- */

enum weir_event_type {
    WEIR_EVENT_OPEN,
    WEIR_EVENT_CLOSE,
    WEIR_EVENT_STUN, /* the disk stands still from PREPARE until COMMIT or CANCEL */
    WEIR_EVENT_SNAPSHOT,
    WEIR_EVENT_CLONE,
    WEIR_EVENT_GROW,
    WEIR_EVENT_MIGRATE,
    WEIR_EVENT_DELETE,
    WEIR_EVENT_COUNT
};
enum weir_phase { WEIR_PREPARE, WEIR_COMMIT, WEIR_CANCEL };

struct weir_event {
    enum weir_event_type type;
    enum weir_phase phase; /* PREPARE may refuse; CANCEL takes a PREPARE back */
    const char *name;      /* SNAPSHOT, CLONE, MIGRATE: of the result; else "" */
    uint64_t size;         /* of the disk as this filter shows it, bytes; GROW: the new one */
    uint64_t reserved[4];
};

/* ---- the filter -------------------------------------------------------------- */

/* Its place in a chain.  At most one filter of a class per export, except NONE:
 * those stand in front of the filter that the policy lists after them. */
enum weir_class {
    WEIR_CLASS_NONE,
    WEIR_CLASS_INSPECTION,
    WEIR_CLASS_CAPTURE,
    WEIR_CLASS_REPLICATION,
    WEIR_CLASS_COMPRESSION,
    WEIR_CLASS_ENCRYPTION,
    WEIR_CLASS_CACHE,
    WEIR_CLASS_CONTROL,
    WEIR_CLASS_COUNT
};

/* weir_filter.flags */
enum {
    WEIR_NEEDS_ORDER = 1u << 0, /* overlapping writes never pass each other here */
    WEIR_TRANSFORMS = 1u << 1,  /* what is below is not what is above: never bypassed */
};

struct weir_filter {
    uint32_t magic, abi; /* WEIR_FILTER_HEADER fills these six */
    uint32_t size, option_size, stat_size, verb_size;
    const char *name, *version, *summary;
    enum weir_class klass;
    uint32_t flags;
    uint32_t ops;         /* WEIR_OP() mask of what down() understands; the core lowers
                             the others above the filter (ZERO to writes, TRIM and
                             PREFETCH to nothing, EXTENTS to "all data") */
    uint32_t order_align; /* WEIR_NEEDS_ORDER: ranges are widened to multiples of
                             this power of two; 0: to bytes */
    size_t self_size;     /* per export, zeroed, passed as self */
    size_t request_size;  /* weir_scratch() */
    size_t config_size, stats_size;
    const struct weir_option *options; /* each table ends with a NULL name; or NULL */
    const struct weir_stat *stats;
    const struct weir_verb *verbs;

    /* Control path: one call at a time per export; may block.  0 or -errno. */

    /* Judges options that already have the right type and range. */
    int (*check)(const void *config, struct weir_text *why);
    int (*attach)(void *self, struct weir_below *, const void *config, struct weir_text *why);
    /* Changes, in place, what is below into what is above. */
    int (*geometry)(void *self, struct weir_geometry *, struct weir_text *why);
    /* LIVE options have changed; checked; cannot fail. */
    void (*apply)(void *self, const void *config);
    /* true: let go of every held request, stop derived I/O of your own and hold nothing
     * until false.  A last flush may still pass.  It may refuse, where what is under way
     * must not be cut short: then nothing changes and the sentence says why; it is told
     * false all the same.  What false returns is not looked at, nor a refusal to close or
     * to stop.  When the gateway stops clients are not kept out meanwhile and false never
     * comes: pass what they ask for. */
    int (*drain)(void *self, bool begin, struct weir_text *why);
    int (*event)(void *self, const struct weir_event *, struct weir_text *why);
    void (*detach)(void *self);

    /* Data path: many calls at once; NULL passes. */
    enum weir_verdict (*down)(void *self, struct weir_request *);
    enum weir_verdict (*up)(void *self, struct weir_request *);
    /* You have held this request longer than the export's hold_limit: resume it soon.
     * Runs on the request's home thread; the request may just have been resumed. */
    void (*abort)(void *self, struct weir_request *);
    /* The time of weir_resume_at() has come, or the disk is drained.  Runs on the request's
     * home thread.  Take it off your list under your own lock and say its verdict; or say
     * WEIR_DEFER if you have just taken it off to resume it.  NULL: the verdict given to
     * weir_resume_at() holds, and then nobody else may resume the request. */
    enum weir_verdict (*due)(void *self, struct weir_request *);
};

/* clang-format off */
#define WEIR_FILTER_HEADER                                                              \
    .magic = WEIR_MAGIC, .abi = WEIR_ABI, .size = sizeof(struct weir_filter),           \
    .option_size = sizeof(struct weir_option), .stat_size = sizeof(struct weir_stat),   \
    .verb_size = sizeof(struct weir_verb)
/* clang-format on */

/* Every filter's shared object exports exactly this one symbol. */
extern const struct weir_filter weir_filter;

#pragma GCC visibility pop

#endif
