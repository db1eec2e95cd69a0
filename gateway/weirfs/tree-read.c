/* tree-read.c - what is the text of a file that no single gateway has?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"
#include "policy.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int take(struct weir_text *t, char **text, size_t *size)
{
    if (t->cut)
        return -ENOMEM;
    *size = t->length;
    *text = text_take(t);
    return *text ? 0 : -ENOMEM;
}

static int add_gateway(struct metrics *m, struct peer *p, struct weir_text *up)
{
    cleanup_free char *text = NULL;
    size_t size;
    int error = peer_get(p, "metrics", &text, &size);

    weir_print(up, "weir_gateway_up{gateway=\"%s\"} %d\n", peer_name(p), !error);
    return error ? 0 : metrics_add(m, peer_name(p), text);
}

static int read_metrics(char **text, size_t *size)
{
    cleanup_text struct weir_text t = { 0 };
    struct peer **list = peers_list();
    struct metrics *m = metrics_create();
    int error = list && m ? 0 : -ENOMEM;

    weir_print(&t, "# HELP weir_gateway_up Whether the gateway answers.\n"
                   "# TYPE weir_gateway_up gauge\n");
    for (size_t i = 0; !error && list[i]; i++)
        error = add_gateway(m, list[i], &t);
    if (!error) {
        metrics_print(m, &t);
        error = take(&t, text, size);
    }
    metrics_destroy(m);
    peers_put(list);
    return error;
}

/* The exports of all gateways that use a filter, one a line. */
static int read_users(const char *path, char **text, size_t *size)
{
    cleanup_text struct weir_text t = { 0 };
    struct peer **list = peers_list();

    for (size_t i = 0; list && list[i]; i++) {
        cleanup_free char *one = NULL;
        size_t length;
        if (peer_get(list[i], path, &one, &length) == 0 && strcmp(one, "none\n") != 0)
            text_append(&t, one, length);
    }
    peers_put(list);
    if (!t.length)
        weir_print(&t, "none\n");
    return take(&t, text, size);
}

static int read_state(struct peer *p, char **text, size_t *size)
{
    peer_ping(p);
    int length = asprintf(text, "%s\n", peer_state_name(peer_state(p)));

    *size = (size_t)length;
    return length < 0 ? -ENOMEM : 0;
}

int node_read(const struct node *node, char **text, size_t *size)
{
    switch (node->kind) {
    case NODE_VALUE:
    case NODE_POLICY:
        return peer_get(node->peer, node->path, text, size);
    case NODE_METRICS:
        return read_metrics(text, size);
    case NODE_LAST_ERROR:
        return last_error_read(text, size);
    case NODE_STATE:
        return read_state(node->peer, text, size);
    case NODE_USERS:
        return read_users(node->path, text, size);
    case NODE_FOLDER:
    case NODE_EVENTS:
        break;
    }
    return -EISDIR;
}
