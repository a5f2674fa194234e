/* SPDX-License-Identifier: MIT */
/* A "subclass" of Process: a struct with data and a run function of its own. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>

struct greeter {
    mproc_runnable runnable; /* comes first, and makes the struct one that can be started */
    char whom[16];
    mproc_lock gate;
};

static int greeter_run(void *arg)
{
    const struct greeter *self = arg;
    MPROC_MUST(mproc_lock_acquire(self->gate, MPROC_FOREVER));
    printf("hello %s from %s, process %" PRId64 "\n", self->whom,
           mproc_process_name(mproc_current_process()), mproc_pid());
    MPROC_MUST(mproc_lock_release(self->gate));
    return 7;
}

static void print_alive(mproc_process *process)
{
    bool alive;
    MPROC_MUST(mproc_process_is_alive(process, &alive));
    printf("is_alive: %s\n", alive ? "yes" : "no");
}

int main(void)
{
    mproc_init();

    struct greeter greeter = { .runnable.run = greeter_run, .whom = "bob" };
    MPROC_MUST(mproc_lock_create(&greeter.gate));
    MPROC_MUST(mproc_lock_acquire(greeter.gate, MPROC_FOREVER)); /* it is to be seen alive */

    mproc_process *process;
    MPROC_MUST(mproc_process_start_object(&process, &greeter.runnable, sizeof greeter, NULL));
    int64_t pid;
    MPROC_MUST(mproc_process_pid(process, &pid));
    printf("name: %s\npid: %" PRId64 "\n", mproc_process_name(process), pid);
    print_alive(process);
    fflush(stdout);

    MPROC_MUST(mproc_lock_release(greeter.gate));
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    int exit_code;
    MPROC_MUST(mproc_process_exit_code(process, &exit_code));
    print_alive(process);
    printf("exitcode: %d\n", exit_code);
    MPROC_MUST(mproc_process_close(process));
    MPROC_MUST(mproc_lock_destroy(greeter.gate));
    return 0;
}
