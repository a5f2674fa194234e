/* SPDX-License-Identifier: MIT */
/* Five children append to a global list. Each appends to a list of its own: the parent's stays
 * empty. What processes are to share lies in memory from mproc_alloc. */
#include <mproc.h>

#include <stdio.h>

enum { CHILDREN = 5 };

static int list[CHILDREN];
static int list_length;

static void print_list(const char *whose)
{
    printf("%s list: [", whose);
    for (int i = 0; i < list_length; i++)
        printf(i == 0 ? "%d" : ", %d", list[i]);
    puts("]");
}

static int append(void *arg)
{
    const int *element = arg;
    list[list_length++] = *element;
    print_list(mproc_process_name(mproc_current_process()));
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_process *children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        MPROC_MUST(mproc_process_start(&children[i], append, &i, sizeof i, NULL));
    for (int i = 0; i < CHILDREN; i++) {
        MPROC_MUST(mproc_process_join(children[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(children[i]));
    }
    print_list("parent");
    return 0;
}
