/* SPDX-License-Identifier: MIT */
/* core/latch.c with core/sentry.c: taking, sleeping, giving up, giving back, and taking over from a dead holder. Each
 * thread is a process of its own; the first takes the latch twice, the last one has a deadline. Who has it when all
 * others are through with it may destroy it, and some of those may be about to wake somebody yet. */
#include "models.h"

#include <stdio.h>

enum { THREADS = 3, WITH_DEADLINE = 2, POSTS = 2, SLEEPERS = 0x80, DEAD = 0x40, HOLDER = 0x3f };

enum place {
    TRY,          /* mproc__latch_try() */
    ANNOUNCE,     /* take_soon(): SLEEPERS */
    TRY_AGAIN,    /* take_soon(): a later look */
    LOOK,         /* wait_for(): reads the word */
    TAKE,         /* take() */
    MARK,         /* sleep_a_slice(): SLEEPERS */
    COMPLAIN,     /* sleep_a_slice(): it has waited for long */
    FALL_ASLEEP,  /* mproc_plat_park(): the kernel compares and queues in one step */
    ASLEEP,
    FIND_SENTRY,  /* take_post() */
    BE_SENTRY,
    FIND_HOLDER,  /* disown() */
    DISOWN,
    LEAVE,        /* mproc__sentry_end() */
    FIND_OTHER,   /* is there another sentry? */
    HAND_ON,      /* the wake-up for the next one, in take_late() */
    INSIDE,       /* mproc__latch_stays_away() */
    GIVE_BACK,    /* mproc__latch_give_back() */
    WAKE,
    ASK_LATE,     /* the mistake */
    DONE,
    CRASHED
};
static const char *const places[] = { "try", "announce", "try again", "look", "take", "mark", "complain", "fall asleep",
                                      "asleep", "find sentry", "be sentry", "find holder", "disown", "leave",
                                      "find other", "hand on", "inside", "give back", "wake", "ask late", "done",
                                      "CRASHED" };

struct thread {
    unsigned char place, seen, slices, rounds;
    unsigned char post;    /* number + 1, or 0 */
    unsigned char looking; /* at which post */
    unsigned char woken;   /* the last sleep was ended by another */
    unsigned char late;    /* its deadline has passed */
};

struct state {
    unsigned char word;    /* number of the holder + 1, or 0, and the marks */
    unsigned char posts[POSTS]; /* of sentries: number + 1, or 0 */
    unsigned char crashes; /* how many may still happen */
    unsigned char deaths;  /* of holders */
    unsigned char told;    /* MPROC_OWNERDEAD */
    unsigned char impatient;
    unsigned char gone;    /* it was destroyed */
    unsigned char written; /* after that */
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
        state->threads[i].woken = 1;
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
    thread->place = thread->post ? LEAVE : INSIDE;
}

/* While a sentry lives the slices of the others are too long to count on. */
static bool slice_ends(const struct state *state, const struct thread *thread)
{
    bool watched = false;
    for (int i = 0; i < POSTS; i++)
        watched |= state->posts[i] && !is_dead(state, state->posts[i]);
    return !state->patient && (thread->post || thread->slices == 0 || !watched);
}

/* mproc__sentry_again(): the first post that is free, or a dead one's. */
static void find_post(struct state *state, struct thread *thread, unsigned char me)
{
    unsigned char *post = &state->posts[thread->looking];
    bool tried = thread->place == BE_SENTRY;
    if (tried && *post == thread->seen) {
        *post = me;
        thread->post = (unsigned char) (thread->looking + 1);
    }
    thread->slices = 1;
    thread->seen = *post;
    thread->place = FIND_SENTRY;
    if (!tried && (*post == 0 || is_dead(state, *post)))
        thread->place = BE_SENTRY;
    else if (thread->post || ++thread->looking == POSTS)
        thread->place = FIND_HOLDER;
}

/* mproc__sentry_end(), and what take_late() does then. */
static bool leave(struct state *state, struct thread *thread, int choice)
{
    enum place next = thread->late ? DONE : INSIDE;
    if (thread->place == HAND_ON)
        return wake(state, thread, choice, next);
    if (choice > 0)
        return false;
    if (thread->place == LEAVE) {
        thread->looking = (unsigned char) (2 - thread->post);
        if (state->mistake != MISTAKE_SENTRY_STAYS)
            state->posts[thread->post - 1] = 0;
        thread->post = 0;
        thread->place = FIND_OTHER;
        return true;
    }
    bool owes = thread->late && thread->woken && state->mistake != MISTAKE_GIVES_UP_SILENTLY;
    thread->place = state->posts[thread->looking] == 0 || owes ? HAND_ON : (unsigned char) next;
    return true;
}

/* Awake, with the latch in somebody else's hands, and the time is over. */
static bool give_up(struct state *state, struct thread *thread)
{
    bool owes = thread->woken && state->mistake != MISTAKE_GIVES_UP_SILENTLY;
    thread->late = 1;
    thread->place = thread->post ? LEAVE : owes ? HAND_ON : DONE;
    return true;
}

/* Reads and clears what says that somebody has waited for long; where it was, anything may be read. */
static void ask(struct state *state)
{
    state->written |= state->gone;
    if (!state->gone && state->word & SLEEPERS)
        state->impatient = 0;
}

