/* SPDX-License-Identifier: MIT */
/* A list of values of different types, ['shen', None, 1995], from a child to its parent by a queue. It is an
 * object as Python has it, and travels as a pickle. */
#include <mproc.h>

#include <stdio.h>

static int send_list(void *argument)
{
    mproc_queue queue = *(mproc_queue *) argument;
    mproc_object *list;
    MPROC_MUST(mproc_pack(&list, "['shen', None, 1995]"));
    MPROC_MUST(mproc_queue_put_object(queue, list, MPROC_FOREVER));
    mproc_object_release(list);
    return 0;
}

static void print(const mproc_object *object)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    MPROC_MUST(mproc_object_repr(object, &text));
    printf("%s: %s\n", mproc_type_name(mproc_object_type(object)), text.data);
    mproc_buffer_free(&text);
}

int main(void)
{
    mproc_init();

    mproc_queue queue;
    MPROC_MUST(mproc_queue_create(&queue, MPROC_VARIABLE, 0));
    mproc_process *process;
    MPROC_MUST(mproc_process_start(&process, send_list, &queue, sizeof queue, NULL));

    mproc_object *list, *item;
    size_t length;
    MPROC_MUST(mproc_queue_get_object(queue, &list, MPROC_FOREVER));
    MPROC_MUST(mproc_object_len(list, &length));
    print(list);
    for (size_t i = 0; i < length; i++) {
        MPROC_MUST(mproc_object_item(list, (int64_t) i, &item));
        print(item); /* borrowed from the list */
    }
    mproc_object_release(list);

    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(process));
    MPROC_MUST(mproc_queue_destroy(queue));
    return 0;
}
