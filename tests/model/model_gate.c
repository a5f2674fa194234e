/* SPDX-License-Identifier: MIT */
/* core/gate.c under a counter, as core/semaphore.c has it: takers wait, givers add and wake. */
#include "models.h"

#include <stdio.h>

enum { TAKERS = 3, GIVERS = 2, THREADS = TAKERS + GIVERS };
enum gate_state { EMPTY, SLEEPERS, UNDER_WAY };

enum place {
    TAKE,         /* ready() */
    READ_EPOCH,   /* mproc__gate_sleep() */
    ANNOUNCE,
    RECHECK,
    FALL_ASLEEP,
    ASLEEP,
    AWAKE,
    EXPECT_MORE,  /* SLEEPERS again, for the others */
    LOOK_FOR_MORE, /* mproc_semaphore_acquire(): is there more than it took? */
    GIVE,
    SEE_SLEEPERS, /* mproc__gate_wake() */
    UNDER_WAY_SET,
    NEXT_EPOCH,
    WAKE,
    DONE,
    CRASHED
};
static const char *const places[] = { "take",  "read epoch", "announce", "recheck", "fall asleep", "asleep",
                                      "awake", "expect more", "look for more", "give", "see sleepers", "under way",
                                      "next epoch", "wake", "done", "CRASHED" };

struct state {
    unsigned char value, epoch, gate;
    unsigned char taken, given;
    unsigned char crashes, mistake, patient;
    struct {
        unsigned char place, epoch, slept;
    } threads[THREADS];
};

static bool take(struct state *state, int number, enum place after, enum place otherwise)
{
    state->threads[number].place = (unsigned char) (state->value ? after : otherwise);
    state->taken += state->value != 0;
    state->value -= state->value != 0;
    return true;
}

static bool wake(struct state *state, int number, int choice)
{
    int sleepers = 0;
    for (int i = 0; i < TAKERS; i++)
        if (state->threads[i].place == ASLEEP && sleepers++ == choice) {
            state->threads[i].place = AWAKE;
            state->threads[number].place = DONE;
            return true;
        }
    if (sleepers > 0 || choice > 0)
        return false;
    state->threads[number].place = DONE;
    return true;
}

static bool go_on(struct state *state, int number, int choice)
{
    unsigned char *place = &state->threads[number].place;
    bool first = state->mistake == MISTAKE_ANNOUNCES_FIRST;
    if (*place == WAKE)
        return wake(state, number, choice);
    if (choice > 0)
        return false;
    switch ((enum place) *place) {
    case TAKE:
        return take(state, number, state->threads[number].slept ? LOOK_FOR_MORE : DONE,
                    first ? ANNOUNCE : READ_EPOCH);
    case READ_EPOCH:
        state->threads[number].epoch = state->epoch;
        *place = first ? RECHECK : ANNOUNCE;
        return true;
    case ANNOUNCE:
        state->gate = SLEEPERS;
        state->threads[number].slept = 1;
        *place = first ? READ_EPOCH : state->mistake == MISTAKE_NO_RECHECK ? FALL_ASLEEP : RECHECK;
        return true;
    case RECHECK: return take(state, number, LOOK_FOR_MORE, FALL_ASLEEP);
    case FALL_ASLEEP:
        *place = state->epoch == state->threads[number].epoch ? ASLEEP : AWAKE;
        return true;
    case ASLEEP:
        if (state->patient)
            return false;
        *place = AWAKE;
        return true;
    case AWAKE:
        *place = state->gate == UNDER_WAY ? EXPECT_MORE : TAKE;
        return true;
    case EXPECT_MORE:
        state->gate = SLEEPERS;
        *place = TAKE;
        return true;
    case LOOK_FOR_MORE:
        *place = state->value > 0 && state->mistake != MISTAKE_NO_CHAIN ? SEE_SLEEPERS : DONE;
        return true;
    case GIVE:
        state->value++;
        state->given++;
        *place = SEE_SLEEPERS;
        return true;
    case SEE_SLEEPERS:
        *place = state->gate == SLEEPERS ? UNDER_WAY_SET : DONE;
        return true;
    case UNDER_WAY_SET:
        *place = state->gate == SLEEPERS ? NEXT_EPOCH : DONE;
        if (state->gate == SLEEPERS)
            state->gate = UNDER_WAY;
        return true;
    case NEXT_EPOCH:
        state->epoch++;
        *place = WAKE;
        return true;
    default: return false;
    }
}

static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    unsigned char *place = &state->threads[number].place;
    if (*place == DONE || *place == CRASHED)
        return false;
    if (state->crashes == 0)
        return go_on(state, number, choice);
    if (choice > 0)
        return go_on(state, number, choice - 1);
    state->crashes--;
    *place = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    return state->taken + state->value != state->given ? "the counter is wrong" : NULL;
}

/* More is taken for than given: those that are left must sleep for a reason. */
static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < TAKERS; i++)
        if (state->threads[i].place == ASLEEP && state->value > 0)
            return "somebody sleeps, and there is something to take";
    return NULL;
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    printf("value %d epoch %d gate %d:", state->value, state->epoch, state->gate);
    for (int i = 0; i < THREADS; i++)
        printf(" %s,", places[state->threads[i].place]);
    printf("\n");
}

const char *model_gate(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    const struct model model = { "gate", sizeof(struct state), THREADS, step, check, check_end, print };
    struct state initial = { .crashes = (unsigned char) crashes,
                             .mistake = (unsigned char) mistake,
                             .patient = patient };
    for (int i = TAKERS; i < THREADS; i++)
        initial.threads[i].place = GIVE;
    return explore(&model, &initial, verbose, states);
}
