/* turn.h - who may change a policy now, when two want to?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A turn is held while gateways are asked, which may take seconds; that is why it is
 * not a lock, and each path has its own. */
#ifndef WEIRFS_TURN_H
#define WEIRFS_TURN_H

struct turn {
    const char *path;
    struct turn *next;
};

void turn_begin(struct turn *, const char *path); /* waits for others of this path */
void turn_end(struct turn *);

static inline struct turn *turn_started(struct turn *turn, const char *path)
{
    turn_begin(turn, path);
    return turn;
}

static inline void turn_ended(struct turn **turn)
{
    turn_end(*turn);
}

/* Holds the turn until the end of the enclosing block. */
#define hold_turn(path)                                                                            \
    struct turn turn_;                                                                             \
    __attribute__((cleanup(turn_ended), unused)) struct turn *turn_held_ =                         \
        turn_started(&turn_, (path))

#endif
