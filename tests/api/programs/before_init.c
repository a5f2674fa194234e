/* SPDX-License-Identifier: MIT */
/* Calls every function before mproc_init(): each says what is missing, and none crashes. */
#include "mproc.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(mproc_err err, const char *call)
{
    if (err == MPROC_ENOINIT && strstr(mproc_last_error(), "mproc_init"))
        return;
    printf("%s: %s (%s)\n", call, mproc_err_name(err), mproc_last_error());
    failures++;
}
#define EXPECT(call) expect((call), #call)

static int do_nothing(void *argument)
{
    (void) argument;
    return 0;
}

static void finalize(void *context)
{
    (void) context;
}

static void call_processes(void)
{
    mproc_process *process = NULL, *list[1];
    mproc_runnable object = { do_nothing };
    bool flag;
    int code;
    int64_t pid;
    intptr_t native;
    size_t number;
    char text[10];
    mproc_start_method method;
    EXPECT(mproc_process_start(&process, do_nothing, NULL, 0, NULL));
    EXPECT(mproc_process_start_object(&process, &object, sizeof object, NULL));
    EXPECT(mproc_fork(&process));
    EXPECT(mproc_process_join(process, 0));
    EXPECT(mproc_process_wait_any(&process, 1, &number, 0));
    EXPECT(mproc_process_is_alive(process, &flag));
    EXPECT(mproc_process_exit_code(process, &code));
    EXPECT(mproc_process_describe(process, text, sizeof text));
    EXPECT(mproc_process_pid(process, &pid));
    EXPECT(mproc_process_daemon(process, &flag));
    EXPECT(mproc_process_start_method(process, &method));
    EXPECT(mproc_process_sentinel(process, &native));
    EXPECT(mproc_process_terminate(process));
    EXPECT(mproc_process_interrupt(process));
    EXPECT(mproc_process_kill(process));
    EXPECT(mproc_process_stop(process, 0));
    EXPECT(mproc_process_stop_tree(process, 0));
    EXPECT(mproc_process_close(process));
    EXPECT(mproc_active_children(list, 1, &number));
    if (mproc_process_name(process) || mproc_current_process() || mproc_parent_process())
        EXPECT(MPROC_OK);
}

static void call_settings(void)
{
    unsigned char key[256];
    size_t size;
    EXPECT(mproc_set_start_method(MPROC_START_SPAWN, false));
    EXPECT(mproc_set_executable("x"));
    EXPECT(mproc_set_forkserver_warmup(NULL));
    EXPECT(mproc_set_authkey("x", 1));
    EXPECT(mproc_get_authkey(key, sizeof key, &size));
    EXPECT(mproc_at_exit(finalize, NULL));
}

static void call_objects(void)
{
    mproc_lock lock = { 0 };
    mproc_memory block = { 0 };
    EXPECT(mproc_lock_create(&lock));
    lock.id = 4711;
    EXPECT(mproc_lock_acquire(lock, 0));
    EXPECT(mproc_lock_release(lock));
    EXPECT(mproc_lock_destroy(lock));
    EXPECT(mproc_alloc(&block, 10));
    block.id = 4711;
    EXPECT(mproc_free(block));
    if (mproc_pointer(block) || mproc_size(block))
        EXPECT(MPROC_OK);
}

static void call_locks(void)
{
    mproc_rlock rlock = { 4711 };
    mproc_semaphore semaphore = { 4711 };
    mproc_permits permits = { 4711 };
    mproc_event event = { 4711 };
    mproc_rwlock rwlock = { 4711 };
    EXPECT(mproc_rlock_acquire(rlock, 0));
    EXPECT(mproc_rlock_release(rlock));
    EXPECT(mproc_rlock_consistent(rlock));
    EXPECT(mproc_rlock_create(&rlock));
    EXPECT(mproc_semaphore_acquire(semaphore, 0));
    EXPECT(mproc_semaphore_release(semaphore));
    EXPECT(mproc_semaphore_create(&semaphore, 1));
    EXPECT(mproc_permits_acquire(permits, 0));
    EXPECT(mproc_permits_release(permits));
    EXPECT(mproc_permits_create(&permits, 1));
    EXPECT(mproc_event_set(event));
    EXPECT(mproc_event_clear(event));
    EXPECT(mproc_event_wait(event, 0));
    EXPECT(mproc_event_create(&event));
    EXPECT(mproc_rwlock_acquire_read(rwlock, 0));
    EXPECT(mproc_rwlock_acquire_write(rwlock, 0));
    EXPECT(mproc_rwlock_release(rwlock));
    EXPECT(mproc_rwlock_consistent(rwlock));
    EXPECT(mproc_rwlock_create(&rwlock));
    if (mproc_rlock_locked(rlock) || mproc_event_is_set(event) || mproc_semaphore_value(semaphore) != -1 ||
        mproc_permits_free(permits) != -1)
        EXPECT(MPROC_OK);
}

