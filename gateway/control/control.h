/* control.h - how do weirfs, weirctl and other programs talk to a running gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A Unix stream socket, RUN/ctl/GATEWAY.sock, mode 0660.  One request is one line of
 * JSON, its answer is one line of JSON; lines end with \n and are at most CONTROL_LINE
 * bytes, answers CONTROL_ANSWER.  Requests of one connection are answered in order; a
 * line once begun must end within CONTROL_TIMEOUT_MS.
 *
 *   {"op":"list","path":P}             {"ok":true,"names":[{"name":N,"writable":B,
 *                                                           "kind":"folder"|"file"},…]}
 *   {"op":"get","path":P}              {"ok":true,"text":T}
 *   {"op":"set","path":P,"text":T}     {"ok":true}           one value, or a whole policy
 *   {"op":"check","path":P,"text":T}   {"ok":true}           the same without doing it;
 *                                      "keep":true: a refusal that more text cannot cure
 *                                      is kept as last_error, as one of set is
 *   {"op":"remove","path":P}           {"ok":true}           policies/NAME
 *   {"op":"show"[,"export":E]}         {"ok":true,"gateway":{…},"exports":[…],"filters":[…],…}
 *   {"op":"events","after":N,"wait_ms":W} {"ok":true,"last":N,"lines":[…]}
 *   {"op":"do","verb":V,…}             {"ok":true,"text":T}  reload, open, close, grow, …
 *
 * An error: {"ok":false,"errno":"EINVAL","message":T,"file":F,"line":L,"column":C,"at_end":B,
 *   "mistakes":[{"file","line","column","word","sentence"},…]}
 * where all but errno and message may be missing.  The message is complete: it has the
 * place in it, "FILE:LINE:COLUMN: error: …", a line for each mistake; the members repeat
 * the place of the first for programs.  P are the paths of the mount
 * (DESIGN section 5): the gateway itself says what the tree holds.
 *
 * What "show" answers; times are ns, counts are since the export was made, an op that
 * never ran may be missing, and "export":E leaves out the other exports:
 *
 *   "gateway":   {"name","pid","version","uptime_s"}
 *   "exports":   [{"name","description","state","reason","compliance","compliance_reason",
 *                  "policy","datastore","image","uri","size_bytes","read_only","connections",
 *                  "in_flight","waiting","generation","last_pause_ns","longest_pause_ns",
 *                  "hold_limit_ns","last_error",
 *                  "ops":OPS,"store":OPS,"store_stats":{NAME:TEXT,…},
 *                  "filters":[{"place":"10-pass","label","name","class","version","held",
 *                              "oldest_hold_ns","longest_hold_ns","bypassed","ops":OPS,
 *                              "options":{NAME:TEXT,…},"stats":{NAME:TEXT,…},
 *                              "histograms":{NAME:H,…}},…]},…]
 *                 stats and store_stats leave out those of kind text: "get" …/stats/NAME;
 *                 histograms has those of that kind once more, in their own unit
 *   "filters":   [{"name","class","version","abi","path","description","drift",
 *                 "exports":[E,…]},…]
 *   "policies":  [{"name","description","file","exports":[E,…]},…]
 *   "datastores":[{"name","type","path","size_bytes","free_bytes","exports":[E,…]},…]
 *   OPS: {"read":{"requests","bytes","passed","completed","failed","deferred","derived",
 *                 "derived_bytes","here":H,"below":H},…}
 *   H:   {"count","sum","p50","p90","p99","p999","max","buckets":[[INDEX,COUNT],…]}
 *        the buckets of struct weir_histogram that counted, ascending: a client can
 *        subtract two readings
 *
 * Exports that are there because a client asked for them (BASE@POINT) are among "exports"; close
 * takes one out.  The verbs of "do"; all of these but reload take "export":E:
 *
 *   reload · open · close · unlock · stun "limit_ms":N (60000: then it ends by itself) ·
 *   unstun · lock "reason":T · grow "size":BYTES or "20G" · snapshot "name":N ·
 *   clone "name":N · migrate "name":N · assign "policy":P · delete-check (asks the filters,
 *   nothing happens)
 *
 * And these take "filter":F: filter-prepare "package":ID (would it do? nothing happens) ·
 * filter-upgrade (go over to what is installed, all exports or none; T has a line for each,
 * EXPORT, from, to, ns paused, with tabs between) · filter-release ["check":true] (EBUSY while
 * anything names it; else it is forgotten, unless it was only asked)
 *
 * A filter's own verbs are written to its ctl file: "set" exports/E/filters/NN-NAME/ctl, a
 * store's to exports/E/store/ctl. */
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    CONTROL_LINE = 4 << 20,    /* the longest request */
    CONTROL_ANSWER = 64 << 20, /* the longest answer: `show` of a thousand exports */
    CONTROL_TIMEOUT_MS = 10000,
};

/* ---- the gateway's end ------------------------------------------------------- */

int control_start(void);         /* after fork: makes the socket, starts its threads */
void control_stop(void);         /* removes the socket, ends the threads; safe when not started */
void control_tls_required(bool); /* before control_start(): URIs of exports say nbds */

/* Answers one request line: what the server's threads and the fuzzer call.  The
 * caller frees the result, which ends with \n; NULL: no memory. */
char *control_answer(const char *line, size_t length);

/* ---- the clients' end -------------------------------------------------------- */

struct json_object;
struct control; /* a connection */

/* Connects to RUN/ctl/GATEWAY.sock.  0; -ECONNREFUSED or -ENOENT where nobody serves. */
int control_connect(const char *run, const char *gateway, struct control **ret);
/* The same where a full backlog may take `timeout_ms` at most: -ETIMEDOUT. */
int control_connect_within(const char *run, const char *gateway, int timeout_ms,
                           struct control **ret);
void control_close(struct control *); /* NULL is fine */
/* Sends `request` (still the caller's) and waits for the answer, at most `timeout_ms`.
 * 0 and *answer (json_object_put() it), or -ESHUTDOWN when the gateway went away,
 * -ETIMEDOUT.  An answer with "ok":false is 0 here: control_error() reads it. */
int control_call(struct control *, struct json_object *request, int timeout_ms,
                 struct json_object **answer);
/* The negative errno of an answer: 0 for "ok":true; *message points into it or is "". */
int control_error(struct json_object *answer, const char **message);

/* The common calls.  0 or -errno; *message (may be NULL) is malloc'ed at errors. */
int control_get(struct control *, const char *path, char **text, size_t *size, char **message);
int control_set(struct control *, const char *path, const char *text, size_t size, char **message);

/* The names of the gateways that have a socket under RUN, living or dead, sorted, ends
 * with NULL; one free(). */
char **control_gateways(const char *run);

#endif
