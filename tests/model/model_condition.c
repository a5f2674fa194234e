/* SPDX-License-Identifier: MIT */
/* core/condition.c: two wait, the second of them with a deadline, one comes late, one notifies once or twice. Each
 * has a place; who is killed with a notification leaves it to others. The lock is one step here: core/latch.c has
 * a model of its own. */
#include "models.h"

#include <stdio.h>

enum { WAITERS = 3, NOTIFIER = WAITERS, THREADS, PLACES = 3, WITH_DEADLINE = 1, LATE = 2, NOBODY = THREADS };
enum place_state { IDLE, WAITING, ASLEEP, NOTIFIED, STATES };

/* What a thread does next: one access to shared memory each. */
enum at {
    TAKE_LOCK,       /* the late one's */
    READ_OWNER,      /* claim() */
    CLAIM,
    SEE_USE,         /* begin_use() */
    PASS_ON,         /* notify_one() */
    PASS_ON_WAKE,
    BEGIN_USE,
    FREE_SWEPT,      /* sweep(): the place is nobody's */
    FREE_LOCK,
    SAY_ASLEEP,      /* sleep_at(): WAITING to ASLEEP */
    READ_STATE,
    TIME_OUT,        /* ASLEEP to IDLE */
    FALL_ASLEEP,     /* mproc_plat_park() on the place's own word */
    SLEEP,
    SWEEP_STATE,     /* sweep() */
    SWEEP_OWNER,
    TAKE_OVER,
    TAKE_LOCK_AGAIN,
    LEAVE,           /* leave() */
    FREE_PLACE,
    RETURN,          /* and free the lock */
    NOTIFIER_LOCK,
    NOTIFY,          /* notify_one() of the notifier */
    NOTIFIER_UNLOCK,
    NOTIFY_WAKE,     /* wake_postponed() */
    DONE,
    CRASHED
};
static const char *const names[] = {
    "take lock", "read owner", "claim", "see use", "pass on", "pass on: wake", "begin use", "free swept", "free lock",
    "say asleep", "read state", "time out", "fall asleep", "sleep", "sweep: state", "sweep: owner", "take over",
    "take lock again", "leave", "free place", "return", "lock", "notify", "unlock", "notify: wake", "done", "CRASHED"
};

enum passed { NOT_PASSED, PASSED, IN_VAIN };
struct thread {
    unsigned char at;
    unsigned char place; /* its own */
    unsigned char other; /* the place that it claims or sweeps */
    unsigned char seen;  /* an owner or a state */
    unsigned char target; /* the place that it is to wake; PLACES: none */
    unsigned char passed; /* whether it notified another for a dead one whose place is still notified */
};

struct state {
    unsigned char crashes, mistake, patient;
    unsigned char lock; /* who has it, or NOBODY */
    unsigned char given, consumed, doubled; /* notifications; doubled: passed on by one that was killed doing so */
    unsigned char tickets, rounds; /* of the notifier */
    struct {
        unsigned char owner, word, ticket;
    } places[PLACES];
    struct thread threads[THREADS];
};

static bool is_dead(const struct state *state, int thread)
{
    return thread != NOBODY && state->threads[thread].at == CRASHED;
}

/* Uses are counted, as in the code; four are enough to tell them apart. */
static unsigned char next_use(unsigned char word, enum place_state first)
{
    return (unsigned char) ((word / STATES + 1) % 4 * STATES + first);
}

static bool take_lock(struct state *state, int number, enum at next)
{
    if (state->lock != NOBODY && !is_dead(state, state->lock))
        return false;
    state->lock = (unsigned char) number;
    state->threads[number].at = (unsigned char) next;
    return true;
}

