/* SPDX-License-Identifier: MIT */
/* A program with every mistake about the guard, chosen by its argument or, in the child, by MISTAKE.
 *   guard_program start-before-init    prints MPROC_ENOINIT and the sentence
 *   guard_program returns|hangs        its child returns or hangs before mproc_init()
 *   guard_program another PATH         starts a child by set_executable(PATH), prints the error
 *   guard_program vanishes             starts a child when its own file is gone, and when it is another
 * WAY in the environment says by which call the child's end is waited for: join, wait_any, wait, is_alive. With
 * pool it is a pool's worker. */
#include "mproc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int return_four(void *argument)
{
    (void) argument;
    return getenv("MPROC_BOOT") ? 99 : 4;
}

static void report(mproc_err err)
{
    printf("%s\n%s\n", mproc_err_name(err), mproc_last_error());
}

/* The way must notice the end by itself: the join at its end does not wait. */
static mproc_err wait_by(const char *way, mproc_process *process)
{
    mproc_wait_item item = mproc_wait_process(process);
    mproc_err err = MPROC_OK;
    bool alive = true;
    size_t index;
    if (strcmp(way, "join") == 0)
        return mproc_process_join(process, 60000);
    if (strcmp(way, "wait_any") == 0)
        err = mproc_process_wait_any(&process, 1, &index, 60000);
    else if (strcmp(way, "wait") == 0)
        err = mproc_wait(&item, 1, NULL, 60000);
    else
        while (alive && err == MPROC_OK)
            err = mproc_process_is_alive(process, &alive);
    return err == MPROC_OK ? mproc_process_join(process, MPROC_NOWAIT) : err;
}

static int do_nothing(const void *in, void *out)
{
    (void) in;
    (void) out;
    return 0;
}

static int use_a_pool(void)
{
    mproc_pool *pool;
    mproc_err err = mproc_pool_create(&pool, 1, NULL);
    if (err == MPROC_OK)
        err = mproc_pool_apply(pool, do_nothing, NULL, 0, NULL, 0, 60000);
    report(err);
    return 0;
}

static int start_and_report(const char *executable)
{
    mproc_process *process;
    int exit_code = -1;
    const char *way = getenv("WAY");
    if (way && strcmp(way, "pool") == 0)
        return use_a_pool();
    mproc_err err = mproc_set_executable(executable);
    if (err == MPROC_OK)
        err = mproc_process_start(&process, return_four, NULL, 0, NULL);
    if (err == MPROC_OK)
        err = wait_by(way ? way : "join", process);
    report(err);
    if (err == MPROC_OK && mproc_process_exit_code(process, &exit_code) == MPROC_OK)
        printf("exit code %d\n", exit_code);
    return 0;
}

static int vanish(const char *path)
{
    remove(path);
    printf("gone: ");
    start_and_report(NULL);
    FILE *file = fopen(path, "w");
    fputs("this is no program\n", file);
    fclose(file);
    printf("another: ");
    return start_and_report(NULL);
}

int main(int argc, char **argv)
{
    const char *mistake = getenv("MISTAKE");
    const char *wish = argc > 1 ? argv[1] : "";
    if (strcmp(wish, "start-before-init") == 0) {
        mproc_process *process;
        report(mproc_process_start(&process, return_four, NULL, 0, NULL));
        return 0;
    }
    if (getenv("MPROC_BOOT") && mistake && strcmp(mistake, "returns") == 0)
        return 0;
    if (getenv("MPROC_BOOT") && mistake && strcmp(mistake, "hangs") == 0)
        for (;;) {
        }
    mproc_init();
    if (strcmp(wish, "vanishes") == 0)
        return vanish(argv[0]);
    return start_and_report(argc > 2 ? argv[2] : NULL);
}
