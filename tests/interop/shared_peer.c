/* SPDX-License-Identifier: MIT */
/* The C side of test_shared_memory.py. Prints what it sees; each run does one thing.
 *
 *   shared_peer memory-create NAME SIZE    byte i is i * 7 modulo 256
 *   shared_peer memory-check NAME SIZE     the same bytes, plus 1; prints "ok"
 *   shared_peer list-create NAME           the values of make_values()
 *   shared_peer list-print NAME            one line per item: kind and hexadecimal bytes, or the number
 *   shared_peer list-change NAME           item i becomes what the last but i was
 *   shared_peer list-texts NAME            the values of TEXTS, which are not ASCII
 *   shared_peer list-count NAME            how many items equal each of make_searches() */
#include "mproc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 10 };

static void make_values(mproc_shareable values[VALUES])
{
    values[0] = mproc_shareable_int(7);
    values[1] = mproc_shareable_int(INT64_MIN);
    values[2] = mproc_shareable_float(-2.5);
    values[3] = mproc_shareable_bool(true);
    values[4] = mproc_shareable_bool(false);
    values[5] = mproc_shareable_none();
    values[6] = mproc_shareable_str("hello, world");
    values[7] = mproc_shareable_str("12345678");
    values[8] = mproc_shareable_bytes("a\0b", 3);
    values[9] = mproc_shareable_str("");
}

/* "h\u00e9llo", seven times U+00E9, seven times U+20AC. */
#define E_ACUTE "\xc3\xa9"
#define EURO "\xe2\x82\xac"
#define SEVEN(text) text text text text text text text
static const char *const texts[] = { "h" E_ACUTE "llo", SEVEN(E_ACUTE), SEVEN(EURO) };
enum { TEXTS = 3, SEARCHES = 6 };

static void make_searches(mproc_shareable values[SEARCHES])
{
    values[0] = mproc_shareable_float(9007199254740992.0);
    values[1] = mproc_shareable_float(9223372036854775808.0);
    values[2] = mproc_shareable_bytes("ab\0", 3);
    values[3] = mproc_shareable_bytes("ab", 2);
    values[4] = mproc_shareable_bool(true);
    values[5] = mproc_shareable_str("");
}

static void print_item(const mproc_shareable *value)
{
    switch (value->kind) {
    case MPROC_SHAREABLE_NONE: printf("none\n"); break;
    case MPROC_SHAREABLE_BOOL: printf("bool %s\n", value->integer ? "True" : "False"); break;
    case MPROC_SHAREABLE_INT: printf("int %" PRId64 "\n", value->integer); break;
    case MPROC_SHAREABLE_FLOAT: printf("float %a\n", value->real); break;
    default:
        printf(value->kind == MPROC_SHAREABLE_STR ? "str " : "bytes ");
        for (size_t i = 0; i < value->size; i++)
            printf("%02x", (unsigned char) value->data[i]);
        printf("\n");
    }
}

static int memory_create(const char *name, size_t size)
{
    mproc_shared_memory *memory;
    MPROC_MUST(mproc_shared_memory_create(&memory, name, size));
    MPROC_MUST(mproc_shared_memory_keep(memory));
    unsigned char *bytes = mproc_shared_memory_pointer(memory);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char) (i * 7);
    printf("%zu\n", mproc_shared_memory_size(memory));
    MPROC_MUST(mproc_shared_memory_close(memory));
    return 0;
}

static int memory_check(const char *name, size_t size)
{
    mproc_shared_memory *memory;
    MPROC_MUST(mproc_shared_memory_attach(&memory, name));
    const unsigned char *bytes = mproc_shared_memory_pointer(memory);
    bool right = mproc_shared_memory_size(memory) == size;
    for (size_t i = 0; i < size && right; i++)
        right = bytes[i] == (unsigned char) (i * 7 + 1);
    printf(right ? "ok\n" : "wrong\n");
    MPROC_MUST(mproc_shared_memory_close(memory));
    return 0;
}

static int list_create(const char *name)
{
    mproc_shareable values[VALUES];
    mproc_shareable_list *list;
    make_values(values);
    MPROC_MUST(mproc_shareable_list_create(&list, name, values, VALUES));
    MPROC_MUST(mproc_shared_memory_keep(mproc_shareable_list_memory(list)));
    MPROC_MUST(mproc_shareable_list_close(list));
    return 0;
}

static int list_print(const char *name)
{
    mproc_shareable_list *list;
    MPROC_MUST(mproc_shareable_list_attach(&list, name));
    for (size_t i = 0; i < mproc_shareable_list_length(list); i++) {
        mproc_shareable value;
        MPROC_MUST(mproc_shareable_list_get(list, (int64_t) i, &value));
        print_item(&value);
    }
    MPROC_MUST(mproc_shareable_list_close(list));
    return 0;
}

static int list_change(const char *name)
{
    mproc_shareable values[VALUES];
    mproc_shareable_list *list;
    make_values(values);
    MPROC_MUST(mproc_shareable_list_attach(&list, name));
    for (int i = 0; i < VALUES; i++) {
        mproc_err err = mproc_shareable_list_set(list, i, &values[VALUES - 1 - i]);
        printf("%s\n", err == MPROC_OK ? "set" : mproc_err_name(err));
    }
    MPROC_MUST(mproc_shareable_list_close(list));
    return 0;
}

static int list_texts(const char *name)
{
    mproc_shareable values[TEXTS];
    mproc_shareable_list *list;
    for (int i = 0; i < TEXTS; i++)
        values[i] = mproc_shareable_str(texts[i]);
    MPROC_MUST(mproc_shareable_list_create(&list, name, values, TEXTS));
    MPROC_MUST(mproc_shared_memory_keep(mproc_shareable_list_memory(list)));
    MPROC_MUST(mproc_shareable_list_close(list));
    return 0;
}

static int list_count(const char *name)
{
    mproc_shareable values[SEARCHES];
    mproc_shareable_list *list;
    make_searches(values);
    MPROC_MUST(mproc_shareable_list_attach(&list, name));
    for (int i = 0; i < SEARCHES; i++) {
        size_t count;
        MPROC_MUST(mproc_shareable_list_count(list, &values[i], &count));
        printf("%zu\n", count);
    }
    MPROC_MUST(mproc_shareable_list_close(list));
    return 0;
}

static int byte_order(void)
{
    const int one = 1;
    puts(*(const char *) &one ? "little" : "big");
    return 0;
}

int main(int argc, char **argv)
{
    mproc_init();
    if (argc < 3)
        return 2;
    size_t size = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    if (strcmp(argv[1], "memory-create") == 0)
        return memory_create(argv[2], size);
    if (strcmp(argv[1], "memory-check") == 0)
        return memory_check(argv[2], size);
    if (strcmp(argv[1], "byte-order") == 0)
        return byte_order();
    if (strcmp(argv[1], "list-create") == 0)
        return list_create(argv[2]);
    if (strcmp(argv[1], "list-print") == 0)
        return list_print(argv[2]);
    if (strcmp(argv[1], "list-texts") == 0)
        return list_texts(argv[2]);
    if (strcmp(argv[1], "list-count") == 0)
        return list_count(argv[2]);
    return strcmp(argv[1], "list-change") == 0 ? list_change(argv[2]) : 2;
}
