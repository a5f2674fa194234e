/* SPDX-License-Identifier: MIT */
/* What a process knows of another: name, daemon, pid, is_alive, join with a time-out, exitcode and
 * authkey. */
#include <mproc.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int sleep_for_ever(void *arg)
{
    (void) arg;
    mproc_sleep(MPROC_FOREVER);
    return 0;
}

struct key {
    unsigned char bytes[256];
    size_t size;
};

static int compare_keys(void *arg) /* exit code 5: the child has its parent's key */
{
    const struct key *parents = arg;
    struct key own;
    MPROC_MUST(mproc_get_authkey(own.bytes, sizeof own.bytes, &own.size));
    return own.size == parents->size && memcmp(own.bytes, parents->bytes, own.size) == 0 ? 5 : 6;
}

static void print_state(mproc_process *process)
{
    bool alive;
    MPROC_MUST(mproc_process_is_alive(process, &alive));
    printf("%s: is_alive: %s\n", mproc_process_name(process), alive ? "yes" : "no");

    int exit_code;
    if (mproc_process_exit_code(process, &exit_code) == MPROC_OK)
        printf("%s: exitcode: %d\n", mproc_process_name(process), exit_code);
    else
        printf("%s: exitcode: none while it runs\n", mproc_process_name(process));
}

static void show_sleeper(mproc_err (*end)(mproc_process *process), const char *name)
{
    mproc_process_options options = { .name = name, .daemon = true };
    mproc_process *sleeper;
    MPROC_MUST(mproc_process_start(&sleeper, sleep_for_ever, NULL, 0, &options));

    bool daemon;
    int64_t pid;
    MPROC_MUST(mproc_process_daemon(sleeper, &daemon));
    MPROC_MUST(mproc_process_pid(sleeper, &pid));
    printf("%s: daemon: %s\n%s: pid: %" PRId64 "\n", name, daemon ? "yes" : "no", name, pid);
    print_state(sleeper);
    printf("%s: join(100): %s\n", name, mproc_err_name(mproc_process_join(sleeper, 100)));

    MPROC_MUST(end(sleeper));
    MPROC_MUST(mproc_process_join(sleeper, MPROC_FOREVER));
    print_state(sleeper);
    MPROC_MUST(mproc_process_close(sleeper));
}

int main(void)
{
    mproc_init();

    show_sleeper(mproc_process_terminate, "terminated");
    show_sleeper(mproc_process_kill, "killed");

    struct key key;
    MPROC_MUST(mproc_get_authkey(key.bytes, sizeof key.bytes, &key.size));
    printf("authkey: %zu bytes\n", key.size);
    mproc_process *child;
    MPROC_MUST(mproc_process_start(&child, compare_keys, &key, sizeof key, NULL));
    MPROC_MUST(mproc_process_join(child, MPROC_FOREVER));
    print_state(child);
    MPROC_MUST(mproc_process_close(child));
    return 0;
}
