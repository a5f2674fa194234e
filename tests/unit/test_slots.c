/* SPDX-License-Identifier: MIT */
/* The table of processes: tokens, generations, and who is alive. */
#include "arena.h"
#include "mproc.h"
#include "slots.h"
#include "suite.h"
#include "system.h"

#include <string.h>

static void a_released_token_is_nobody(void)
{
    process_token token;
    CU_ASSERT_EQUAL_FATAL(mproc__slot_claim(mproc__self_peek(), &token), MPROC_OK);
    CU_ASSERT_PTR_NOT_NULL(mproc__slot_of(token));
    CU_ASSERT(mproc__token_alive(token));
    mproc__slot_release(token);
    CU_ASSERT_PTR_NULL(mproc__slot_of(token));
    CU_ASSERT_FALSE(mproc__token_alive(token));
    mproc__slot_release(token);
}

static void a_slot_taken_again_has_another_token(void)
{
    process_token first, again;
    CU_ASSERT_EQUAL_FATAL(mproc__slot_claim(mproc__self_peek(), &first), MPROC_OK);
    mproc__slot_release(first);
    int rounds = 0;
    do {
        CU_ASSERT_EQUAL_FATAL(mproc__slot_claim(mproc__self_peek(), &again), MPROC_OK);
        mproc__slot_release(again);
        rounds++;
    } while ((again & 0x3fff) != (first & 0x3fff) && rounds < 100000);
    CU_ASSERT_EQUAL(again & 0x3fff, first & 0x3fff);
    CU_ASSERT_NOT_EQUAL(again, first);
    CU_ASSERT_FALSE(mproc__token_alive(first));
}

static void this_process_is_alive_and_nobody_is_not(void)
{
    CU_ASSERT(mproc__token_alive(mproc__self_token()));
    CU_ASSERT_FALSE(mproc__token_alive(0));
    CU_ASSERT_FALSE(mproc__token_alive(TOKEN_MASK));
}

/* A pid that another process got: the same number, another stamp. */
static void a_reused_pid_is_not_taken_for_the_dead_process(void)
{
    process_token token;
    CU_ASSERT_EQUAL_FATAL(mproc__slot_claim(mproc__self_peek(), &token), MPROC_OK);
    mproc_process *process;
    int nothing = 0;
    CU_ASSERT_EQUAL_FATAL(mproc_process_start(&process, hang_for_ever, &nothing, sizeof nothing, NULL),
                          MPROC_OK);
    int64_t pid;
    CU_ASSERT_EQUAL(mproc_process_pid(process, &pid), MPROC_OK);
    mproc__slot_occupy(token, pid, 0);
    CU_ASSERT(mproc__token_alive(token));
    uint64_t stamp = 0;
    CU_ASSERT_EQUAL(mproc_plat_process_stamp(pid, &stamp), MPROC_OK);
    if (stamp == 0)
        skip_part("the other stamp: this system tells no start times");
    else {
        atomic_store(&mproc__slot_of(token)->stamp, stamp + 1);
        CU_ASSERT_FALSE(mproc__token_alive(token));
    }
    mproc__slot_release(token);
    CU_ASSERT_EQUAL(mproc_process_kill(process), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_join(process, MPROC_FOREVER), MPROC_OK);
    CU_ASSERT_EQUAL(mproc_process_close(process), MPROC_OK);
}

static void thousands_of_slots_can_be_claimed(void)
{
    enum { COUNT = 5000 };
    static process_token tokens[COUNT];
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_EQUAL_FATAL(mproc__slot_claim(mproc__self_peek(), &tokens[i]), MPROC_OK);
    for (int i = 1; i < COUNT; i++)
        CU_ASSERT_NOT_EQUAL(tokens[i], tokens[i - 1]);
    for (int i = 0; i < COUNT; i++)
        mproc__slot_release(tokens[i]);
    CU_ASSERT_PTR_NULL(mproc__slot_of(tokens[17]));
}

MPROC_SUITE(slots, MPROC_TEST(a_released_token_is_nobody),
            MPROC_TEST(a_slot_taken_again_has_another_token),
            MPROC_TEST(this_process_is_alive_and_nobody_is_not),
            MPROC_TEST(a_reused_pid_is_not_taken_for_the_dead_process),
            MPROC_TEST(thousands_of_slots_can_be_claimed))
