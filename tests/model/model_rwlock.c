/* SPDX-License-Identifier: MIT */
/* core/rwlock.c: two writers, the second with a deadline, and two readers, any of which may die at any step. The latch
 * is one step here, and whoever waits goes on when what it waits for has become true: core/latch.c and core/gate.c have
 * models of their own. */
#include "models.h"

#include <stdio.h>

enum { WRITERS = 2, READERS = 2, THREADS = WRITERS + READERS, WITH_DEADLINE = 1 };
enum { WRITING = 0x40, HOLDER = 0x3f, NOBODY_WRITING = WRITING | HOLDER };

enum at {
    LOOK,        /* try_read() */
    ADD,
    LOOK_AGAIN,
    BACK_OUT,
    READ,
    REMOVE,
    WAIT_TO_READ,
    FOLLOW,      /* follow_dead_writer() */
    FOLLOW_LOOK,
    LATCH,       /* acquire_write() */
    FIND_DAMAGE, /* become_writer() */
    FIND_BROKEN,
    SAY,
    SCAN,        /* anybody_reads() */
    BE_ALONE,
    WRITE,       /* what it guards is torn now */
    WRITTEN,     /* and now it is not */
    CONSISTENT,
    BREAK,       /* release_write(), if it was damaged */
    BREAK_WORD,
    CLEAR,       /* let_readers_in() */
    UNLATCH,
    DONE,
    CRASHED
};
static const char *const names[] = { "look", "add", "look again", "back out", "read", "remove", "wait to read",
                                     "follow", "follow look", "latch", "find damage", "find broken", "say",
                                     "scan", "be alone", "write", "written", "consistent", "break",
                                     "break word", "clear", "unlatch", "done", "CRASHED" };

struct state {
    unsigned char crashes, mistake;
    unsigned char latch;    /* thread + 1, or 0 */
    unsigned char writer;   /* thread + 1 and WRITING */
    unsigned char damaged, broken;
    unsigned char torn;     /* what it guards */
    unsigned char readers;  /* a bit for each thread */
    struct {
        unsigned char at, scan;
        unsigned char told;   /* MPROC_OWNERDEAD */
        unsigned char reader; /* that goes on reading when the dead writer was no real one */
    } threads[THREADS];
};

static bool is_dead(const struct state *state, int holder)
{
    return holder == HOLDER || (holder > 0 && state->threads[holder - 1].at == CRASHED);
}

static bool latch_is_free(const struct state *state)
{
    return state->latch == 0 || is_dead(state, state->latch);
}

static bool read_step(struct state *state, int number)
{
    unsigned char *at = &state->threads[number].at, mine = (unsigned char) (1 << number);
    bool writer_died = state->writer && is_dead(state, state->writer & HOLDER);
    switch ((enum at) *at) {
    case LOOK: *at = state->writer ? WAIT_TO_READ : ADD; return true;
    case ADD:
        state->readers |= mine;
        *at = state->mistake == MISTAKE_NO_SECOND_LOOK ? READ : LOOK_AGAIN;
        return true;
    case LOOK_AGAIN: *at = state->writer ? BACK_OUT : READ; return true;
    case BACK_OUT:
        state->readers &= (unsigned char) ~mine;
        *at = WAIT_TO_READ;
        return true;
    case READ: *at = REMOVE; return true;
    case REMOVE:
        state->readers &= (unsigned char) ~mine;
        *at = DONE;
        return true;
    case WAIT_TO_READ:
        *at = state->broken ? DONE : writer_died ? FOLLOW : LOOK;
        return state->broken || writer_died || state->writer == 0;
    case FOLLOW:
        *at = latch_is_free(state) ? FOLLOW_LOOK : WAIT_TO_READ;
        if (*at == FOLLOW_LOOK)
            state->latch = (unsigned char) (number + 1);
        return true;
    default: /* FOLLOW_LOOK */
        state->threads[number].reader = !(state->writer & WRITING || state->damaged);
        *at = state->threads[number].reader ? CLEAR : FIND_DAMAGE;
        return true;
    }
}