/* Marks the one that has waited longest; `target` is to be woken if it says that it sleeps. True if there is one. */
static bool notify_one(struct state *state, struct thread *thread)
{
    int first = PLACES;
    for (int i = 0; i < PLACES; i++) {
        int word = state->places[i].word % STATES;
        if ((word == WAITING || word == ASLEEP) &&
            (first == PLACES || state->places[i].ticket < state->places[first].ticket))
            first = i;
    }
    thread->target = PLACES;
    if (first == PLACES)
        return false;
    if (state->places[first].word % STATES == ASLEEP)
        thread->target = (unsigned char) first;
    state->places[first].word = (unsigned char) (state->places[first].word / STATES * STATES + NOTIFIED);
    return true;
}

static void wake(struct state *state, struct thread *thread)
{
    for (int i = 0; i < WAITERS; i++)
        if (state->threads[i].at == SLEEP && state->threads[i].place == thread->target)
            state->threads[i].at = READ_STATE;
    thread->target = PLACES;
}

/* ---- using another's place ---- */

static void claim_next(struct thread *thread)
{
    thread->other = (unsigned char) ((thread->other + 1) % PLACES);
    thread->at = READ_OWNER;
}

static void sweep_next(struct thread *thread)
{
    thread->other++;
    thread->at = thread->other < PLACES ? SWEEP_STATE : READ_STATE;
    if (thread->other == PLACES)
        thread->other = 0;
}

static bool claim(struct state *state, int number)
{
    struct thread *thread = &state->threads[number];
    unsigned char *owner = &state->places[thread->other].owner;
    if (thread->at == READ_OWNER) {
        bool free = *owner == NOBODY;
        free |= is_dead(state, *owner) && state->places[thread->other].word % STATES != NOTIFIED;
        thread->seen = *owner;
        thread->at = CLAIM;
        if (!free)
            claim_next(thread);
    } else if (*owner != thread->seen) {
        claim_next(thread);
    } else {
        *owner = (unsigned char) number;
        thread->place = thread->other;
        state->places[thread->other].ticket = state->tickets++;
        thread->at = SEE_USE;
    }
    return true;
}

static bool sweep(struct state *state, int number)
{
    struct thread *thread = &state->threads[number];
    unsigned char *owner = &state->places[thread->other].owner;
    if (thread->at == SWEEP_STATE) {
        thread->at = SWEEP_OWNER;
        if (state->places[thread->other].word % STATES != NOTIFIED)
            sweep_next(thread);
    } else if (thread->at == SWEEP_OWNER) {
        thread->seen = *owner;
        thread->at = TAKE_OVER;
        if (!is_dead(state, *owner))
            sweep_next(thread);
    } else if (*owner != thread->seen) {
        sweep_next(thread);
    } else {
        *owner = (unsigned char) number;
        thread->at = SEE_USE;
    }
    return true;
}

/* The place is notified no more. What nobody could be told is as if it had not been given. */
static void settle(struct state *state, struct thread *thread)
{
    state->given -= thread->passed == IN_VAIN;
    thread->passed = NOT_PASSED;
}

/* The place that it claimed begins to wait; one that it swept is idle. */
static bool begin_use(struct state *state, int number)
{
    struct thread *thread = &state->threads[number];
    unsigned char *word = &state->places[thread->other].word;
    bool claims = thread->other == thread->place;
    bool frees_first = state->mistake == MISTAKE_FREES_FIRST && !claims;
    switch ((enum at) thread->at) {
    case SEE_USE:
        thread->seen = *word;
        thread->at = *word % STATES == NOTIFIED && !frees_first ? PASS_ON : BEGIN_USE;
        break;
    case PASS_ON:
        if (state->mistake != MISTAKE_KEEPS_NOTIFICATION)
            thread->passed = notify_one(state, thread) ? PASSED : IN_VAIN;
        if (frees_first)
            settle(state, thread);
        thread->at = PASS_ON_WAKE;
        break;
    case PASS_ON_WAKE:
        wake(state, thread);
        thread->at = frees_first ? FREE_SWEPT : BEGIN_USE;
        break;
    default:
        thread->at = SEE_USE;
        if (*word != thread->seen)
            break;
        *word = next_use(*word, claims ? WAITING : IDLE);
        settle(state, thread);
        thread->at = claims ? FREE_LOCK : FREE_SWEPT;
        if (frees_first && thread->seen % STATES == NOTIFIED)
            thread->at = PASS_ON;
    }
    return true;
}

