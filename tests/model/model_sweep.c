/* SPDX-License-Identifier: MIT */
/* core/loans.c: an entry of the table whose first owner gives it up or dies, a second process that claims it and
 * puts its item, and a sweep that takes what the dead have. */
#include "models.h"

#include <stdio.h>

enum { FIRST, SECOND, SWEEPER, THREADS, NOBODY = THREADS };

enum place {
    DROP,        /* mproc__loan_drop(): the item goes */
    GIVE_UP,     /* mproc__loan_set_owner(0) */
    CLAIM,       /* mproc__loan_claim() */
    WRITE,       /* its own item is in the entry */
    READ_OWNER,  /* is_of_the_dead() */
    ASK,         /* mproc__token_alive() */
    READ_AGAIN,
    TAKE_ITEM,   /* mproc__loan_drop() of what the dead one had */
    TAKE_ENTRY,
    DONE,
    CRASHED
};
static const char *const places[] = { "drop", "give up", "claim",      "write", "read owner", "ask", "read again",
                                      "take item", "take entry", "done", "CRASHED" };

struct state {
    unsigned char crashes, mistake;
    unsigned char owner, item; /* of the entry: a thread, or NOBODY */
    unsigned char seen, rounds; /* of the sweeper */
    unsigned char robbed;      /* a living one's item was taken */
    unsigned char places[THREADS];
};

static void sweep_step(struct state *state)
{
    unsigned char *place = &state->places[SWEEPER];
    switch ((enum place) *place) {
    case READ_OWNER:
        state->seen = state->owner;
        *place = state->owner == NOBODY ? DONE : ASK;
        break;
    case ASK:
        if (state->places[state->seen] != CRASHED)
            *place = DONE;
        else
            *place = state->mistake == MISTAKE_ASKS_ONCE ? TAKE_ITEM : READ_AGAIN;
        break;
    case READ_AGAIN: *place = state->owner == state->seen ? TAKE_ITEM : DONE; break;
    case TAKE_ITEM:
        state->robbed = state->item == SECOND && state->places[SECOND] != CRASHED;
        state->item = NOBODY;
        *place = TAKE_ENTRY;
        break;
    default:
        state->owner = NOBODY;
        *place = DONE;
    }
    if (*place == DONE && state->rounds > 0) {
        state->rounds--;
        *place = READ_OWNER;
    }
}

static bool go_on(struct state *state, int number)
{
    unsigned char *place = &state->places[number];
    if (number == SWEEPER) {
        sweep_step(state);
        return true;
    }
    switch ((enum place) *place) {
    case CLAIM:
        if (state->owner != NOBODY)
            return false; /* it takes another entry */
        state->owner = SECOND;
        *place = WRITE;
        return true;
    case WRITE:
        state->item = SECOND;
        *place = DROP;
        return true;
    case DROP:
        state->item = NOBODY;
        *place = GIVE_UP;
        return true;
    default:
        state->owner = NOBODY;
        *place = DONE;
        return true;
    }
}

/* Whoever is done may die as well: a process goes on. */
static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    unsigned char *place = &state->places[number];
    bool over = *place == DONE || *place == CRASHED;
    if (state->crashes == 0 || *place == CRASHED || number == SWEEPER)
        return choice == 0 && !over && go_on(state, number);
    if (choice > 0)
        return choice == 1 && !over && go_on(state, number);
    state->crashes--;
    *place = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    if (state->robbed)
        return "the sweep took a living one's item";
    bool has = state->places[SECOND] == WRITE || state->places[SECOND] == DROP || state->places[SECOND] == GIVE_UP;
    return has && state->owner != SECOND ? "the sweep took a living one's entry" : NULL;
}

static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    bool left = state->owner != NOBODY && state->places[state->owner] == CRASHED && state->rounds > 0;
    return left ? "what a dead one had was left" : check(bytes);
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < THREADS; i++)
        printf(" %s,", places[state->places[i]]);
    printf(" owner %d, item %d\n", state->owner, state->item);
}

const char *model_sweep(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    const struct model model = { "sweep", sizeof(struct state), THREADS, step, check, check_end, print };
    struct state initial = { .crashes = (unsigned char) crashes,
                             .mistake = (unsigned char) mistake,
                             .owner = FIRST,
                             .item = FIRST,
                             .rounds = patient ? 0 : 2,
                             .places = { DROP, CLAIM, READ_OWNER } };
    return explore(&model, &initial, verbose, states);
}
