/* SPDX-License-Identifier: MIT */
/* core/gate.c, under a counter as core/semaphore.c has it: takers wait, the last one with a deadline, givers add and
 * wake one; and under what is true for all, as in core/event.c: two wait for the next time it is set, the first of
 * them twice, and who sets it wakes all. A late waker comes from an object that was here before, and is in the middle
 * of waking one, or all. */
#include "models.h"

#include <stdio.h>

enum { TAKERS = 3, GIVERS = 2, THREADS = TAKERS + GIVERS, WITH_DEADLINE = 2 };
enum gate_state { EMPTY, SLEEPERS, UNDER_WAY };

enum place {
    BEGIN,        /* mproc_event_wait(): how often it was set before */
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
    SEE_SLEEPERS, /* mproc__gate_wake(), mproc__gate_wake_all() */
    UNDER_WAY_SET,
    EMPTY_SET,
    NEXT_EPOCH,
    WAKE,
    DONE,
    CRASHED
};
static const char *const places[] = { "begin", "take", "read epoch", "announce", "recheck", "fall asleep", "asleep",
                                      "awake", "expect more", "look for more", "give", "see sleepers", "under way",
                                      "empty", "next epoch", "wake", "done", "CRASHED" };

struct state {
    unsigned char value, epoch, gate;
    unsigned char taken, given;
    unsigned char crashes, mistake, patient;
    unsigned char all;    /* who is woken; then `value` is how often it was set */
    struct {
        unsigned char place, epoch, slept, before, rounds;
        unsigned char wakes_all;
    } threads[THREADS];
};

static bool is_ready(const struct state *state, int number)
{
    return state->all ? state->value != state->threads[number].before : state->value > 0;
}

static bool take(struct state *state, int number, enum place after, enum place otherwise)
{
    bool ready = is_ready(state, number);
    state->threads[number].place = (unsigned char) (ready ? after : otherwise);
    if (ready && state->all) {
        state->threads[number].slept = 0;
        state->threads[number].place = state->threads[number].rounds-- > 0 ? BEGIN : DONE;
    } else if (ready) {
        state->taken++;
        state->value--;
    }
    return true;
}

static bool wake(struct state *state, int number, int choice)
{
    int sleepers = 0;
    if (state->threads[number].wakes_all) {
        for (int i = 0; i < TAKERS; i++)
            if (state->threads[i].place == ASLEEP)
                state->threads[i].place = AWAKE;
        state->threads[number].place = state->mistake == MISTAKE_EMPTIES_LATE ? EMPTY_SET : DONE;
        return choice == 0;
    }
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

static bool take_or_sleep(struct state *state, int number, int choice)
{
    unsigned char *place = &state->threads[number].place;
    bool first = state->mistake == MISTAKE_ANNOUNCES_FIRST;
    if (choice == 1 && *place == TAKE && number == WITH_DEADLINE && !is_ready(state, number)) {
        *place = DONE; /* too late */
        return true;
    }
    if (choice > 0)
        return false;
    switch ((enum place) *place) {
    case BEGIN:
        state->threads[number].before = state->value;
        *place = first ? ANNOUNCE : READ_EPOCH;
        return true;
    case TAKE:
        return take(state, number, state->threads[number].slept ? LOOK_FOR_MORE : DONE, first ? ANNOUNCE : READ_EPOCH);
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
    default: return false;
    }
}

static bool go_on(struct state *state, int number, int choice)
{
    unsigned char *place = &state->threads[number].place;
    if (*place == WAKE)
        return wake(state, number, choice);
    if (*place < GIVE)
        return take_or_sleep(state, number, choice);
    if (choice > 0)
        return false;
    switch ((enum place) *place) {
    case GIVE:
        state->value++;
        state->given++;
        *place = SEE_SLEEPERS;
        return true;
    case SEE_SLEEPERS:
        if (state->threads[number].wakes_all)
            *place = state->gate == EMPTY ? DONE : state->mistake == MISTAKE_EMPTIES_LATE ? NEXT_EPOCH : EMPTY_SET;
        else
            *place = state->gate == SLEEPERS ? UNDER_WAY_SET : DONE;
        return true;
    case UNDER_WAY_SET:
        *place = state->gate == SLEEPERS ? NEXT_EPOCH : DONE;
        if (state->gate == SLEEPERS)
            state->gate = UNDER_WAY;
        return true;
    case EMPTY_SET:
        state->gate = EMPTY;
        *place = state->mistake == MISTAKE_EMPTIES_LATE ? DONE : NEXT_EPOCH;
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
    if (!model_crash(&state->crashes, &choice))
        return go_on(state, number, choice);
    *place = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    return !state->all && state->taken + state->value != state->given ? "the counter is wrong" : NULL;
}

/* More is taken for than given: those that are left must sleep for a reason. */
static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < TAKERS; i++)
        if (state->threads[i].place == ASLEEP && is_ready(state, i))
            return "somebody sleeps, and what it waits for is there";
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

static const char *explore_gate(struct state initial, bool verbose, size_t *states)
{
    const struct model model = { "gate", sizeof(struct state), THREADS, step, check, check_end, print };
    return explore(&model, &initial, verbose, states);
}

static struct state initial_state(enum mistake mistake, int crashes, bool patient, bool all)
{
    struct state initial = { .crashes = (unsigned char) crashes,
                             .mistake = (unsigned char) mistake,
                             .patient = patient,
                             .all = all };
    initial.threads[0].rounds = all;
    for (int i = 0; i < THREADS; i++) {
        initial.threads[i].place = i >= TAKERS ? GIVE : !all ? TAKE : i == WITH_DEADLINE ? DONE : BEGIN;
        initial.threads[i].wakes_all = all;
    }
    return initial;
}

const char *model_gate(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    return explore_gate(initial_state(mistake, crashes, patient, false), verbose, states);
}

const char *model_gate_all(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    return explore_gate(initial_state(mistake, crashes, patient, true), verbose, states);
}

/* With a waker that gives nothing, at each of its steps, beside one that does. */
static const char *explore_late(struct state initial, bool verbose, size_t *states)
{
    static const struct {
        unsigned char place, wakes_all;
    } late[] = { { SEE_SLEEPERS, 0 }, { UNDER_WAY_SET, 0 }, { SEE_SLEEPERS, 1 }, { EMPTY_SET, 1 },
                 { NEXT_EPOCH, 0 },   { NEXT_EPOCH, 1 },    { WAKE, 0 },         { WAKE, 1 } };
    const char *wrong = NULL;
    size_t all = 0;
    for (size_t i = 0; i < sizeof late / sizeof late[0] && !wrong; i++) {
        initial.threads[THREADS - 1].place = late[i].place;
        initial.threads[THREADS - 1].wakes_all = late[i].wakes_all;
        wrong = explore_gate(initial, verbose, states);
        all += *states;
    }
    *states = all;
    return wrong;
}

const char *model_gate_late(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    return explore_late(initial_state(mistake, crashes, patient, false), verbose, states);
}

const char *model_gate_all_late(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    return explore_late(initial_state(mistake, crashes, patient, true), verbose, states);
}
