/* SPDX-License-Identifier: MIT */
/* Readers-writer lock: a word for the writer, and one word per reading process, so that a dead reader is
 * one word to clear. A reader says that it reads and then looks for a writer; a writer says that it
 * writes and then looks for readers: one of them sees the other.
 *
 * Killed as a reader, at any step: its word is cleared by the writer that waits for it.
 * Killed as a writer before it was alone (WRITING): nothing was changed; the next one goes on as if it
 * had not come. While it was: whoever comes next has it for writing, with MPROC_OWNERDEAD. After it
 * cleared the writer's word: the latch has a dead holder, and the next one knows that all was done. */
#include "mproc/rwlock.h"

#include "arena_blocks.h"
#include "describe.h"
#include "gate.h"
#include "latch.h"
#include "registry.h"

enum { READERS = 256, WORDS_PER_LINE = 8 };
#define WRITING 0x40000000u /* it is alone */
#define NOBODY_WRITING (WRITING | TOKEN_MASK) /* as a dead writer: for the lock that is damaged or broken */

struct rwlock {
    struct latch latch;        /* between writers */
    _Atomic uint32_t writer;   /* token of the one that waits for readers to go, or is WRITING */
    _Atomic uint32_t damaged;  /* a writer died WRITING, and nobody has called it consistent */
    _Atomic uint32_t broken;   /* and it was released so */
    struct sentry readers_sentry, writers_sentry;
    struct gate open, drained;
    _Atomic uint64_t readers[READERS]; /* token << 32 | how many of its threads */
};

_Static_assert(sizeof(struct rwlock) + sizeof(struct block) <= RWLOCK_SIZE, "fits into a block of its class");

mproc_err mproc_rwlock_create(mproc_rwlock *lock)
{
    if (!lock)
        return mproc__fail(MPROC_EINVAL, "mproc_rwlock_create: lock is NULL");
    mproc_err err = mproc__object_create(BLOCK_RWLOCK, sizeof(struct rwlock), &lock->id);
    if (err != MPROC_OK)
        return err;
    struct rwlock *created = mproc__object(BLOCK_RWLOCK, lock->id);
    created->open.object = created->drained.object = lock->id;
    return MPROC_OK;
}

/* A writer that lets go gives the latch back last, when a reader may have come, gone and called this. Once it has, it
 * touches nothing; and a reader that goes touches nothing but the gates. */
mproc_err mproc_rwlock_destroy(mproc_rwlock lock)
{
    struct rwlock *found = mproc__object(BLOCK_RWLOCK, lock.id);
    uint32_t writer = found ? atomic_load(&found->writer) : WRITING;
    if (writer == 0 || writer == NOBODY_WRITING)
        mproc__latch_wait_out(&found->latch);
    return mproc__object_destroy(BLOCK_RWLOCK, lock.id);
}

/* ---- readers ---- */

/* The first 32 processes begin in lines of their own. */
static _Atomic uint64_t *reader_at(struct rwlock *lock, process_token token, uint32_t step)
{
    uint32_t slot = token & 0x3fff;
    return &lock->readers[(slot * WORDS_PER_LINE + slot / (READERS / WORDS_PER_LINE) + step) % READERS];
}

static _Atomic uint64_t *add_reader(struct rwlock *lock, process_token me)
{
    for (uint32_t step = 0; step < READERS; step++) {
        _Atomic uint64_t *word = reader_at(lock, me, step);
        uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
        while (seen == 0 || seen >> 32 == me) {
            uint64_t next = (uint64_t) me << 32 | ((seen & UINT32_MAX) + 1);
            if (atomic_compare_exchange_weak(word, &seen, next))
                return word;
        }
    }
    return NULL;
}

static bool remove_reader(_Atomic uint64_t *word, process_token me)
{
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    while (seen >> 32 == me) {
        uint64_t next = (seen & UINT32_MAX) == 1 ? 0 : seen - 1;
        if (atomic_compare_exchange_weak(word, &seen, next))
            return true;
    }
    return false;
}

static bool try_read(void *context)
{
    struct rwlock *lock = context;
    process_token me = mproc__self_token();
    if (atomic_load_explicit(&lock->writer, memory_order_relaxed) != 0)
        return false;
    _Atomic uint64_t *word = add_reader(lock, me);
    if (!word)
        return false;
    MPROC_FAULT("rwlock.reader_added");
    if (atomic_load(&lock->writer) == 0)
        return true;
    remove_reader(word, me);
    mproc__gate_wake_fenced(&lock->drained);
    return false;
}

