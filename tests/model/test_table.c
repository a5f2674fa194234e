/* SPDX-License-Identifier: MIT */
/* core/slots.c and core/slots_release.c in every order of their steps: a parent takes a slot, starts a child and gives
 * the slot back; another process looks for slots of the dead; a third takes the slot whenever it is free. Parent and
 * child may be killed at any step. */
#include "explore.h"
#include "suite.h"

enum mistake {
    MISTAKE_NONE,
    MISTAKE_PARENT_LATE, /* a taken slot names the parent of the one before until it is filled */
    MISTAKE_ASKS_NOBODY, /* a slot without a pid is freed without giving up the child that may come */
    MISTAKE_FREES_BLINDLY, /* a slot is freed whatever it has become since the look */
    MISTAKE_GIVES_UP_ANY  /* the record that the slot has by now is given up, whoever's it is */
};

enum { PARENT, CHILD, SWEEPER, OTHER, THREADS, NOBODY = THREADS };
enum kind { FREE, FILLING, TAKEN };
enum place {
    TAKE,     /* take() of slots.c */
    FILL,
    PUBLISH,
    EXPECT,   /* mproc__record_expect() */
    START,    /* from now on the child may come */
    OCCUPY,   /* mproc__slot_occupy() */
    WAIT,     /* until the child has ended */
    RELEASE,
    UNBORN,   /* the child */
    CLAIM,    /* mproc__record_claim() */
    RUN,
    LOOK,     /* reclaim() of slots_release.c */
    ASK_PARENT,
    READ_PID,
    ABANDON,  /* mproc__record_abandon() */
    ASK_PID,
    GIVE_BACK,
    DONE,
    CRASHED
};
static const char *const places[] = { "take", "fill", "publish", "expect", "start", "occupy", "wait", "release",
                                      "unborn", "claim", "run", "look", "ask parent", "read pid", "abandon", "ask pid",
                                      "give back", "done", "CRASHED" };
enum arrival { NOT_EXPECTED, EXPECTED, ARRIVED };

struct word {
    unsigned char kind, parent, generation;
};

struct state {
    struct word slot, seen;    /* the slot's word; as the sweeper has read it */
    unsigned char pid;         /* in the slot: is the child's */
    unsigned char arrival;     /* in the record */
    unsigned char record_of;   /* generation that the slot's record is of */
    unsigned char owned, others; /* generations that PARENT and OTHER have */
    unsigned char crashes, rounds, mistake, rounds_of_other;
    unsigned char sent_away;   /* a living parent's child was not expected any more */
    unsigned char places[THREADS];
};

static bool is_same(struct word a, struct word b)
{
    return a.kind == b.kind && a.parent == b.parent && a.generation == b.generation;
}

static bool lives(const struct state *state, int thread)
{
    return thread != NOBODY && state->places[thread] != DONE && state->places[thread] != CRASHED &&
           state->places[thread] != UNBORN;
}

static void free_slot(struct state *state)
{
    state->slot = (struct word){ FREE, NOBODY, (unsigned char) (state->slot.generation + 1) };
}

/* What the parent and the third process have in common; the latter starts nobody. */
static bool hold(struct state *state, int thread)
{
    unsigned char *place = &state->places[thread];
    unsigned char *generation = thread == PARENT ? &state->owned : &state->others;
    switch ((enum place) *place) {
    case TAKE:
        if (state->slot.kind != FREE)
            return false;
        state->slot.kind = state->mistake == MISTAKE_PARENT_LATE ? TAKEN : FILLING;
        state->slot.parent = state->mistake == MISTAKE_PARENT_LATE ? NOBODY : (unsigned char) thread;
        *generation = state->slot.generation;
        *place = FILL;
        return true;
    case FILL:
        state->pid = 0;
        state->record_of = *generation;
        state->arrival = NOT_EXPECTED;
        *place = PUBLISH;
        return true;
    case PUBLISH:
        state->slot.kind = TAKEN;
        state->slot.parent = (unsigned char) thread;
        *place = thread == PARENT ? EXPECT : RELEASE;
        return true;
    case EXPECT:
        state->arrival = EXPECTED;
        *place = START;
        return true;
    case START:
        state->places[CHILD] = CLAIM;
        *place = OCCUPY;
        return true;
    case OCCUPY:
        state->pid = 1;
        *place = WAIT;
        return true;
    case WAIT:
        if (lives(state, CHILD))
            return false;
        *place = RELEASE;
        return true;
    default: /* RELEASE */
        if (state->slot.kind == TAKEN && state->slot.generation == *generation)
            free_slot(state);
        *place = DONE;
        if (thread == OTHER && state->rounds_of_other > 0) {
            state->rounds_of_other--;
            *place = TAKE;
        }
        return true;
    }
}

static bool be_child(struct state *state)
{
    unsigned char *place = &state->places[CHILD];
    if (*place == RUN) {
        *place = DONE;
        return true;
    }
    bool welcome = state->arrival == EXPECTED && state->record_of == state->owned;
    *place = welcome ? RUN : DONE;
    if (welcome)
        state->arrival = ARRIVED;
    state->sent_away = !welcome && lives(state, PARENT);
    return true;
}

