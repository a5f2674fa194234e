/* SPDX-License-Identifier: MIT */
/* core/latch.c with core/sentry.c: taking, sleeping, giving back, and taking over from a dead holder. */
#include "models.h"

#include <stdio.h>

enum { THREADS = 3, SLEEPERS = 0x80, DEAD = 0x40, HOLDER = 0x3f };

enum place {
    TRY,          /* mproc__latch_try() */
    LOOK,         /* wait_for(): reads the word */
    TAKE,         /* take() */
    MARK,         /* sleep_a_slice(): SLEEPERS */
    FALL_ASLEEP,  /* mproc_plat_park(): the kernel compares and queues in one step */
    ASLEEP,
    FIND_SENTRY,  /* mproc__sentry_again() */
    BE_SENTRY,
    FIND_HOLDER,  /* disown() */
    DISOWN,
    LEAVE,        /* mproc__sentry_end() */
    HAND_ON,      /* and the wake-up for the next sentry */
    INSIDE,
    GIVE_BACK,    /* mproc__latch_give_back() */
    WAKE,
    DONE,
    CRASHED
};
static const char *const places[] = { "try",    "look",   "take",    "mark",   "fall asleep", "asleep",
                                      "find sentry", "be sentry", "find holder", "disown", "leave", "hand on",
                                      "inside", "give back", "wake", "done", "CRASHED" };

struct thread {
    unsigned char place, seen, is_sentry, slices, rounds;
};

struct state {
    unsigned char word;    /* number of the holder + 1, or 0, and the marks */
    unsigned char sentry;  /* number + 1 */
    unsigned char crashes; /* how many may still happen */
    unsigned char deaths;  /* of holders */
    unsigned char told;    /* MPROC_OWNERDEAD */
    unsigned char mistake, patient;
    struct thread threads[THREADS];
};

static bool is_dead(const struct state *state, int number)
{
    return number > 0 && number <= THREADS && state->threads[number - 1].place == CRASHED;
}

/* Wakes the choice-th sleeper, or nobody if none sleeps; then the thread goes on at `next`. */
static bool wake(struct state *state, struct thread *thread, int choice, enum place next)
{
    int sleepers = 0;
    for (int i = 0; i < THREADS; i++) {
        if (state->threads[i].place != ASLEEP || sleepers++ != choice)
            continue;
        state->threads[i].place = LOOK;
        state->threads[i].slices = 0; /* mproc__sentry_woken() */
        thread->place = (unsigned char) next;
        return true;
    }
    if (sleepers > 0 || choice > 0)
        return false;
    thread->place = (unsigned char) next;
    return true;
}

static void take(struct state *state, struct thread *thread, unsigned char me, unsigned char marks)
{
    state->told += (state->word & DEAD) != 0;
    state->word = me | marks | (state->word & DEAD);
    thread->place = thread->is_sentry ? LEAVE : INSIDE;
}

/* While a sentry lives the slices of the others are too long to count on. */
static bool slice_ends(const struct state *state, const struct thread *thread)
{
    bool watched = state->sentry && !is_dead(state, state->sentry);
    return !state->patient && (thread->is_sentry || thread->slices == 0 || !watched);
}