static bool give_back(struct state *state, struct thread *thread, int choice)
{
    unsigned char seen = state->word;
    enum place next = thread->rounds > 0 ? TRY : DONE;
    enum place woken = state->mistake == MISTAKE_ASKS_LATE && thread->place == WAKE ? ASK_LATE : next;
    bool possible = thread->place == WAKE ? wake(state, thread, choice, woken) : choice == 0;
    if (possible && thread->place == GIVE_BACK) { /* called consistent before, if it was told */
        state->word = 0;
        thread->place = seen & SLEEPERS ? WAKE : (unsigned char) next;
    } else if (possible && woken == next && thread->place == ASK_LATE) {
        ask(state);
        thread->place = (unsigned char) next;
    }
    thread->rounds -= possible && thread->rounds > 0 && thread->place == (unsigned char) next;
    return possible;
}

/* Takes it away from under those that have given it back, if nobody else is to come. */
static bool destroy(struct state *state, int number)
{
    for (int i = 0; i < THREADS; i++) {
        const struct thread *other = &state->threads[i];
        if (i != number && other->place < DONE && (other->rounds > 0 || other->place < WAKE))
            return false;
    }
    state->gone = 1;
    state->word = state->impatient = 0;
    state->threads[number].place = DONE;
    return true;
}

/* Who has slept for a slice has waited for long. */
static unsigned char asleep_next(const struct state *state, const struct thread *thread)
{
    return thread->slices > 0 && !state->impatient ? COMPLAIN : FALL_ASLEEP;
}

static bool look(struct state *state, int number)
{
    struct thread *thread = &state->threads[number];
    unsigned char me = (unsigned char) (number + 1), word = state->word;
    switch ((enum place) thread->place) {
    case TRY:
        thread->place = ANNOUNCE;
        if (word == 0)
            take(state, thread, me, 0);
        return true;
    case ANNOUNCE:
        state->word = word | SLEEPERS;
        thread->place = word & SLEEPERS ? LOOK : TRY_AGAIN;
        return true;
    case TRY_AGAIN:
        thread->place = LOOK;
        if ((word & HOLDER) == 0)
            take(state, thread, me, word & SLEEPERS);
        return true;
    case LOOK:
        thread->seen = word;
        thread->place = (word & HOLDER) == 0 ? TAKE : word & SLEEPERS ? asleep_next(state, thread) : MARK;
        return true;
    case TAKE:
        thread->place = LOOK;
        if (word == thread->seen)
            take(state, thread, me, state->mistake == MISTAKE_FORGETS_SLEEPERS ? 0 : SLEEPERS);
        return true;
    case MARK:
        thread->place = word == thread->seen ? asleep_next(state, thread) : LOOK;
        if (word == thread->seen)
            state->word = thread->seen = word | SLEEPERS;
        return true;
    case COMPLAIN:
        state->impatient = 1;
        thread->place = FALL_ASLEEP;
        return true;
    case FALL_ASLEEP:
        thread->place = word == thread->seen ? ASLEEP : LOOK;
        thread->woken = word != thread->seen;
        return true;
    default:
        if (!slice_ends(state, thread))
            return false;
        thread->woken = 0;
        thread->looking = 0;
        thread->place = thread->post ? FIND_HOLDER : FIND_SENTRY;
        return true;
    }
}

static bool go_on(struct state *state, int number, int choice)
{
    struct thread *thread = &state->threads[number];
    unsigned char me = (unsigned char) (number + 1), word = state->word;
    switch ((enum place) thread->place) {
    case LEAVE: case FIND_OTHER: case HAND_ON: return leave(state, thread, choice);
    case GIVE_BACK: case WAKE: case ASK_LATE: return give_back(state, thread, choice);
    default: break;
    }
    if (choice == 1 && number == WITH_DEADLINE && thread->place == LOOK && (word & HOLDER))
        return give_up(state, thread);
    if (choice == 1 && thread->place == INSIDE)
        return destroy(state, number);
    if (choice > 0)
        return false;
    switch ((enum place) thread->place) {
    case FIND_SENTRY: case BE_SENTRY:
        find_post(state, thread, me);
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
    case INSIDE:
        if (state->mistake != MISTAKE_ASKS_LATE)
            ask(state);
        thread->place = GIVE_BACK;
        return true;
    default: return look(state, number);
    }
}

static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    struct thread *thread = &state->threads[number];
    if (thread->place == DONE || thread->place == CRASHED)
        return false;
    if (!model_crash(&state->crashes, &choice))
        return go_on(state, number, choice);
    state->deaths += (state->word & HOLDER) == number + 1;
    thread->place = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    int inside = 0;
    for (int i = 0; i < THREADS; i++)
        inside += state->threads[i].place >= LEAVE && state->threads[i].place <= GIVE_BACK && !state->threads[i].late;
    if (inside > 1)
        return "two hold the lock";
    if (state->written)
        return "who gave it back wrote to it when it was gone";
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
    printf("word %02x sentries %d %d:", state->word, state->posts[0], state->posts[1]);
    for (int i = 0; i < THREADS; i++)
        printf(" %s%s,", places[state->threads[i].place], state->threads[i].post ? " (sentry)" : "");
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