/* ---- waiting ---- */

static bool look(struct state *state, int number, int choice)
{
    struct thread *thread = &state->threads[number];
    unsigned char *word = &state->places[thread->place].word;
    switch ((enum at) thread->at) {
    case SAY_ASLEEP:
        if (*word % STATES == WAITING)
            *word = (unsigned char) (*word - WAITING + ASLEEP);
        thread->at = READ_STATE;
        break;
    case READ_STATE:
        thread->seen = *word;
        thread->at = FALL_ASLEEP;
        if (*word % STATES == NOTIFIED)
            thread->at = state->mistake == MISTAKE_LEAVES_EARLY ? LEAVE : TAKE_LOCK_AGAIN;
        else if (choice == 1)
            thread->at = TIME_OUT;
        break;
    case TIME_OUT:
        thread->at = READ_STATE;
        if (*word != thread->seen)
            break;
        *word = (unsigned char) (*word - ASLEEP + IDLE);
        thread->at = TAKE_LOCK_AGAIN;
        break;
    case FALL_ASLEEP: thread->at = *word == thread->seen ? SLEEP : READ_STATE; break;
    default:
        thread->at = SWEEP_STATE;
        thread->other = 0;
    }
    return true;
}

/* The notification is used up when it has the lock and has left. */
static bool leave_or_lock(struct state *state, int number)
{
    struct thread *thread = &state->threads[number];
    unsigned char *word = &state->places[thread->place].word;
    bool early = state->mistake == MISTAKE_LEAVES_EARLY;
    if (thread->at == TAKE_LOCK_AGAIN) {
        bool taken = take_lock(state, number, early ? RETURN : LEAVE);
        state->consumed += taken && early && thread->seen % STATES == NOTIFIED;
        return taken;
    }
    state->consumed += *word % STATES == NOTIFIED && !early;
    *word = next_use(*word, IDLE);
    thread->at = FREE_PLACE;
    return true;
}

static bool notifier_goes_on(struct state *state, int choice)
{
    struct thread *thread = &state->threads[NOTIFIER];
    if (choice == 1)
        thread->at = DONE;
    bool wakes_first = state->mistake == MISTAKE_MARKS_AFTER_WAKING;
    switch ((enum at) thread->at) {
    case NOTIFIER_LOCK: return take_lock(state, NOTIFIER, wakes_first ? NOTIFY_WAKE : NOTIFY);
    case NOTIFY:
        state->given += notify_one(state, thread);
        thread->at = NOTIFIER_UNLOCK;
        return true;
    case NOTIFIER_UNLOCK:
        state->lock = NOBODY;
        thread->at = wakes_first ? DONE : NOTIFY_WAKE;
        return true;
    case NOTIFY_WAKE:
        thread->target = wakes_first ? 0 : thread->target;
        wake(state, thread);
        thread->at = wakes_first ? NOTIFY : state->rounds-- > 0 ? NOTIFIER_LOCK : DONE;
        return true;
    default: return thread->at == DONE;
    }
}