static bool go_on(struct state *state, int number, int choice)
{
    struct thread *thread = &state->threads[number];
    unsigned char me = (unsigned char) (number + 1), word = state->word;
    if (thread->place == HAND_ON)
        return word & SLEEPERS || choice > 0 ? wake(state, thread, choice, INSIDE)
                                             : (thread->place = INSIDE, true);
    enum place next = thread->rounds > 0 ? TRY : DONE;
    if (thread->place == WAKE) {
        bool possible = wake(state, thread, choice, next);
        thread->rounds -= possible && thread->rounds > 0;
        return possible;
    }
    if (choice > 0)
        return false;
    switch ((enum place) thread->place) {
    case TRY:
        thread->place = LOOK;
        if (word == 0)
            take(state, thread, me, 0);
        return true;
    case LOOK:
        thread->seen = word;
        thread->place = (word & HOLDER) == 0 ? TAKE : word & SLEEPERS ? FALL_ASLEEP : MARK;
        return true;
    case TAKE:
        thread->place = LOOK;
        if (word == thread->seen)
            take(state, thread, me, state->mistake == MISTAKE_FORGETS_SLEEPERS ? 0 : SLEEPERS);
        return true;
    case MARK:
        thread->place = word == thread->seen ? FALL_ASLEEP : LOOK;
        if (word == thread->seen)
            state->word = thread->seen = word | SLEEPERS;
        return true;
    case FALL_ASLEEP:
        thread->place = word == thread->seen ? ASLEEP : LOOK;
        return true;
    case ASLEEP:
        if (!slice_ends(state, thread))
            return false;
        thread->place = FIND_SENTRY;
        return true;
    case FIND_SENTRY:
        thread->slices = 1;
        thread->seen = state->sentry;
        thread->place = !thread->is_sentry && (thread->seen == 0 || is_dead(state, thread->seen)) ? BE_SENTRY
                                                                                                 : FIND_HOLDER;
        return true;
    case BE_SENTRY:
        if (state->sentry == thread->seen) {
            state->sentry = me;
            thread->is_sentry = 1;
        }
        thread->place = FIND_HOLDER;
        return true;
    case FIND_HOLDER:
        thread->seen = word;
        thread->place = is_dead(state, word & HOLDER) ? DISOWN : LOOK;
        return true;
    case DISOWN:
        if (word == thread->seen || state->mistake == MISTAKE_STORES_BLINDLY)
            state->word = DEAD | (thread->seen & SLEEPERS);
        thread->place = LOOK;
        return true;
    case LEAVE:
        if (state->mistake != MISTAKE_SENTRY_STAYS)
            state->sentry = 0;
        thread->is_sentry = 0;
        thread->place = HAND_ON;
        return true;
    case INSIDE:
        thread->place = GIVE_BACK;
        return true;
    case GIVE_BACK: /* called consistent before, if it was told */
        state->word = 0;
        thread->place = WAKE;
        if (!(word & SLEEPERS)) {
            thread->place = (unsigned char) next;
            thread->rounds -= thread->rounds > 0;
        }
        return true;
    default: return false;
    }
}

static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    struct thread *thread = &state->threads[number];
    if (thread->place == DONE || thread->place == CRASHED)
        return false;
    if (state->crashes == 0)
        return go_on(state, number, choice);
    if (choice > 0)
        return go_on(state, number, choice - 1);
    state->crashes--;
    state->deaths += (state->word & HOLDER) == number + 1;
    thread->place = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    int inside = 0;
    for (int i = 0; i < THREADS; i++)
        inside += state->threads[i].place >= LEAVE && state->threads[i].place <= GIVE_BACK;
    if (inside > 1)
        return "two hold the lock";
    return state->told > state->deaths ? "MPROC_OWNERDEAD more often than holders died" : NULL;
}

static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < THREADS; i++)
        if (state->threads[i].place != DONE && state->threads[i].place != CRASHED)
            return "somebody waits for ever";
    int untold = is_dead(state, state->word & HOLDER) || state->word & DEAD;
    return state->told + untold != state->deaths ? "a holder's death was never told" : NULL;
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    printf("word %02x sentry %d:", state->word, state->sentry);
    for (int i = 0; i < THREADS; i++)
        printf(" %s%s,", places[state->threads[i].place], state->threads[i].is_sentry ? " (sentry)" : "");
    printf("\n");
}

const char *model_latch(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    const struct model model = { "latch", sizeof(struct state), THREADS, step, check, check_end, print };
    struct state initial = { .crashes = (unsigned char) crashes,
                                   .mistake = (unsigned char) mistake,
                                   .patient = patient };
    initial.threads[0].rounds = 1; /* comes back once more */
    return explore(&model, &initial, verbose, states);
}
