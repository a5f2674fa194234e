/* SPDX-License-Identifier: MIT */
/* Slots: taken by the parent before a start, given back when the process was reaped. One word says who has it, and
 * whose child that is; giving back is one exchange to the next generation, so every token of the dead process turns
 * stale at once.
 *
 * Killed while filling a slot: its word names the dead filler, and whoever looks frees it (reclaim() in
 * slots_release.c). Killed between that and the start, or before it could note the child's pid: the child notes its
 * pid in its record first thing (record.h), so whoever looks finds it there, or sees to it that the child ends. */
#include "slots.h"

#include "arena.h"
#include "compiler.h"
#include "fault.h"
#include "record.h"
#include "thread_number.h"

enum { CHUNKS = 32, INDEX_BITS = 14, INDEX_MASK = (1 << INDEX_BITS) - 1 };
_Static_assert(MOST_SLOTS <= INDEX_MASK - 1 && MOST_SLOTS <= CHUNKS * SLOTS_PER_CHUNK,
               "an index + 1 fits and is never all ones, so no token is TOKEN_MASK");

/* When to try again to read this process's stamp. */
#define RETRY INT64_C(100000000)

static _Atomic process_token self;
static _Atomic process_token forked_from; /* in a child that the host forked: its parent */
_Atomic process_token mproc__self_ready;

process_token mproc__slot_token(uint32_t index, uint64_t state)
{
    return mproc__slot_generation(state) << INDEX_BITS | (index + 1);
}

static uint32_t generation_of(process_token token)
{
    return (token & TOKEN_MASK) >> INDEX_BITS;
}

uint32_t mproc__slots_count(void)
{
    uint32_t count = atomic_load(&mproc__family()->slot_chunks) * SLOTS_PER_CHUNK;
    return count < MOST_SLOTS ? count : MOST_SLOTS;
}

struct slot *mproc__slot_at(uint32_t index)
{
    uint64_t handle = atomic_load(&mproc__family()->slot_chunk[index / SLOTS_PER_CHUNK]);
    struct slot *chunk = mproc__object(BLOCK_SLOTS, handle);
    return chunk ? chunk + index % SLOTS_PER_CHUNK : NULL;
}

struct slot *mproc__slot_of(process_token token)
{
    uint32_t low = token & INDEX_MASK;
    struct slot *slot = low > 0 && low <= MOST_SLOTS ? mproc__slot_at(low - 1) : NULL;
    if (!slot)
        return NULL;
    uint64_t state = atomic_load(&slot->state);
    bool is_taken = mproc__slot_kind(state) > SLOT_FILLING && mproc__slot_generation(state) == generation_of(token);
    return is_taken ? slot : NULL;
}

/* ---- taking ---- */

/* The states before and after a slot is filled, without the generation. */
struct wish {
    process_token filler, parent;
    enum slot_kind kind;
    uint64_t record;
    int64_t pid;
};

static bool take(struct slot *slot, uint32_t index, const struct wish *wish, process_token *token)
{
    uint64_t seen = atomic_load(&slot->state);
    uint32_t generation = mproc__slot_generation(seen);
    if (mproc__slot_kind(seen) != SLOT_FREE ||
        !atomic_compare_exchange_strong(&slot->state, &seen,
                                        mproc__slot_state(wish->filler, generation, SLOT_FILLING)))
        return false;
    MPROC_FAULT("slots.claimed");
    atomic_store(&slot->pid, wish->pid);
    atomic_store(&slot->record, wish->record);
    atomic_store(&slot->has_started, 0);
    for (int i = 0; i < SLOT_WAITS; i++)
        atomic_store(&slot->waits[i], 0);
    MPROC_FAULT("slots.filled");
    /* Nobody takes it from a filler that lives, or that has no name yet. */
    atomic_store(&slot->state, mproc__slot_state(wish->parent, generation, wish->kind));
    *token = mproc__slot_token(index, mproc__slot_state(0, generation, SLOT_FREE));
    return true;
}

static bool take_any(const struct wish *wish, process_token *token)
{
    struct family *family = mproc__family();
    uint32_t count = mproc__slots_count();
    uint32_t start = atomic_load(&family->slot_hint);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (start + i) % count;
        if (take(mproc__slot_at(index), index, wish, token)) {
            atomic_store(&family->slot_hint, index + 1);
            return true;
        }
    }
    return false;
}

