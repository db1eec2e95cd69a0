/* secret.c - where do keys lie, so that no swap, no core dump and no later allocation shows them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A process has one region, and libcrypto one allocator, for as long as it lives.  When a
 * filter is upgraded, a second copy of this code is loaded beside the first one.  It finds
 * the first one by asking the allocator that libcrypto has, and uses its region: therefore
 * this object is never unmapped (-z nodelete), and what copies say to each other, struct
 * doors, only grows at its end. */
#include "secret.h"

#include "region.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* Address space only: 10,000 disks with 100 KiB each, where one with all its contexts on 32
 * CPUs takes 50.  What is not used costs nothing. */
enum { SECRET_SIZE = 1 << 30 };

/* ---- the doors --------------------------------------------------------------- */

struct doors {
    char magic[16];
    size_t size;             /* of this struct, where it lies */
    CRYPTO_malloc_fn malloc; /* as libcrypto has it: no other allocator can say so */
    void *(*alloc)(size_t);
    void (*free)(void *);
    bool (*holds)(const void *);
    size_t (*room)(void);
    size_t (*swappable)(void); /* bytes, if nobody has asked before; else 0 */
    void (*inside)(bool);
};
#define DOORS_MAGIC "weir secrets 1"

/* What is asked of an allocator by the arguments that name a line of source code. */
#define ASK_FILE DOORS_MAGIC "?"
enum { ASK_LINE = -0x77656972 };

/* One of a process, as libcrypto's allocator is: the first copy's region.  Unused in others. */
static struct region region;
static atomic_bool swappable_said;
/* Does this thread have libcrypto allocate in the region? */
static _Thread_local bool inside;

/* The first copy's doors; NULL until secret_init() was successful. */
static const struct doors *_Atomic doors;

static void *region_door_alloc(size_t size)
{
    return region_alloc(&region, size);
}

static void region_door_free(void *data)
{
    region_free(&region, data);
}

static bool region_door_holds(const void *p)
{
    return region_holds(&region, p);
}

static size_t region_door_room(void)
{
    return region_room(&region);
}

static size_t region_door_swappable(void)
{
    size_t bytes = region_swappable(&region);

    return bytes && !atomic_exchange(&swappable_said, true) ? bytes : 0;
}

static void region_door_inside(bool yes)
{
    inside = yes;
}

/* memcpy() leaves a key in vector registers, and what comes next may save them on a stack: a
 * signal, or the dynamic linker that looks a function up.  This leaves a byte of it. */
static void copy(void *to, const void *from, size_t size)
{
    const uint8_t *source = from;
    volatile uint8_t *target = to;

    for (size_t i = 0; i < size; i++)
        target[i] = source[i];
}

/* ---- libcrypto's allocator --------------------------------------------------- */

static void *crypto_malloc(size_t size, const char *file, int line);

static const struct doors own_doors = {
    .magic = DOORS_MAGIC,
    .size = sizeof(struct doors),
    .malloc = crypto_malloc,
    .alloc = region_door_alloc,
    .free = region_door_free,
    .holds = region_door_holds,
    .room = region_door_room,
    .swappable = region_door_swappable,
    .inside = region_door_inside,
};

static void *crypto_malloc(size_t size, const char *file, int line)
{
    if (line == ASK_LINE && file && strcmp(file, ASK_FILE) == 0)
        return (void *)(uintptr_t)&own_doors;
    if (!size)
        return NULL; /* as libcrypto's own */
    return inside ? region_alloc(&region, size) : malloc(size);
}

static void crypto_free(void *data, const char *file, int line)
{
    (void)file, (void)line;
    if (region_holds(&region, data))
        region_free(&region, data);
    else
        free(data);
}

/* A block stays where it was first, whatever the thread says now. */
static void *crypto_realloc(void *data, size_t size, const char *file, int line)
{
    if (!data)
        return crypto_malloc(size, file, line);
    if (!size) {
        crypto_free(data, file, line);
        return NULL;
    }
    if (!region_holds(&region, data))
        return realloc(data, size);
    size_t old = region_block_size(data);
    if (size <= old)
        return data;
    void *new = region_alloc(&region, size);
    if (new) {
        copy(new, data, old);
        region_free(&region, data);
    }
    return new;
}

