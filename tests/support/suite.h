/* SPDX-License-Identifier: MIT */
/* CUnit suites whose main begins with the entry guard, and which leave nothing behind. */
#ifndef MPROC_TESTS_SUITE_H
#define MPROC_TESTS_SUITE_H

#include "mproc.h"

#include <CUnit/Basic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct suite_test {
    const char *name;
    void (*run)(void);
};
#define MPROC_TEST(function) { #function, function }

/* Runs the tests whose names contain argv[1], MPROC_TEST_REPEAT times. */
int suite_main(const char *name, const struct suite_test *tests, size_t count, int argc, char **argv);
/* For the boundary below mproc_init(): a process with MPROC_BOOT runs `child` on its value. */
int contract_main(const char *name, int (*child)(const char *boot), const struct suite_test *tests,
                  size_t count, int argc, char **argv);

#define MPROC_SUITE(name, ...)                                                                     \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        mproc_init();                                                                              \
        static const struct suite_test tests[] = { __VA_ARGS__ };                                  \
        return suite_main(#name, tests, sizeof tests / sizeof tests[0], argc, argv);               \
    }

#define MPROC_CONTRACT_SUITE(name, child, ...)                                                     \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct suite_test tests[] = { __VA_ARGS__ };                                  \
        return contract_main(#name, child, tests, sizeof tests / sizeof tests[0], argc, argv);     \
    }

/* CUnit's assertions do not reach the parent: a child that fails says where and ends with 111. */
#define CHILD_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            child_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)
void child_failed(const char *file, int line, const char *condition);

/* Fails the test, and prints mproc's sentence, unless the call answers as expected; an error must
 * come with a sentence that helps. */
#define CHECK_OK(call) check_answer((call), MPROC_OK, #call, __FILE__, __LINE__)
#define CHECK_FAILS(call, expected) check_answer((call), (expected), #call, __FILE__, __LINE__)
void check_answer(mproc_err err, mproc_err expected, const char *call, const char *file, int line);
/* In a child. */
#define CHILD_OK(call) CHILD_CHECK((call) == MPROC_OK)
#define CHILD_FAILS(call, expected)                                                                \
    CHILD_CHECK((call) == (expected) && strlen(mproc_last_error()) > 15)

/* What a suite returns of whose tests none could run here; ctest calls it skipped. */
enum { SUITE_SKIPPED = 77 };
/* Says why the running test cannot run here; the test returns then. Only in the suite's own process. */
void skip(const char *reason);
/* The same of a part of it. */
void skip_part(const char *reason);
/* The same, if this program runs under qemu-user, which plays another processor's Linux; true if it does. */
bool skip_if_emulated(const char *reason);
/* What this process has made for the rest of its life is no leftover of the running test. */
void keep_what_is_there(void);

/* A thread of this process that runs function(context). */
struct test_thread;
struct test_thread *thread_start(void (*function)(void *context), void *context);
void thread_join(struct test_thread *thread);

/* The path of a program built from tests/api/programs. */
#ifdef TEST_PROGRAMS
#define PROGRAM(name) (system_is_windows() ? TEST_PROGRAMS "/" name ".exe" : TEST_PROGRAMS "/" name)
#endif

/* The start method under test. */
mproc_start_method method_under_test(void);
const char *start_method_name(void);

/* Starts, joins and closes; the exit code, or -1000 and a CUnit failure if anything went wrong. */
int run_child(mproc_target *target, const void *argument, size_t size,
              const mproc_process_options *options);
mproc_process *start_child(mproc_target *target, const void *argument, size_t size,
                           const mproc_process_options *options);
/* Starts a child that is killed the first time it passes the fault point. */
mproc_process *start_doomed_child(mproc_target *target, const void *argument, size_t size, const char *point);
/* Starts a child that stops at the count-th passing of the fault point until its delay ends. */
mproc_process *start_delayed_child(mproc_target *target, const void *argument, size_t size, const char *point,
                                   int count);
/* Waits until it is there; false after 60 s. */
bool wait_until_delayed(mproc_process *process);
void end_delay(mproc_process *process);
/* Kills a process that holds something or waits, and has mproc look at it all the while: it was seen alive a moment
 * before it is dead. It is not joined. */
void kill_while_seen(mproc_process *process);
/* Joins and closes; the exit code. */
int end_child(mproc_process *process);

/* Waits until *word is at least `value`; false after 60 s. A word in mproc_alloc()ed memory is the event
 * that tests wait for. */
bool wait_until(_Atomic int *word, int value);
/* Waits until `count` threads of the family sleep at locks and the like; false after 60 s. */
bool wait_until_waiting(int count);
/* Blocks of memory of all small sizes, full of ones: what was freed before is in them if it can be. */
enum { MOST_ONES = 180 };
struct ones {
    mproc_memory blocks[MOST_ONES];
};
void allocate_ones(struct ones *ones);
/* Whether nobody has written to them; frees them. */
bool free_ones(struct ones *ones);
/* A thread that calls destroy(context), which destroys something, and then allocates ones in its place. */
struct remover {
    void (*destroy)(const void *context);
    const void *context;
    struct ones ones;
    _Atomic int has_destroyed;
    struct test_thread *thread;
};
void remover_start(struct remover *remover);
/* Whether it waits for somebody, as far as can be told in a moment. */
bool remover_waits(struct remover *remover);
/* Joins it. Whether what it allocated is as it was. */
bool remover_end(struct remover *remover);
/* `count` shared ints, zero. */
_Atomic int *shared_ints(mproc_memory *block, size_t count);
void sleep_briefly(void);
/* Leaves this process no descriptor; how many it holds in `natives`. 0: this system has no such limit. */
enum { MOST_HELD = 64 };
int hold_all_descriptors(intptr_t natives[MOST_HELD]);
void give_back_descriptors(const intptr_t *natives, int count);
/* Whether the process with this pid has ended within `milliseconds`. */
bool pid_ends_within(int64_t pid, int milliseconds);
/* A target that ends only when it is ended. */
int hang_for_ever(void *argument);

#endif