static bool become_writer(struct state *state, int number, int choice)
{
    unsigned char *at = &state->threads[number].at, *scan = &state->threads[number].scan;
    if (choice > 0) { /* too late */
        if (choice > 1 || *at != SCAN || number != WITH_DEADLINE)
            return false;
        *at = state->damaged && state->mistake != MISTAKE_CLEARS_DAMAGE ? BREAK_WORD : CLEAR;
        return true;
    }
    switch ((enum at) *at) {
    case LATCH:
        if (!latch_is_free(state))
            return false;
        state->latch = (unsigned char) (number + 1);
        *at = FIND_DAMAGE;
        return true;
    case FIND_DAMAGE:
        if (state->writer & WRITING && state->mistake != MISTAKE_FORGETS_DAMAGE)
            state->damaged = 1;
        *at = FIND_BROKEN;
        return true;
    case FIND_BROKEN: *at = state->broken ? UNLATCH : SAY; return true;
    case SAY:
        state->writer = (unsigned char) (number + 1);
        *scan = 0;
        *at = SCAN;
        return true;
    case SCAN:
        if (state->readers & 1 << *scan) {
            if (!is_dead(state, *scan + 1))
                return false;
            state->readers &= (unsigned char) ~(1 << *scan);
        }
        if (++*scan == THREADS)
            *at = BE_ALONE;
        return true;
    default: /* BE_ALONE */
        state->writer = (unsigned char) (number + 1) | WRITING;
        state->threads[number].told = state->damaged;
        *at = WRITE;
        return true;
    }
}

/* Whoever was told repairs and says so, or does not. */
static bool write_and_release(struct state *state, int number, int choice)
{
    unsigned char *at = &state->threads[number].at;
    if (choice > 0 && !(choice == 1 && *at == CONSISTENT))
        return false;
    switch ((enum at) *at) {
    case WRITE:
        state->torn = 1;
        *at = WRITTEN;
        return true;
    case WRITTEN:
        state->torn = 0;
        *at = state->threads[number].told ? CONSISTENT : CLEAR;
        return true;
    case CONSISTENT:
        state->damaged = (unsigned char) choice;
        *at = choice ? BREAK : CLEAR;
        return true;
    case BREAK:
        state->broken = 1;
        *at = BREAK_WORD;
        return true;
    case BREAK_WORD: case CLEAR:
        state->writer = *at == CLEAR ? 0 : NOBODY_WRITING;
        *at = UNLATCH;
        return true;
    default: /* UNLATCH */
        state->latch = 0;
        *at = state->threads[number].reader ? LOOK : DONE;
        state->threads[number].reader = 0;
        return true;
    }
}

static bool go_on(struct state *state, int number, int choice)
{
    unsigned char at = state->threads[number].at;
    if (at < LATCH)
        return choice == 0 && read_step(state, number);
    return at < WRITE ? become_writer(state, number, choice) : write_and_release(state, number, choice);
}

static bool step(void *bytes, int number, int choice)
{
    struct state *state = bytes;
    unsigned char *at = &state->threads[number].at;
    if (*at == DONE || *at == CRASHED)
        return false;
    if (!model_crash(&state->crashes, &choice))
        return go_on(state, number, choice);
    *at = CRASHED;
    return true;
}

static const char *check(const void *bytes)
{
    const struct state *state = bytes;
    int writing = 0, reading = 0;
    for (int i = 0; i < THREADS; i++) {
        unsigned char at = state->threads[i].at;
        writing += at >= WRITE && at <= CONSISTENT;
        reading += at == READ;
        if (state->torn && (at == READ || (at == WRITE && !state->threads[i].told)))
            return "somebody meets what a dead writer left, and was not told";
    }
    return writing > 1 || (writing && reading) ? "a writer is not alone" : NULL;
}

static const char *check_end(const void *bytes)
{
    const struct state *state = bytes;
    for (int i = 0; i < THREADS; i++)
        if (state->threads[i].at != DONE && state->threads[i].at != CRASHED)
            return "somebody waits for ever";
    return NULL;
}

static void print(const void *bytes)
{
    const struct state *state = bytes;
    printf("latch %d writer %02x damaged %d readers %x:", state->latch, state->writer, state->damaged, state->readers);
    for (int i = 0; i < THREADS; i++)
        printf(" %s,", names[state->threads[i].at]);
    printf("\n");
}

const char *model_rwlock(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states)
{
    const struct model model = { "rwlock", sizeof(struct state), THREADS, step, check, check_end, print };
    struct state initial = { .crashes = (unsigned char) crashes, .mistake = (unsigned char) mistake };
    (void) patient;
    for (int i = 0; i < WRITERS; i++)
        initial.threads[i].at = LATCH;
    return explore(&model, &initial, verbose, states);
}