/* The doors behind the allocator that libcrypto has now; NULL: it is its own, or a stranger. */
static const struct doors *find_doors(bool *stranger)
{
    CRYPTO_malloc_fn get;
    CRYPTO_realloc_fn resize;
    CRYPTO_free_fn give;

    CRYPTO_get_mem_functions(&get, &resize, &give);
    *stranger = get != CRYPTO_malloc;
    if (!*stranger)
        return NULL;
    /* a stranger takes this for an order, and fills it */
    const struct doors *d = get(sizeof *d, ASK_FILE, ASK_LINE);
    if (d && memcmp(d->magic, DOORS_MAGIC, sizeof DOORS_MAGIC) == 0 && d->malloc == get &&
        d->size >= sizeof *d) {
        *stranger = false;
        return d;
    }
    give((void *)(uintptr_t)d, ASK_FILE, ASK_LINE);
    return NULL;
}

/* ---- init -------------------------------------------------------------------- */

static int make_region(char *why, size_t size)
{
    const char *what;
    int r = region.start ? 0 : region_init(&region, SECRET_SIZE, &what);

    if (r)
        snprintf(why, size,
                 "there is no memory that would keep keys secret: %s: %s; the gateway needs Linux "
                 "4.14 or later and %d MiB of address space (RLIMIT_AS)",
                 what, strerror(-r), SECRET_SIZE >> 20);
    return r;
}

static int init(char *why, size_t size)
{
    bool stranger;
    const struct doors *d = find_doors(&stranger);

    if (!d && !stranger) {
        int r = make_region(why, size);
        if (r)
            return r;
        CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
        d = find_doors(&stranger);
    }
    if (!d) {
        snprintf(
            why, size,
            "%s before an encrypted disk did, so that keys cannot be kept out of swap and core "
            "dumps: restart the gateway with an encrypted disk opened first, or serve "
            "encrypted disks from a gateway of their own",
            stranger ? "something else in this process gave libcrypto an allocator"
                     : "something else in this process used libcrypto");
        return -EBUSY;
    }
    atomic_store(&doors, d);
    return 0;
}

int secret_init(char *why, size_t size)
{
    /* Guards init(), as two disks may be opened at once.  Taken after nothing. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    int r = atomic_load(&doors) ? 0 : init(why, size);
    pthread_mutex_unlock(&lock);
    return r;
}

bool secret_warning(char *why, size_t size)
{
    const struct doors *d = atomic_load(&doors);
    size_t bytes = d ? d->swappable() : 0;

    if (bytes)
        snprintf(
            why, size,
            "the limit on locked memory (RLIMIT_MEMLOCK) leaves %zu KiB of keys where they may be "
            "written to swap: raise it (LimitMEMLOCK= of the unit), or encrypt the swap",
            bytes >> 10);
    return bytes;
}

/* ---- what the filter uses ---------------------------------------------------- */

void *secret_alloc(size_t size)
{
    const struct doors *d = atomic_load_explicit(&doors, memory_order_acquire);

    return d ? d->alloc(size) : NULL;
}

void secret_free(void *data)
{
    if (data)
        atomic_load_explicit(&doors, memory_order_acquire)->free(data);
}

bool secret_holds(const void *p)
{
    const struct doors *d = atomic_load_explicit(&doors, memory_order_acquire);

    return d && d->holds(p);
}

size_t secret_room(void)
{
    const struct doors *d = atomic_load_explicit(&doors, memory_order_acquire);

    return d ? d->room() : 0;
}

void secret_wipe(void *data, size_t size)
{
    explicit_bzero(data, size);
}

void secret_begin(void)
{
    const struct doors *d = atomic_load_explicit(&doors, memory_order_acquire);

    if (d)
        d->inside(true);
}

void secret_end(void)
{
    const struct doors *d = atomic_load_explicit(&doors, memory_order_acquire);

    if (d)
        d->inside(false);
}

int secret_copy(struct secret *s, const void *data, size_t size)
{
    uint8_t *to = secret_alloc(size);

    if (!to)
        return -ENOMEM;
    copy(to, data, size);
    *s = (struct secret){ to, size };
    return 0;
}

void secret_clear(struct secret *s)
{
    secret_free(s->data);
    *s = (struct secret){ 0 };
}