static void sweep(struct state *state)
{
    unsigned char *place = &state->places[SWEEPER];
    enum place next = DONE;
    bool same_record = state->record_of == state->seen.generation || state->mistake == MISTAKE_GIVES_UP_ANY;
    switch ((enum place) *place) {
    case LOOK:
        state->seen = state->slot;
        next = state->slot.kind == FREE ? DONE : ASK_PARENT;
        break;
    case ASK_PARENT:
        if (!lives(state, state->seen.parent))
            next = state->seen.kind == FILLING ? GIVE_BACK : READ_PID;
        break;
    case READ_PID:
        next = state->pid || (same_record && state->arrival == ARRIVED) ? ASK_PID
               : state->mistake == MISTAKE_ASKS_NOBODY ? GIVE_BACK
                                                       : ABANDON;
        break;
    case ABANDON: /* the record that the slot has by now, by the token that was seen */
        if (same_record && state->arrival == EXPECTED)
            state->arrival = NOT_EXPECTED;
        next = same_record && state->arrival == ARRIVED ? DONE : GIVE_BACK;
        break;
    case ASK_PID:
        if (!lives(state, CHILD))
            next = GIVE_BACK;
        break;
    default: /* GIVE_BACK */
        if (is_same(state->slot, state->seen) || state->mistake == MISTAKE_FREES_BLINDLY)
            free_slot(state);
    }
    *place = (unsigned char) next;
    if (next == DONE && state->rounds > 0) {
        state->rounds--;
        *place = LOOK;
    }
}

static bool go_on(struct state *state, int thread)
{
    if (thread == SWEEPER)
        sweep(state);
    else if (thread == CHILD)
        return be_child(state);
    else
        return hold(state, thread);
    return true;
}

static bool step(void *bytes, int thread, int choice)
{
    struct state *state = bytes;
    if (!lives(state, thread))
        return false;
    bool may_crash = state->crashes > 0 && (thread == PARENT || thread == CHILD);
    if (choice == 0 && may_crash) {
        state->crashes--;
        state->places[thread] = CRASHED;
        return true;
    }
    return choice == may_crash && go_on(state, thread);
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    bool parent_has = lives(state, PARENT) && state->places[PARENT] != TAKE;
    bool other_has = lives(state, OTHER) && state->places[OTHER] != TAKE;
    if (parent_has && (state->slot.kind == FREE || state->slot.generation != state->owned))
        return "a living parent's slot was taken from it";
    if (other_has && (state->slot.kind == FREE || state->slot.generation != state->others))
        return "a slot that was just taken was taken again";
    if (state->places[CHILD] == RUN && (state->slot.kind == FREE || state->slot.generation != state->owned))
        return "a child runs without a slot";
    return state->sent_away ? "a living parent's child was sent away" : NULL;
}

static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    return state->slot.kind != FREE && state->rounds > 0 ? "a dead one's slot was left" : check(bytes);
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < THREADS; i++)
        printf(" %s,", places[state->places[i]]);
    printf(" slot %d of %d, generation %d; pid %d, arrival %d\n", state->slot.kind, state->slot.parent,
           state->slot.generation, state->pid, state->arrival);
}

static const char *model(enum mistake mistake, int crashes, int looks, bool verbose, size_t *states)
{
    const struct model model = { "table", sizeof(struct state), THREADS, step, check, check_end, print };
    struct state initial = { .slot = { FREE, NOBODY, 0 },
                             .crashes = (unsigned char) crashes,
                             .mistake = (unsigned char) mistake,
                             .rounds = (unsigned char) looks,
                             .rounds_of_other = 1,
                             .owned = 99,
                             .others = 99,
                             .places = { TAKE, UNBORN, LOOK, TAKE } };
    return explore(&model, &initial, verbose, states);
}

static void a_slot_has_one_owner_whoever_dies(void)
{
    for (int crashes = 0; crashes <= 2; crashes++) {
        size_t states;
        CU_ASSERT_PTR_NULL(model(MISTAKE_NONE, crashes, 3, true, &states));
        printf("  %zu states, %d crashes\n", states, crashes);
        CU_ASSERT_TRUE(states > 100);
    }
}

static void mistakes_are_found(void)
{
    static const enum mistake mistakes[] = { MISTAKE_PARENT_LATE, MISTAKE_ASKS_NOBODY, MISTAKE_FREES_BLINDLY,
                                             MISTAKE_GIVES_UP_ANY };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        size_t states;
        const char *wrong = model(mistakes[i], 1, 3, false, &states);
        CU_ASSERT_PTR_NOT_NULL(wrong);
        printf("  found: %s\n", wrong ? wrong : "NOTHING");
    }
}

MPROC_SUITE(table, MPROC_TEST(a_slot_has_one_owner_whoever_dies), MPROC_TEST(mistakes_are_found))
