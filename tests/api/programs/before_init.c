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

int main(void)
{
    mproc_start_method methods[3];
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
