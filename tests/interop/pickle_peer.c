/* SPDX-License-Identifier: MIT */
/* The C side of test_pickle.py: reads pickles from stdin, answers with what mproc makes of them.
 *
 *   request: protocol to answer in, 1 byte (with 128: keep what is unknown; 64: compare the pairs of the
 *            list that comes); size, 4 bytes little-endian; the pickle
 *   answer:  mproc_err, 1 byte; size and pickle (or how each pair compares, or the error's sentence); size and repr
 * Ends at the end of stdin. */
#include <mproc/pickle.h>

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

static void must(int condition)
{
    if (!condition)
        exit(2);
}

static size_t read_size(void)
{
    unsigned char size[4];
    must(fread(size, 1, 4, stdin) == 4);
    return size[0] | (size_t) size[1] << 8 | (size_t) size[2] << 16 | (size_t) size[3] << 24;
}

static void write_sized(const char *data, size_t size)
{
    unsigned char head[4] = { (unsigned char) size, (unsigned char) (size >> 8), (unsigned char) (size >> 16),
                              (unsigned char) (size >> 24) };
    must(fwrite(head, 1, 4, stdout) == 4 && fwrite(data, 1, size, stdout) == size);
}

static mproc_err convert(const char *data, size_t size, int how, mproc_buffer *pickle, mproc_buffer *text)
{
    mproc_pickle_options options = { .protocol = how & 127, .keep_unknown = (how & 128) != 0 };
    mproc_object *object, *copy;
    mproc_err err = mproc_pickle_loads(&object, data, size, &options);
    if (err != MPROC_OK)
        return err;
    err = mproc_object_copy(&copy, object);
    if (err == MPROC_OK) {
        err = mproc_pickle_dumps(copy, pickle, &options);
        mproc_object_release(copy);
    }
    if (err == MPROC_OK)
        err = mproc_object_repr(object, text);
    mproc_object_release(object);
    return err;
}

/* Whether b is in {a}; with others in it too, that there is an index. 'u': unhashable. */
static char is_in_set_of(mproc_object *a, const mproc_object *b, size_t others)
{
    mproc_object *set;
    bool has = false;
    must(mproc_set_create(&set) == MPROC_OK);
    for (size_t i = 0; i < others; i++) {
        mproc_object *other;
        must(mproc_pack(&other, "('filler', %zu)", i) == MPROC_OK && mproc_set_add(set, other) == MPROC_OK);
        mproc_object_release(other);
    }
    bool hashable = mproc_set_add(set, a) == MPROC_OK && mproc_set_has(set, b, &has) == MPROC_OK;
    mproc_object_release(set);
    return hashable ? (char) ('0' + has) : 'u';
}

static mproc_err compare(const char *data, size_t size, mproc_buffer *answer)
{
    mproc_object *list, *pair, *a, *b;
    mproc_err err = mproc_pickle_loads(&list, data, size, NULL);
    if (err != MPROC_OK)
        return err;
    size_t count = 0;
    must(mproc_object_len(list, &count) == MPROC_OK);
    answer->data = realloc(answer->data, 4 * count + 1);
    answer->capacity = 4 * count + 1;
    answer->size = 0;
    must(answer->data != NULL);
    for (size_t i = 0; i < count; i++) {
        bool equal = false;
        must(mproc_object_item(list, (int64_t) i, &pair) == MPROC_OK);
        must(mproc_object_item(pair, 0, &a) == MPROC_OK && mproc_object_item(pair, 1, &b) == MPROC_OK);
        must(mproc_object_equal(a, b, &equal) == MPROC_OK);
        char found[] = { (char) ('0' + equal), is_in_set_of(a, b, i % 2 * 12), mproc_object_is_true(a) ? '1' : '0',
                         ' ' };
        for (size_t k = 0; k < sizeof found; k++)
            answer->data[answer->size++] = found[k];
    }
    mproc_object_release(list);
    return MPROC_OK;
}

int main(void)
{
#ifdef _WIN32
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    mproc_buffer pickle = MPROC_BUFFER_INIT, text = MPROC_BUFFER_INIT;
    int how;
    while ((how = getchar()) != EOF) {
        size_t size = read_size();
        char *data = malloc(size + 1); /* exactly, so that a sanitizer sees a read behind it */
        must(data && fread(data, 1, size, stdin) == size);
        mproc_err err = how & 64 ? compare(data, size, &pickle) : convert(data, size, how, &pickle, &text);
        if (how & 64)
            text.size = 0;
        free(data);
        putchar(err);
        if (err == MPROC_OK) {
            write_sized(pickle.data, pickle.size);
            write_sized(text.data, text.size);
        } else {
            const char *sentence = mproc_last_error();
            size_t length = 0;
            while (sentence[length])
                length++;
            write_sized(sentence, length);
            write_sized("", 0);
        }
        fflush(stdout);
    }
    mproc_buffer_free(&pickle);
    mproc_buffer_free(&text);
    return 0;
}
