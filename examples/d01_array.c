/* SPDX-License-Identifier: MIT */
/* Array of int, [1, 2, 3, 4]: ten processes add 100 to its first item, and each prints what it made of it.
 * Under the array's lock they print 101 ... 1001, each once. */
#include <mproc.h>

#include <stdio.h>

enum { PROCESSES = 10 };

static int add_hundred(void *arg)
{
    mproc_array array = *(mproc_array *) arg;
    int *numbers = mproc_array_pointer(array);

    MPROC_MUST(mproc_rlock_acquire(mproc_array_lock(array), MPROC_FOREVER));
    numbers[0] += 100;
    printf("%d\n", numbers[0]);
    fflush(stdout);
    MPROC_MUST(mproc_rlock_release(mproc_array_lock(array)));
    return 0;
}

int main(void)
{
    mproc_init();

    const int first[] = { 1, 2, 3, 4 };
    mproc_array array;
    MPROC_MUST(mproc_array_create(&array, 'i', 4));
    MPROC_MUST(mproc_array_set(array, 0, 4, first));

    mproc_process *processes[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        MPROC_MUST(mproc_process_start(&processes[i], add_hundred, &array, sizeof array, NULL));
    for (int i = 0; i < PROCESSES; i++)
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));

    int *numbers = mproc_array_pointer(array);
    printf("[%d, %d, %d, %d]\n", numbers[0], numbers[1], numbers[2], numbers[3]);
    MPROC_MUST(mproc_array_destroy(array));
    return 0;
}
