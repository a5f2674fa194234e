/* SPDX-License-Identifier: MIT */
/* The protocols of waiting, in every order of their steps, with so many deaths at most at any of them; and that the
 * explorer finds what is wrong. */
#include "models.h"
#include "suite.h"

typedef const char *explored(enum mistake mistake, int crashes, bool patient, bool verbose, size_t *states);

static void must_hold(explored *model, int crashes, bool patient)
{
    size_t states;
    CU_ASSERT_PTR_NULL(model(MISTAKE_NONE, crashes, patient, true, &states));
    printf("  %zu states, %d crashes%s\n", states, crashes, patient ? ", patient" : "");
    CU_ASSERT_TRUE(states > 20);
}

static void must_fail(explored *model, enum mistake mistake, int crashes, bool patient)
{
    size_t states;
    const char *wrong = model(mistake, crashes, patient, false, &states);
    CU_ASSERT_PTR_NOT_NULL(wrong);
    printf("  found: %s\n", wrong ? wrong : "NOTHING");
}

static void the_latch_excludes_and_loses_no_wake_up(void)
{
    must_hold(model_latch, 0, true);
    must_hold(model_latch, 0, false);
}

static void the_latch_survives_deaths_at_any_step(void)
{
    must_hold(model_latch, 2, false);
}

static void mistakes_in_the_latch_are_found(void)
{
    must_fail(model_latch, MISTAKE_FORGETS_SLEEPERS, 0, true);
    must_fail(model_latch, MISTAKE_STORES_BLINDLY, 1, false);
    must_fail(model_latch, MISTAKE_SENTRY_STAYS, 1, false);
    must_fail(model_latch, MISTAKE_GIVES_UP_SILENTLY, 0, true);
    must_fail(model_latch, MISTAKE_ASKS_LATE, 0, true);
    must_fail(model_latch, MISTAKE_ASKS_LATE, 0, false);
}

static void the_gate_loses_no_wake_up(void)
{
    must_hold(model_gate, 0, true);
    must_hold(model_gate_all, 0, true);
}

static void the_gate_survives_deaths_at_any_step(void)
{
    must_hold(model_gate, 2, false);
    must_hold(model_gate_all, 2, false);
}

static void the_gate_bears_wakers_of_what_was_in_its_place_before(void)
{
    must_hold(model_gate_late, 0, true);
    must_hold(model_gate_all_late, 0, true);
    must_fail(model_gate_late, MISTAKE_NO_RECHECK, 0, true);
    must_fail(model_gate_all_late, MISTAKE_EMPTIES_LATE, 0, true);
}

static void mistakes_at_the_gate_are_found(void)
{
    must_fail(model_gate, MISTAKE_ANNOUNCES_FIRST, 0, true);
    must_fail(model_gate, MISTAKE_NO_CHAIN, 0, true);
    must_fail(model_gate, MISTAKE_NO_RECHECK, 0, true);
    must_fail(model_gate_all, MISTAKE_ANNOUNCES_FIRST, 0, true);
    must_fail(model_gate_all, MISTAKE_NO_RECHECK, 0, true);
    must_fail(model_gate_all, MISTAKE_EMPTIES_LATE, 0, true);
}

static void the_condition_notifies_one_and_the_dead_pass_it_on(void)
{
    must_hold(model_condition, 0, true);
    must_hold(model_condition, 2, false);
}

static void mistakes_in_the_condition_are_found(void)
{
    must_fail(model_condition, MISTAKE_KEEPS_NOTIFICATION, 1, false);
    must_fail(model_condition, MISTAKE_MARKS_AFTER_WAKING, 0, true);
    must_fail(model_condition, MISTAKE_LEAVES_EARLY, 1, false);
    must_fail(model_condition, MISTAKE_FREES_FIRST, 2, false);
}

static void a_writer_is_alone_and_its_death_is_told(void)
{
    must_hold(model_rwlock, 0, false);
    must_hold(model_rwlock, 3, false);
}

static void mistakes_in_the_rwlock_are_found(void)
{
    must_fail(model_rwlock, MISTAKE_NO_SECOND_LOOK, 0, false);
    must_fail(model_rwlock, MISTAKE_FORGETS_DAMAGE, 1, false);
    must_fail(model_rwlock, MISTAKE_CLEARS_DAMAGE, 1, false);
}

static void the_sweep_takes_from_the_dead_alone(void)
{
    must_hold(model_sweep, 0, false);
    must_hold(model_sweep, 2, false);
    must_fail(model_sweep, MISTAKE_ASKS_ONCE, 1, true);
}

MPROC_SUITE(waiting, MPROC_TEST(the_latch_excludes_and_loses_no_wake_up),
            MPROC_TEST(the_latch_survives_deaths_at_any_step), MPROC_TEST(mistakes_in_the_latch_are_found),
            MPROC_TEST(the_gate_loses_no_wake_up), MPROC_TEST(the_gate_survives_deaths_at_any_step),
            MPROC_TEST(the_gate_bears_wakers_of_what_was_in_its_place_before),
            MPROC_TEST(mistakes_at_the_gate_are_found),
            MPROC_TEST(the_condition_notifies_one_and_the_dead_pass_it_on),
            MPROC_TEST(mistakes_in_the_condition_are_found), MPROC_TEST(a_writer_is_alone_and_its_death_is_told),
            MPROC_TEST(mistakes_in_the_rwlock_are_found), MPROC_TEST(the_sweep_takes_from_the_dead_alone))