/* Clears the words of the dead; whether anybody reads. */
static bool anybody_reads(struct rwlock *lock, bool sweep)
{
    bool reads = false;
    for (int i = 0; i < READERS; i++) {
        uint64_t seen = atomic_load(&lock->readers[i]);
        if (seen && sweep && !mproc__token_alive((process_token) (seen >> 32)))
            atomic_compare_exchange_strong(&lock->readers[i], &seen, 0);
        reads |= atomic_load(&lock->readers[i]) != 0;
    }
    return reads;
}

static bool nobody_reads(void *context)
{
    return !anybody_reads(context, false);
}

static void sweep_readers(void *context)
{
    anybody_reads(context, true);
}

/* ---- writers ---- */

static void let_readers_in(struct rwlock *lock)
{
    atomic_store(&lock->writer, 0);
    MPROC_FAULT("rwlock.writer_cleared");
    mproc__gate_wake_all(&lock->open);
    mproc__latch_release(&lock->latch);
}

/* With the latch: waits for the readers and is alone. MPROC_OK, MPROC_OWNERDEAD, MPROC_ETIMEDOUT,
 * MPROC_EBROKEN; the latter two without the latch. */
static mproc_err become_writer(struct rwlock *lock, int64_t deadline)
{
    if (atomic_load(&lock->writer) & WRITING)
        atomic_store(&lock->damaged, 1); /* a dead one's, or it would not be free */
    if (atomic_load(&lock->broken)) {
        mproc__latch_release(&lock->latch);
        return MPROC_EBROKEN;
    }
    process_token me = mproc__self_token();
    MPROC_FAULT("rwlock.latched");
    atomic_store(&lock->writer, me);
    MPROC_FAULT("rwlock.writer_said");
    mproc_err err = mproc__gate_watch(&lock->drained, &lock->writers_sentry, nobody_reads, sweep_readers, lock,
                                      deadline);
    if (err != MPROC_OK) {
        /* If it is damaged, readers must go on meeting a writer. */
        if (atomic_load(&lock->damaged)) {
            atomic_store(&lock->writer, NOBODY_WRITING);
            mproc__latch_release(&lock->latch);
        } else {
            let_readers_in(lock);
        }
        return err;
    }
    atomic_store(&lock->writer, me | WRITING);
    MPROC_FAULT("rwlock.writing");
    return atomic_load(&lock->damaged) ? MPROC_OWNERDEAD : MPROC_OK;
}

static mproc_err acquire_write(struct rwlock *lock, uint64_t handle, mproc_ms timeout)
{
    int64_t deadline = mproc__deadline(timeout);
    mproc_err err = mproc__latch_try(&lock->latch)
                        ? MPROC_OK
                        : mproc__latch_wait(&lock->latch, handle, "rwlock", timeout);
    return err == MPROC_OK || err == MPROC_OWNERDEAD ? become_writer(lock, deadline) : err;
}

static mproc_err describe(mproc_err err, mproc_ms timeout)
{
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "the rwlock was not free within %lld ms", (long long) timeout);
    if (err == MPROC_OWNERDEAD)
        return mproc__fail(err, "the rwlock is yours for writing, since a writer died: repair what it "
                                "guards, then call it consistent");
    if (err == MPROC_EBROKEN)
        return mproc__fail(err, "the rwlock is broken: a writer died, and who was told released it "
                                "without calling it consistent");
    return err;
}

mproc_err mproc_rwlock_acquire_write(mproc_rwlock lock, mproc_ms timeout)
{
    struct rwlock *found = mproc__object(BLOCK_RWLOCK, lock.id);
    if (!found)
        return mproc__object_error(lock.id);
    mproc_err err = acquire_write(found, lock.id, timeout);
    return err == MPROC_OK ? MPROC_OK : describe(err, timeout);
}

/* ---- readers that have to wait ---- */

struct reader {
    struct rwlock *lock;
    bool writer_died;
    bool reading;
};

static bool may_read(void *context)
{
    struct reader *reader = context;
    if (reader->writer_died || atomic_load(&reader->lock->broken))
        return true;
    reader->reading = try_read(reader->lock);
    return reader->reading;
}

static void look_for_dead_writer(void *context)
{
    struct reader *reader = context;
    uint32_t writer = atomic_load(&reader->lock->writer);
    if (writer != 0 && !mproc__token_alive(writer & ~WRITING))
        reader->writer_died = true;
    else if (writer == 0)
        anybody_reads(reader->lock, true); /* there may be no place because the dead have it */
}

/* The writer died. If it was not alone yet, its word goes; else the caller becomes the writer. MPROC_ETIMEDOUT: another
 * follows it, who may take its time. */
