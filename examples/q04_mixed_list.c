/* SPDX-License-Identifier: MIT */
/* A list of values of different types, ['shen', None, 1995], from a child to its parent: a struct says
 * what each value is. (Bytes of any length: MPROC_VARIABLE.) */
#include <mproc.h>

#include <stdio.h>
#include <string.h>

struct value {
    enum { NONE, INTEGER, TEXT } type;
    union {
        int integer;
        char text[16];
    } as;
};

static int send_list(void *argument)
{
    mproc_queue queue = *(mproc_queue *) argument;
    struct value list[3] = { { .type = TEXT, .as = { .text = "shen" } },
                             { .type = NONE },
                             { .type = INTEGER, .as = { .integer = 1995 } } };
    MPROC_MUST(mproc_queue_put_bytes(queue, list, sizeof list, MPROC_FOREVER));
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_queue queue;
    MPROC_MUST(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    mproc_process *process;
    MPROC_MUST(mproc_process_start(&process, send_list, &queue, sizeof queue, NULL));

    struct value list[10];
    size_t size;
    MPROC_MUST(mproc_queue_get_bytes(queue, list, sizeof list, &size, MPROC_FOREVER));
    for (size_t i = 0; i < size / sizeof list[0]; i++)
        switch (list[i].type) {
        case NONE:
            printf("None\n");
            break;
        case INTEGER:
            printf("int %d\n", list[i].as.integer);
            break;
        case TEXT:
            printf("str '%s'\n", list[i].as.text);
            break;
        }
    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    return 0;
}
