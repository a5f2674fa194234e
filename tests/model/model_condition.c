/* SPDX-License-Identifier: MIT */
/* core/condition.c: places, notifying one of two that wait, and passing on what a dead one was told. */
#include "models.h"

#include <stdio.h>

enum { WAITERS = 2, NOTIFIER = WAITERS, THREADS = WAITERS + 1 };
enum place_state { IDLE, WAITING, ASLEEP_STATE, NOTIFIED };

enum place {
    SAY_ASLEEP,    /* sleep_at(): WAITING to ASLEEP */
    READ_STATE,
    FALL_ASLEEP,   /* mproc_plat_park() on the place's own word */
    ASLEEP,
    SWEEP,         /* sweep(): a dead one's NOTIFIED to IDLE */
    PASS_ON,       /* notify_one() */
    PASS_ON_WAKE,
    LEAVE,         /* leave() */
    RETURNED,
    NOTIFY,        /* notify_one() of the notifier */
    NOTIFY_WAKE,   /* wake(), when it has released the lock */
    DONE,
    CRASHED
};
static const char *const places[] = { "say asleep", "read state", "fall asleep", "asleep", "sweep", "pass on",
                                      "pass on: wake", "leave", "returned", "notify", "notify: wake", "done",
                                      "CRASHED" };

struct state {
    unsigned char crashes, mistake, patient;
    unsigned char notified; /* notifications given by the notifier */
    unsigned char returned;
    unsigned char waiter_died;
    struct {
        unsigned char place, seen, target, after;
        unsigned char word; /* of its place in the condition */
    } threads[THREADS];
};

/* Marks the first that waits, in order of tickets; the wake-up is the next step if it says that it sleeps. */
static void notify_one(struct state *state, int number, enum place wake, enum place after)
{
    state->threads[number].place = (unsigned char) after;
    for (int i = 0; i < WAITERS; i++) {
        unsigned char word = state->threads[i].word;
        if (word != WAITING && word != ASLEEP_STATE)
            continue;
        state->threads[i].word = NOTIFIED;
        state->threads[number].target = (unsigned char) i;
        if (word == ASLEEP_STATE)
            state->threads[number].place = (unsigned char) wake;
        return;
    }
}

static void wake(struct state *state, int number, enum place after)
{
    int target = state->threads[number].target;
    if (state->threads[target].place == ASLEEP)
        state->threads[target].place = READ_STATE;
    state->threads[number].place = (unsigned char) after;
}

static bool sweep(struct state *state, int number)
{
    for (int i = 0; i < WAITERS; i++) {
        if (state->threads[i].word != NOTIFIED || state->threads[i].place != CRASHED)
            continue;
        state->threads[i].word = IDLE;
        state->threads[number].place = state->mistake == MISTAKE_KEEPS_NOTIFICATION ? READ_STATE : PASS_ON;
        return true;
    }
    state->threads[number].place = READ_STATE;
    return true;
}

static bool go_on(struct state *state, int number)
{
    unsigned char *place = &state->threads[number].place, *word = &state->threads[number].word;
    switch ((enum place) *place) {
    case SAY_ASLEEP:
        if (*word == WAITING)
            *word = ASLEEP_STATE;
        *place = READ_STATE;
        return true;
    case READ_STATE:
        state->threads[number].seen = *word;
        *place = *word == NOTIFIED ? LEAVE : FALL_ASLEEP;
        return true;
    case FALL_ASLEEP:
        *place = *word == state->threads[number].seen ? ASLEEP : READ_STATE;
        return true;
    case ASLEEP:
        if (state->patient)
            return false;
        *place = SWEEP;
        return true;
    case SWEEP: return sweep(state, number);
    case PASS_ON:
        notify_one(state, number, PASS_ON_WAKE, READ_STATE);
        return true;
    case PASS_ON_WAKE:
        wake(state, number, READ_STATE);
        return true;
    case LEAVE:
        *word = IDLE;
        *place = RETURNED;
        state->returned++;
        return true;
    case NOTIFY:
        state->notified++;
        if (state->mistake == MISTAKE_MARKS_AFTER_WAKING) {
            wake(state, number, NOTIFY_WAKE); /* before the mark */
            return true;
        }
        notify_one(state, number, NOTIFY_WAKE, DONE);
        return true;
    case NOTIFY_WAKE:
        if (state->mistake == MISTAKE_MARKS_AFTER_WAKING)
            notify_one(state, number, DONE, DONE);
        else
            wake(state, number, DONE);
        return true;
    default: return false;
    }
}

static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    unsigned char *place = &state->threads[number].place;
    if (*place == RETURNED || *place == DONE || *place == CRASHED)
        return false;
    if (state->crashes == 0 || number == NOTIFIER)
        return choice == 0 && go_on(state, number);
    if (choice > 0)
        return choice == 1 && go_on(state, number);
    state->crashes--;
    state->waiter_died = 1;
    *place = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    return state->returned > state->notified ? "more returned than were notified" : NULL;
}

/* With slices a sleeper always has a step, so this is asked of every state where only sleepers have one. */
static const char *all_quiet(const struct state *state)
{
    if (state->threads[NOTIFIER].place != DONE || state->returned > 0)
        return NULL;
    bool lost = false, sleeps = false;
    for (int i = 0; i < WAITERS; i++) {
        sleeps |= state->threads[i].place == ASLEEP;
        if (state->threads[i].place != ASLEEP && state->threads[i].place != CRASHED)
            return NULL; /* it is still on its way */
        lost |= state->threads[i].place == CRASHED && state->threads[i].word == NOTIFIED;
    }
    return sleeps && !lost ? "a notification was given, and nobody has it or can get it" : NULL;
}

static const char *check_quiet(const void *bytes)
{
    const char *wrong = check(bytes);
    return wrong ? wrong : all_quiet(bytes);
}

static const char *check_end(const void *bytes)
{
    return all_quiet(bytes);
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < THREADS; i++)
        printf(" %s (%d),", places[state->threads[i].place], state->threads[i].word);
    printf("\n");
}

const char *model_condition(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    const struct model model = { "condition", sizeof(struct state), THREADS, step, check_quiet, check_end, print };
    struct state initial = { .crashes = (unsigned char) crashes,
                             .mistake = (unsigned char) mistake,
                             .patient = patient };
    for (int i = 0; i < WAITERS; i++)
        initial.threads[i].word = WAITING;
    initial.threads[NOTIFIER].place = NOTIFY;
    return explore(&model, &initial, verbose, states);
}