static mproc_err add_chunk(void)
{
    struct family *family = mproc__family();
    uint32_t count = atomic_load(&family->slot_chunks);
    if (count == CHUNKS)
        return mproc__fail(MPROC_EAGAIN, "the family has %d processes, the most there can be", MOST_SLOTS);
    uint64_t handle;
    mproc_err err = mproc__arena_alloc(BLOCK_SLOTS, SLOTS_PER_CHUNK * sizeof(struct slot), &handle);
    if (err != MPROC_OK)
        return err;
    /* Whoever fills the place first wins; the count follows and may be helped along. */
    uint64_t nothing = 0;
    if (!atomic_compare_exchange_strong(&family->slot_chunk[count], &nothing, handle))
        mproc__arena_free(BLOCK_SLOTS, handle);
    atomic_compare_exchange_strong(&family->slot_chunks, &count, count + 1);
    return MPROC_OK;
}

static mproc_err claim(const struct wish *wish, process_token *token)
{
    while (!take_any(wish, token)) {
        mproc__slots_reclaim_all();
        if (take_any(wish, token))
            break;
        mproc_err err = add_chunk();
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

/* Before the slot is taken: one too many costs its heir a look. */
static void note_start(process_token parent)
{
    struct slot *own = mproc__slot_of(parent);
    if (own && !atomic_load(&own->has_started))
        atomic_store(&own->has_started, 1);
}

mproc_err mproc__slot_claim(process_token parent, uint64_t record, process_token *token)
{
    note_start(parent);
    return claim(&(struct wish){ parent, parent, SLOT_CHILD, record, 0 }, token);
}

mproc_err mproc__slot_claim_own(process_token parent, process_token *token)
{
    note_start(parent);
    return claim(&(struct wish){ 0, parent, SLOT_ORPHAN, 0, mproc_plat_pid() }, token);
}

void mproc__slot_occupy(process_token token, int64_t pid)
{
    struct slot *slot = mproc__slot_of(token);
    if (slot)
        atomic_store(&slot->pid, pid);
}

/* Killed before the exchange: it is the child of a dead process, which comes to the same. */
void mproc__slot_let_go(process_token token)
{
    struct slot *slot = mproc__slot_of(token);
    uint64_t state = slot ? atomic_load(&slot->state) : 0;
    if (mproc__slot_kind(state) != SLOT_CHILD)
        return;
    uint64_t orphaned = mproc__slot_state(mproc__slot_parent(state), mproc__slot_generation(state), SLOT_ORPHAN);
    atomic_compare_exchange_strong(&slot->state, &state, orphaned);
    /* Its pid may be another's before anybody looks. */
    mproc__slot_note_stamp(slot, token);
}

/* ---- who lives ---- */

int64_t mproc__slot_pid(const struct slot *slot, process_token token)
{
    int64_t pid = atomic_load(&slot->pid);
    if (pid)
        return pid;
    uint64_t handle = atomic_load(&slot->record);
    struct record *record = handle ? mproc__object(BLOCK_RECORD, handle) : NULL;
    return record ? mproc__record_pid(record, token) : 0;
}

static uint64_t stamp_word(process_token token, uint64_t stamp)
{
    return stamp << 16 | generation_of(token);
}

bool mproc__slot_is_of(const struct slot *slot, process_token token, uint64_t stamp)
{
    uint64_t known = atomic_load(&slot->stamp);
    bool is_known = (known & 0xffff) == generation_of(token) && known >> 16 != 0;
    return !is_known || known == stamp_word(token, stamp);
}

void mproc__slot_note_stamp(struct slot *slot, process_token token)
{
    uint64_t stamp, known = atomic_load(&slot->stamp);
    if (mproc__slot_is_of(slot, token, 0) && mproc_plat_process_stamp(mproc__slot_pid(slot, token), &stamp) == MPROC_OK)
        atomic_compare_exchange_strong(&slot->stamp, &known, stamp_word(token, stamp));
}

/* Who only ever tries a lock asks at every try, and a look costs a hundred times the try: whom this process has seen
 * alive counts as alive for two milliseconds more, unless it is known to have been released. */
enum { SIGHTINGS = 64, SIGHTING_LASTS = 2 };
static _Atomic uint64_t sightings[SIGHTINGS]; /* token << 32 | milliseconds, that may overflow */

static uint64_t sighting_now(process_token token)
{
    return (uint64_t) token << 32 | (uint32_t) (mproc_plat_now() / 1000000);
}

static bool was_just_seen(process_token token)
{
    uint64_t seen = atomic_load_explicit(&sightings[token % SIGHTINGS], memory_order_relaxed);
    return seen >> 32 == token && (uint32_t) (sighting_now(token) - seen) < SIGHTING_LASTS;
}

static void note_sighting(process_token token)
{
    atomic_store_explicit(&sightings[token % SIGHTINGS], sighting_now(token), memory_order_relaxed);
}

void mproc__slots_look_anew(void)
{
    for (int i = 0; i < SIGHTINGS; i++)
        atomic_store_explicit(&sightings[i], 0, memory_order_relaxed);
}

/* In doubt it lives: whoever takes over what a living process holds destroys it. */
static bool process_lives(const struct slot *slot, process_token token, int64_t pid)
{
    uint64_t stamp;
    mproc_err err = mproc_plat_process_stamp(pid, &stamp);
    if (err != MPROC_OK)
        return err != MPROC_ENOTFOUND;
    /* Who has our pid and another token has had it before us. */
    return mproc__slot_is_of(slot, token, stamp) && pid != mproc_plat_pid();
}

bool mproc__token_alive_now(process_token token)
{
    token &= TOKEN_MASK;
    struct slot *slot = mproc__slot_of(token);
    if (!slot || token == mproc__self_peek())
        return slot != NULL;
    int64_t pid = mproc__slot_pid(slot, token);
    if (pid == 0) /* it is about to be started, if there is somebody to do it */
        return mproc__token_alive(mproc__slot_parent(atomic_load(&slot->state)));
    bool lives = process_lives(slot, token, pid);
    if (lives)
        note_sighting(token);
    return lives;
}

bool mproc__token_alive(process_token token)
{
    token &= TOKEN_MASK;
    return was_just_seen(token) ? mproc__slot_of(token) != NULL : mproc__token_alive_now(token);
}

/* ---- this process ---- */

MPROC_IN_CHILD void mproc__self_set(process_token token)
{
    atomic_store(&self, token);
    atomic_store(&mproc__self_ready, 0);
    mproc__thread_unname();
}

process_token mproc__self_peek(void)
{
    return atomic_load_explicit(&self, memory_order_relaxed);
}

void mproc__self_forget(void)
{
    process_token parent = mproc__self_peek();
    if (parent)
        atomic_store(&forked_from, parent);
    mproc__self_set(0);
}

process_token mproc__self_place(void)
{
    process_token token = mproc__self_peek(), parent = atomic_load(&forked_from), nobody = 0;
    if (token || !parent)
        return token;
    /* When all slots are taken it goes under its parent's name, as well as that goes. */
    if (mproc__slot_claim_own(parent, &token) != MPROC_OK)
        return parent;
    if (atomic_compare_exchange_strong(&self, &nobody, token))
        return token;
    mproc__slot_release(token); /* another thread was quicker */
    return mproc__self_peek();
}

process_token mproc__self_token_first(void)
{
    static _Atomic int64_t next_look;
    process_token token = mproc__self_place();
    /* Nobody of the family yet, which is no failed look; or under its parent's name, whose slot it leaves alone. */
    if (token == 0 || token != mproc__self_peek())
        return token;
    struct slot *slot = mproc__slot_of(token);
    int64_t now = mproc_plat_now();
    uint64_t stamp;
    /* What cannot be read now (no descriptor, no /proc) may be later. Until then others go by the pid alone. */
    if (now < atomic_load(&next_look))
        return token;
    if (slot && mproc_plat_process_stamp(mproc_plat_pid(), &stamp) == MPROC_OK) {
        mproc__slot_occupy(token, mproc_plat_pid());
        atomic_store(&slot->stamp, stamp_word(token, stamp));
        atomic_store_explicit(&mproc__self_ready, token, memory_order_release);
    } else {
        atomic_store(&next_look, now + RETRY);
    }
    return token;
}

void mproc__slots_visit(void (*visit)(struct slot *slot, process_token token, void *context),
                        void *context)
{
    uint32_t count = mproc__slots_count();
    for (uint32_t index = 0; index < count; index++) {
        struct slot *slot = mproc__slot_at(index);
        uint64_t state = atomic_load(&slot->state);
        process_token token = mproc__slot_token(index, state);
        if (mproc__slot_kind(state) > SLOT_FILLING && mproc__slot_pid(slot, token) != 0)
            visit(slot, token, context);
    }
}
