/* SPDX-License-Identifier: MIT */
/* What becomes of those that have ended: their slots and records are given back, and their children become their
 * parent's, so that whoever stops a tree finds all that are left of it.
 *
 * Killed while handing over: the slot is still taken, by a dead process; whoever comes to it next does the rest.
 * Killed between the exchange that frees the slot and the free of its record: costs that block. */
#include "slots.h"

#include "arena.h"
#include "fault.h"
#include "record.h"

/* The parent of a slot nobody has arrived at is dead. True: nobody ever will; false: somebody just has. */
static bool never_comes(const struct slot *slot, process_token token)
{
    uint64_t handle = atomic_load(&slot->record);
    struct record *record = handle ? mproc__object(BLOCK_RECORD, handle) : NULL;
    return !record || mproc__record_abandon(record, token);
}

static bool is_over(const struct slot *slot, uint64_t state, process_token token)
{
    process_token parent = mproc__slot_parent(state);
    switch (mproc__slot_kind(state)) {
    case SLOT_FREE:
        return false;
    case SLOT_FILLING: /* by one without a name: in doubt it lives */
        return parent != 0 && !mproc__token_alive(parent);
    case SLOT_CHILD:
        if (mproc__token_alive(parent))
            return false;
        break;
    case SLOT_ORPHAN:
        break;
    }
    return mproc__slot_pid(slot, token) == 0 ? never_comes(slot, token) : !mproc__token_alive_now(token);
}

static void hand_over(process_token from, process_token to);

/* True if it was this call that freed it. */
static bool give_back(struct slot *slot, uint64_t state, process_token token)
{
    for (;;) {
        uint64_t record = mproc__slot_kind(state) == SLOT_FILLING ? 0 : atomic_load(&slot->record);
        process_token parent = mproc__slot_parent(state);
        uint32_t generation = mproc__slot_generation(state);
        if (mproc__slot_kind(state) != SLOT_FILLING && atomic_load(&slot->has_started))
            hand_over(token, parent);
        MPROC_FAULT("slots.handed_over");
        if (atomic_compare_exchange_strong(&slot->state, &state, mproc__slot_state(0, generation + 1, SLOT_FREE))) {
            MPROC_FAULT("slots.freed");
            if (record)
                mproc__arena_free(BLOCK_RECORD, record);
            return true;
        }
        if (mproc__slot_kind(state) == SLOT_FREE || mproc__slot_generation(state) != generation)
            return false;
        /* The parent was given back meanwhile, perhaps before it got these children. */
        hand_over(parent, mproc__slot_parent(state));
    }
}

static void reclaim(struct slot *slot, uint32_t index)
{
    uint64_t state = atomic_load(&slot->state);
    process_token token = mproc__slot_token(index, state);
    if (is_over(slot, state, token))
        give_back(slot, state, token);
}

/* `from` is dead: what it was about to start never comes, the others are its heir's. */
static void hand_over(process_token from, process_token to)
{
    uint32_t count = mproc__slots_count();
    for (uint32_t index = 0; index < count; index++) {
        struct slot *slot = mproc__slot_at(index);
        uint64_t state = atomic_load(&slot->state);
        process_token token = mproc__slot_token(index, state);
        if (mproc__slot_kind(state) == SLOT_FREE || mproc__slot_parent(state) != from)
            continue;
        bool is_there = mproc__slot_kind(state) != SLOT_FILLING &&
                        (mproc__slot_pid(slot, token) != 0 || !never_comes(slot, token));
        if (!is_there) {
            give_back(slot, state, token);
            continue;
        }
        uint64_t adopted = mproc__slot_state(to, mproc__slot_generation(state), SLOT_ORPHAN);
        if (!atomic_compare_exchange_strong(&slot->state, &state, adopted))
            continue; /* another one hands it over, or has found it dead */
        /* The system may give its pid to another before anybody looks: by its stamp the two can be told apart. */
        mproc__slot_note_stamp(slot, token);
        /* Its own children wait for another look: dead families can be deep. */
        if (!atomic_load(&slot->has_started))
            reclaim(slot, index);
    }
}

/* NULL if the token's process has been released, by now or by the time that its state is read. */
static struct slot *find(process_token token, uint64_t *state)
{
    struct slot *slot = mproc__slot_of(token);
    *state = slot ? atomic_load(&slot->state) : 0;
    return slot && mproc__slot_of(token) && mproc__slot_kind(*state) > SLOT_FILLING ? slot : NULL;
}

void mproc__slot_release(process_token token)
{
    uint64_t state;
    struct slot *slot = find(token, &state);
    if (slot)
        give_back(slot, state, token);
}

void mproc__slot_reclaim(process_token token)
{
    uint64_t state;
    struct slot *slot = find(token, &state);
    if (slot && is_over(slot, state, token))
        give_back(slot, state, token);
}

void mproc__slots_reclaim_some(void)
{
    enum { LOOKS = 4 };
    static uint32_t next;
    uint32_t count = mproc__slots_count();
    for (int i = 0; i < LOOKS; i++) {
        next = (next + 1) % count;
        reclaim(mproc__slot_at(next), next);
    }
}

/* Whoever asks for this is refused a slot else: a parent that was seen a moment ago may have left some since. */
void mproc__slots_reclaim_all(void)
{
    mproc__slots_look_anew();
    uint32_t count = mproc__slots_count();
    for (uint32_t index = 0; index < count; index++)
        reclaim(mproc__slot_at(index), index);
}

void mproc__slots_descendants(process_token token,
                              void (*visit)(const struct slot *slot, process_token token, void *context),
                              void *context)
{
    uint32_t count = mproc__slots_count();
    for (uint32_t index = 0; index < count; index++) {
        struct slot *slot = mproc__slot_at(index);
        uint64_t state = atomic_load(&slot->state);
        process_token child = mproc__slot_token(index, state);
        if (mproc__slot_kind(state) <= SLOT_FILLING || mproc__slot_parent(state) != token)
            continue;
        if (mproc__slot_pid(slot, child) == 0 && (mproc__token_alive(token) || never_comes(slot, child)))
            continue;
        visit(slot, child, context);
        mproc__slots_descendants(child, visit, context);
    }
}