static bool always(void *context)
{
    (void) context;
    return true;
}

static void call_conditions_and_barriers(void)
{
    mproc_condition condition = { 4711 };
    mproc_barrier barrier = { 4711 };
    EXPECT(mproc_condition_acquire(condition, 0));
    EXPECT(mproc_condition_release(condition));
    EXPECT(mproc_condition_consistent(condition));
    EXPECT(mproc_condition_wait(condition, 0));
    EXPECT(mproc_condition_wait_for(condition, always, NULL, 0));
    EXPECT(mproc_condition_notify(condition, 1));
    EXPECT(mproc_condition_notify_all(condition));
    EXPECT(mproc_condition_create(&condition));
    EXPECT(mproc_condition_create_lock(&condition, (mproc_lock){ 4711 }));
    EXPECT(mproc_condition_create_rlock(&condition, (mproc_rlock){ 4711 }));
    EXPECT(mproc_barrier_wait(barrier, NULL, 0));
    EXPECT(mproc_barrier_reset(barrier));
    EXPECT(mproc_barrier_abort(barrier));
    EXPECT(mproc_barrier_create(&barrier, 1));
    if (mproc_barrier_parties(barrier) != -1 || mproc_barrier_waiting(barrier) != -1 || mproc_barrier_broken(barrier))
        EXPECT(MPROC_OK);
}

static void call_values(void)
{
    mproc_value value = { 4711 };
    mproc_array array = { 4711 };
    int64_t number = 0;
    double real = 0;
    EXPECT(mproc_value_get(value, &number));
    EXPECT(mproc_value_set(value, &number));
    EXPECT(mproc_value_add_int(value, 1, &number));
    EXPECT(mproc_value_add_float(value, 1, &real));
    EXPECT(mproc_value_create(&value, 'i'));
    EXPECT(mproc_value_create_lock(&value, 'i', (mproc_rlock){ 4711 }));
    EXPECT(mproc_array_get(array, 0, 1, &number));
    EXPECT(mproc_array_set(array, 0, 1, &number));
    EXPECT(mproc_array_get_int(array, 0, &number));
    EXPECT(mproc_array_set_int(array, 0, 1));
    EXPECT(mproc_array_get_float(array, 0, &real));
    EXPECT(mproc_array_set_float(array, 0, 1));
    EXPECT(mproc_array_create(&array, 'i', 1));
    if (mproc_value_pointer(value) || mproc_array_pointer(array) || mproc_array_length(array))
        EXPECT(MPROC_OK);
}

int main(void)
{
    char text[10] = "x";
    mproc_start_method methods[3];
    call_locks();
    call_conditions_and_barriers();
    call_values();
    if (mproc_describe_locks(text, sizeof text) != 0 || text[0])
        EXPECT(MPROC_OK);
    call_processes();
    call_settings();
    call_objects();
    /* These need no guard. */
    mproc_log(MPROC_LOG_ERROR, "before the guard");
    mproc_set_log_callback(NULL, NULL);
    mproc_sleep(1);
    if (mproc_pid() <= 0 || mproc_cpu_count() < 1 || mproc_get_all_start_methods(methods, 3) == 0 ||
        mproc_get_start_method() == MPROC_START_DEFAULT || mproc_get_log_level() != MPROC_LOG_OFF)
        EXPECT(MPROC_OK);
    mproc_init();
    mproc_init();
    mproc_lock lock;
    if (mproc_lock_create(&lock) != MPROC_OK || mproc_lock_destroy(lock) != MPROC_OK)
        EXPECT(MPROC_OK);
    return failures;
}