static mproc_err follow_dead_writer(struct rwlock *lock, int64_t deadline, bool *again)
{
    mproc_err err = mproc__latch_acquire(&lock->latch, 0);
    if (err == MPROC_ETIMEDOUT) {
        *again = deadline != 0 && mproc_plat_now() < deadline;
        return err;
    }
    uint32_t writer = atomic_load(&lock->writer);
    *again = !(writer & WRITING || atomic_load(&lock->damaged));
    if (!*again)
        return become_writer(lock, deadline);
    let_readers_in(lock);
    return MPROC_OK;
}

static mproc_err wait_to_read(struct rwlock *lock, int64_t deadline)
{
    for (;;) {
        struct reader reader = { lock, false, false };
        mproc_err err = mproc__gate_watch(&lock->open, &lock->readers_sentry, may_read, look_for_dead_writer,
                                          &reader, deadline);
        if (err != MPROC_OK || reader.reading)
            return err;
        if (atomic_load(&lock->broken))
            return MPROC_EBROKEN;
        bool again;
        err = follow_dead_writer(lock, deadline, &again);
        if (!again)
            return err;
    }
}

mproc_err mproc_rwlock_acquire_read(mproc_rwlock lock, mproc_ms timeout)
{
    struct rwlock *found = mproc__object(BLOCK_RWLOCK, lock.id);
    if (!found)
        return mproc__object_error(lock.id);
    if (try_read(found))
        return MPROC_OK;
    mproc_err err = wait_to_read(found, mproc__deadline(timeout));
    return err == MPROC_OK ? MPROC_OK : describe(err, timeout);
}

/* ---- giving back ---- */

static void release_write(struct rwlock *lock)
{
    if (!atomic_load(&lock->damaged)) {
        let_readers_in(lock);
        return;
    }
    atomic_store(&lock->broken, 1);
    atomic_store(&lock->writer, NOBODY_WRITING);
    mproc__gate_wake_all(&lock->open);
    mproc__latch_release(&lock->latch);
}

static bool release_read(struct rwlock *lock, process_token me)
{
    for (uint32_t step = 0; step < READERS; step++) {
        if (!remove_reader(reader_at(lock, me, step), me))
            continue;
        MPROC_FAULT("rwlock.reader_removed");
        mproc__gate_wake_fenced(&lock->drained);
        mproc__gate_wake_fenced(&lock->open); /* who found no place */
        return true;
    }
    return false;
}

mproc_err mproc_rwlock_release(mproc_rwlock lock)
{
    struct rwlock *found = mproc__object(BLOCK_RWLOCK, lock.id);
    if (!found)
        return mproc__object_error(lock.id);
    process_token me = mproc__self_token();
    if (atomic_load_explicit(&found->writer, memory_order_relaxed) == (me | WRITING)) {
        release_write(found);
        return MPROC_OK;
    }
    if (!release_read(found, me))
        return mproc__fail(MPROC_EPERM, "the rwlock is not held by this process");
    return MPROC_OK;
}

mproc_err mproc_rwlock_consistent(mproc_rwlock lock)
{
    struct rwlock *found = mproc__object(BLOCK_RWLOCK, lock.id);
    if (!found)
        return mproc__object_error(lock.id);
    uint32_t damaged = 1;
    if (atomic_load(&found->writer) != (mproc__self_token() | WRITING) ||
        !atomic_compare_exchange_strong(&found->damaged, &damaged, 0))
        return mproc__fail(MPROC_ESTATE, "the rwlock was not acquired with MPROC_OWNERDEAD");
    return MPROC_OK;
}

bool mproc_rwlock_locked(mproc_rwlock lock)
{
    struct rwlock *found = mproc__object(BLOCK_RWLOCK, lock.id);
    if (!found)
        return false;
    uint32_t writer = atomic_load(&found->writer);
    return (writer & WRITING && writer != NOBODY_WRITING) || anybody_reads(found, false);
}

void mproc__rwlock_describe(const void *object, struct text *text)
{
    const struct rwlock *lock = object;
    uint32_t writer = atomic_load(&lock->writer);
    if (writer == NOBODY_WRITING) {
        mproc__text_add(text, atomic_load(&lock->broken) ? "broken" : "damaged");
    } else if (writer != 0) {
        mproc__text_add(text, writer & WRITING ? "written by " : "to be written by ");
        mproc__text_add_process(text, writer & ~WRITING);
    }
    const char *before = writer ? ", read by " : "read by ";
    bool read = false;
    for (int i = 0; i < READERS; i++) {
        uint64_t reader = atomic_load(&lock->readers[i]);
        if (reader == 0)
            continue;
        mproc__text_add(text, "%s", read ? ", " : before);
        mproc__text_add_process(text, (process_token) (reader >> 32));
        read = true;
    }
    if (writer == 0 && !read)
        mproc__text_add(text, "free");
}
