/* SPDX-License-Identifier: MIT */
/* Park by semaphores: a word belongs to a bucket, and a bucket has a counter of sleepers in the
 * region and a semaphore named after the family. (WaitOnAddress does not cross processes.)
 *
 * The sleeper counts itself, then looks at the word; the waker changes the word, then looks at the
 * counter: one of them sees the other. Who is killed:
 *   a sleeper, counted: the counter stays too high, which costs permits nobody takes, so spurious
 *     wake-ups; never more than MOST_PERMITS of them lie about. Where many are counted, whoever has slept a slice
 *     begins a new count, once a second at most, and the others join it at the ends of their slices.
 *   a sleeper that has taken its permit: nothing; it was its own.
 *   a waker between the word and the release: sleepers look again by themselves, after a slice at
 *     the latest. So too when a newcomer takes another's permit. */
#include "win32.h"

#include <wchar.h>

#define SLICE INT64_C(20000000)
#define SECOND INT64_C(1000000000)
enum { MOST_PERMITS = 256, MANY = 32, COUNT_BITS = 16, COUNT_MASK = 0xffff };

_Static_assert(MPROC__BUCKETS == 1 << 7, "bucket_of() keeps 7 bits");
static HANDLE semaphores[MPROC__BUCKETS];
static SRWLOCK opening = SRWLOCK_INIT;

static unsigned bucket_of(const _Atomic uint32_t *word)
{
    uint64_t offset = mproc_plat_region_offset((const void *) word);
    /* A word of this process's own still works inside it. */
    uint64_t place = offset == UINT64_MAX ? (uint64_t) (uintptr_t) word : offset;
    return (unsigned) ((place >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> 57);
}

static HANDLE semaphore_of(unsigned bucket)
{
    AcquireSRWLockExclusive(&opening);
    if (!semaphores[bucket]) {
        wchar_t name[80];
        const uint64_t *nonce = mproc__family_nonce();
        swprintf(name, sizeof name / sizeof *name, L"Local\\mproc-%016llx%016llx-%u",
                 (unsigned long long) nonce[0], (unsigned long long) nonce[1], bucket);
        semaphores[bucket] = CreateSemaphoreW(NULL, 0, MOST_PERMITS, name);
    }
    HANDLE semaphore = semaphores[bucket];
    ReleaseSRWLockExclusive(&opening);
    return semaphore;
}

/* ---- counting: the second in which the count was begun << COUNT_BITS | how many ---- */

/* Counts the caller; the count that it is in now. */
static uint32_t join_count(_Atomic uint32_t *counter)
{
    return atomic_fetch_add(counter, 1) >> COUNT_BITS;
}

static void leave_count(_Atomic uint32_t *counter, uint32_t count)
{
    uint32_t seen = atomic_load(counter);
    while (seen >> COUNT_BITS == count && (seen & COUNT_MASK) > 0 &&
           !atomic_compare_exchange_weak(counter, &seen, seen - 1)) {
    }
}

/* After a slice: in the count that another has begun, or in a new one if that is due. */
static uint32_t count_again(_Atomic uint32_t *counter, uint32_t count, int64_t now)
{
    uint32_t seen = atomic_load(counter), second = (uint32_t) (now / SECOND) & (UINT32_MAX >> COUNT_BITS);
    if (seen >> COUNT_BITS != count)
        return join_count(counter);
    bool due = (seen & COUNT_MASK) >= MANY && second != count;
    return due && atomic_compare_exchange_strong(counter, &seen, second << COUNT_BITS | 1) ? second : count;
}

/* ---- sleeping and waking ---- */

mproc_err mproc_plat_park(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    unsigned bucket = bucket_of(word);
    HANDLE semaphore = semaphore_of(bucket);
    _Atomic uint32_t *counter = mproc__park_counter(bucket);
    uint32_t count = join_count(counter);
    mproc_err err = MPROC_OK;
    bool woken = false;
    while (!woken && atomic_load(word) == expected) {
        int64_t now = mproc_plat_now();
        if (now >= deadline) {
            err = MPROC_ETIMEDOUT;
            break;
        }
        int64_t slice = deadline - now < SLICE ? deadline : now + SLICE;
        DWORD answer = semaphore ? WaitForSingleObject(semaphore, mproc__milliseconds(slice))
                                 : WAIT_FAILED;
        if (answer == WAIT_FAILED)
            Sleep(1);
        woken = answer == WAIT_OBJECT_0;
        if (!woken)
            count = count_again(counter, count, now);
    }
    leave_count(counter, count);
    return err;
}

void mproc_plat_unpark(_Atomic uint32_t *word, uint32_t count)
{
    (void) count;
    unsigned bucket = bucket_of(word);
    uint32_t sleepers = atomic_load(mproc__park_counter(bucket)) & COUNT_MASK;
    if (sleepers == 0)
        return;
    HANDLE semaphore = semaphore_of(bucket);
    if (!semaphore)
        return;
    /* All of the bucket, since they may sleep on other words; more than fit need no permit. */
    if (!ReleaseSemaphore(semaphore, sleepers < MOST_PERMITS ? (LONG) sleepers : MOST_PERMITS,
                          NULL))
        while (sleepers-- > 0 && ReleaseSemaphore(semaphore, 1, NULL)) {
        }
}

mproc_err mproc_plat_park_any(_Atomic uint32_t *const *words, const uint32_t *expected, size_t count,
                              int64_t deadline)
{
    (void) words;
    (void) expected;
    (void) count;
    (void) deadline;
    return MPROC_ENOTSUP;
}
