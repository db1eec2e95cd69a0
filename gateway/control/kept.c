/* kept.c - what was the last refusal, and the last answer of a filter's verb?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "../gateway.h"
#include "../scope.h"
#include "answer.h"

/* One list for the process, as there is one list of exports: sentences must outlive the
 * connection that caused them, and are few. */
struct kept {
    struct kept *next;
    enum kept_kind kind;
    char *export, *label, *text;
};
static struct kept *all;
/* Guards `all`; a leaf: nothing is taken under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void destroy(struct kept *kept)
{
    if (!kept)
        return;
    free(kept->export);
    free(kept->label);
    free(kept->text);
    free(kept);
}

static struct kept *create(enum kept_kind kind, const char *export, const char *label,
                           const char *text)
{
    struct kept *kept = calloc(1, sizeof(*kept));

    if (!kept)
        return NULL;
    *kept = (struct kept){ NULL, kind, strdup(export), strdup(label), strdup(text) };
    if (kept->export && kept->label && kept->text)
        return kept;
    destroy(kept);
    return NULL;
}

static struct kept **find(enum kept_kind kind, const char *export, const char *label)
{
    struct kept **at = &all;

    while (*at && ((*at)->kind != kind || strcmp((*at)->export, export) != 0 ||
                   strcmp((*at)->label, label) != 0))
        at = &(*at)->next;
    return at;
}

/* What belongs to exports that are gone would pile up. */
static void forget_gone(struct export *const *exports)
{
    for (struct kept **at = &all; *at;) {
        bool gone = true;
        for (size_t i = 0; exports[i] && gone; i++)
            gone = strcmp(export_name(exports[i]), (*at)->export) != 0;
        if (gone) {
            struct kept *dead = *at;
            *at = dead->next;
            destroy(dead);
        } else {
            at = &(*at)->next;
        }
    }
}

void kept_set(enum kept_kind kind, const char *export, const char *label, const char *text)
{
    struct kept *kept = text ? create(kind, export, label, text) : NULL;
    struct export **exports = gateway_list();

    pthread_mutex_lock(&lock);
    struct kept **at = find(kind, export, label);
    struct kept *old = *at;
    if (old)
        *at = old->next;
    if (exports)
        forget_gone(exports);
    if (kept) {
        kept->next = all;
        all = kept;
    }
    pthread_mutex_unlock(&lock);
    destroy(old);
    gateway_put_list(exports);
}

void kept_print(enum kept_kind kind, const char *export, const char *label, struct weir_text *text)
{
    hold_lock(&lock);
    const struct kept *kept = *find(kind, export, label);

    if (kept)
        weir_print(text, "%s", kept->text);
}

void kept_forget_all(void)
{
    hold_lock(&lock);

    while (all) {
        struct kept *kept = all;
        all = kept->next;
        destroy(kept);
    }
}
