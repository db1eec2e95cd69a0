/* stream.c - is this request part of a long sequential run?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A request that overtakes others begins a run of its own, and the two become one when what is
 * between them has come: a run is as long as what was really asked for without a hole, so random
 * requests in a small region do not look like one.  Until then the one ahead is judged by the run
 * that it is just ahead of. */
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>

/* Places, each as long as the request, that are a few; and those that one which is late may be
 * late by. */
enum { AHEAD = 8, LATE = 64 };

static uint64_t begin_of(const struct stream *stream)
{
    return stream->next - stream->length;
}

/* Part of it may have been asked for before. */
static bool goes_on(const struct stream *stream, uint64_t offset, uint64_t end)
{
    return stream->length && offset >= begin_of(stream) && offset <= stream->next &&
           end > stream->next;
}

/* The last few places again.  What is further back may be another pass over the same bytes. */
static bool repeats(const struct stream *stream, uint64_t offset, uint64_t end)
{
    return stream->length && offset >= begin_of(stream) && end <= stream->next &&
           (stream->next - offset) / AHEAD <= end - offset;
}

static bool is_ahead(const struct stream *stream, uint64_t offset, uint64_t length)
{
    return stream->length && offset > stream->next && (offset - stream->next) / AHEAD < length;
}

/* What has come closes the hole before `late`, a run that had overtaken it.  One that is long was
 * there before, and this is another pass over it. */
static void join(struct streams *streams, struct stream *run, uint64_t length)
{
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *other = &streams->stream[i];
        if (other == run || !other->length || begin_of(other) != run->next ||
            other->length / LATE > length)
            continue;
        run->next = other->next;
        run->length += other->length;
        *other = (struct stream){ 0 };
        return;
    }
}

/* The longest one, where several go on at one place. */
static struct stream *find(struct streams *streams, uint64_t offset, uint64_t end, bool *again)
{
    struct stream *ret = NULL;

    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *stream = &streams->stream[i];
        if (goes_on(stream, offset, end) && (!ret || stream->length > ret->length))
            ret = stream;
        if (repeats(stream, offset, end))
            *again = true;
    }
    return ret;
}

/* How long is the longest run that `run` has overtaken? */
static uint64_t overtaken(const struct streams *streams, const struct stream *run, uint64_t length)
{
    uint64_t ret = 0;

    for (size_t i = 0; i < STREAMS; i++) {
        const struct stream *stream = &streams->stream[i];
        if (is_ahead(stream, begin_of(run), length) && stream->length > ret)
            ret = stream->length;
    }
    return ret;
}

static struct stream *oldest(struct streams *streams)
{
    struct stream *ret = &streams->stream[0];

    for (size_t i = 1; i < STREAMS; i++)
        if (streams->stream[i].used < ret->used)
            ret = &streams->stream[i];
    return ret;
}

uint64_t streams_note(struct streams *streams, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    bool again = false;

    if (!length || end < offset)
        return 0;
    struct stream *run = find(streams, offset, end, &again);
    if (!run && again)
        return length;
    if (run) {
        run->length += end - run->next;
        run->next = end;
    } else {
        run = oldest(streams);
        *run = (struct stream){ .next = end, .length = length };
    }
    run->used = ++streams->tick;
    uint64_t ret = run->length + overtaken(streams, run, length);
    join(streams, run, length);
    return ret;
}