static bool go_on(struct state *state, int number, int choice)
{
    struct thread *thread = &state->threads[number];
    bool may_time_out = number == WITH_DEADLINE && thread->at == READ_STATE;
    bool may_end = thread->at == NOTIFIER_LOCK && state->given > 0;
    if (choice > 0 && !(choice == 1 && (may_time_out || may_end)))
        return false;
    switch ((enum at) thread->at) {
    case TAKE_LOCK: return take_lock(state, number, READ_OWNER);
    case READ_OWNER: case CLAIM: return claim(state, number);
    case SEE_USE: case PASS_ON: case PASS_ON_WAKE: case BEGIN_USE: return begin_use(state, number);
    case SWEEP_STATE: case SWEEP_OWNER: case TAKE_OVER: return sweep(state, number);
    case SAY_ASLEEP: case READ_STATE: case TIME_OUT: case FALL_ASLEEP: return look(state, number, choice);
    case SLEEP: return !state->patient && look(state, number, choice);
    case TAKE_LOCK_AGAIN: case LEAVE: return leave_or_lock(state, number);
    case FREE_SWEPT:
        state->places[thread->other].owner = NOBODY;
        sweep_next(thread);
        return true;
    case FREE_PLACE:
        state->places[thread->place].owner = NOBODY;
        thread->at = state->lock == number ? RETURN : TAKE_LOCK_AGAIN;
        return true;
    case FREE_LOCK: case RETURN:
        state->lock = NOBODY;
        thread->at = thread->at == FREE_LOCK ? SAY_ASLEEP : DONE;
        return true;
    default: return notifier_goes_on(state, choice);
    }
}

static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    struct thread *thread = &state->threads[number];
    if (thread->at == CRASHED || thread->at == DONE)
        return false;
    if (!model_crash(&state->crashes, &choice))
        return go_on(state, number, choice);
    state->doubled += thread->passed == PASSED;
    thread->at = CRASHED;
    return true;
}

/* ---- what must hold ---- */

/* Nobody is on his way, and what the dead have is theirs no more: then a living one may only sleep for a reason. With
 * slices a sleeper always has a step, so this is asked of every state. */
static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    if (state->consumed > state->given + state->doubled)
        return "more returned than were notified";
    bool sleeps = false;
    for (int i = 0; i < PLACES; i++)
        if (state->places[i].word % STATES == NOTIFIED && state->places[i].owner != NOBODY)
            return NULL; /* its owner will wake, or it will be swept */
    for (int i = 0; i < THREADS; i++) {
        int at = state->threads[i].at;
        if (at != SLEEP && at != DONE && at != CRASHED)
            return NULL;
        sleeps |= at == SLEEP;
    }
    bool lost = sleeps && state->consumed < state->given;
    return lost ? "a notification was given, and nobody has it or can get it" : NULL;
}

/* Without slices a notified one that was not woken sleeps for ever. */
static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < WAITERS; i++)
        if (state->threads[i].at == SLEEP && state->places[state->threads[i].place].word % STATES == NOTIFIED)
            return "a notified one sleeps";
    return check(bytes);
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < THREADS; i++)
        printf(" %s,", names[state->threads[i].at]);
    for (int i = 0; i < PLACES; i++)
        printf(" (%d of %d)", state->places[i].word % STATES, state->places[i].owner);
    printf("\n");
}

const char *model_condition(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    const struct model model = { "condition", sizeof(struct state), THREADS, step, check, check_end, print };
    struct state initial = { .crashes = (unsigned char) crashes,
                             .mistake = (unsigned char) mistake,
                             .patient = patient,
                             .lock = NOBODY,
                             .tickets = LATE,
                             .rounds = 1 };
    for (int i = 0; i < PLACES; i++) {
        initial.places[i].owner = i < LATE ? (unsigned char) i : NOBODY;
        initial.places[i].ticket = (unsigned char) i;
        initial.places[i].word = i < LATE ? WAITING : IDLE;
    }
    for (int i = 0; i < THREADS; i++)
        initial.threads[i] = (struct thread){ .at = i < LATE ? SAY_ASLEEP : TAKE_LOCK,
                                              .place = (unsigned char) (i < LATE ? i : PLACES),
                                              .target = PLACES };
    initial.threads[NOTIFIER].at = NOTIFIER_LOCK;
    return explore(&model, &initial, verbose, states);
}
