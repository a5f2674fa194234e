/* SPDX-License-Identifier: MIT */
/* Data as Python has it: made, printed, pickled, unpickled, taken apart. What is pickled here,
 * Python's pickle.loads() reads, and the other way round. */
#include <mproc.h>

#include <stdio.h>

static void print(const char *what, const mproc_object *object)
{
    mproc_buffer text = MPROC_BUFFER_INIT;
    MPROC_MUST(mproc_object_repr(object, &text));
    printf("%s: %s\n", what, text.data);
    mproc_buffer_free(&text);
}

/* os.system('ls'): what an attacker would send. */
static const char hostile[] = "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.";

int main(void)
{
    /* A Python literal with printf's holes; the compiler checks them. */
    mproc_object *order;
    MPROC_MUST(mproc_pack(&order, "{'id': %d, 'who': %s, 'items': [('tea', 2), ('milk', 0.5)], 'paid': None}", 17,
                          "Zo\xc3\xab"));
    MPROC_MUST(mproc_dict_set_str(order, "paid", mproc_true()));
    print("order", order);

    mproc_buffer pickle = MPROC_BUFFER_INIT;
    MPROC_MUST(mproc_pickle_dumps(order, &pickle, NULL));
    mproc_object_release(order);
    printf("pickled: %zu bytes\n", pickle.size);

    mproc_object *copy;
    MPROC_MUST(mproc_pickle_loads(&copy, pickle.data, pickle.size, NULL));
    mproc_buffer_free(&pickle);

    int id;
    const char *who, *first;
    double amount;
    MPROC_MUST(mproc_unpack(copy, "{'id': %d, 'who': %ms, 'items': [(%ms, %lf), ...]}", &id, &who, &first, &amount));
    printf("unpacked: order %d of %s begins with %s times %g\n", id, who, first, amount);
    mproc_object_release(copy);

    /* Reading never calls anything. */
    mproc_object *none;
    mproc_err err = mproc_pickle_loads(&none, hostile, sizeof hostile - 1, NULL);
    printf("hostile: %s\n", mproc_err_name(err));
    return err == MPROC_EPROTO ? 0 : 1;
}
