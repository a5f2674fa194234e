/* SPDX-License-Identifier: MIT */
/* Pickling and unpickling, beside msgpack-c where it was found.
 *
 *   python_codec.py bench_codec [ROUNDS]   the table of ratios, with Python's own pickle
 *   bench_codec SMALL INTS [SHAPE...]      one round on pickles: lines "name nanoseconds" (or bytes); a shape's are
 *                                          named after its file
 *
 * Linux only: memory is what the kernel says of a child. */
#include <mproc/pickle.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_MSGPACK
#include <msgpack.h>
#endif

enum { SMALL_COUNT = 200000, INTS = 1000000, LARGE_COUNT = 5 };

static void must(int condition)
{
    if (!condition) {
        fprintf(stderr, "bench_codec: %s\n", mproc_last_error());
        exit(1);
    }
}

/* Time of the processor, as python_codec.py takes it: other programs do not count. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

static mproc_object *small_value(void)
{
    mproc_object *object;
    must(mproc_pack(&object, "[%d, None, %s, {'a': %f}]", 42, "hello", 1.5) == MPROC_OK);
    return object;
}

static mproc_object *million_ints(void)
{
    mproc_object *list, *item;
    must(mproc_list_create(&list) == MPROC_OK);
    for (int64_t i = 0; i < INTS; i++)
        must(mproc_int_create(&item, i) == MPROC_OK && mproc_list_append(list, item) == MPROC_OK);
    return list;
}

/* ---- mproc: every pickle into a fresh buffer, as Python makes a new bytes ---- */

static void dumps(const char *name, const mproc_object *object, int count, bool fresh)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    double start = now();
    for (int i = 0; i < count; i++) {
        must(mproc_pickle_dumps(object, &pickle, NULL) == MPROC_OK);
        if (fresh)
            mproc_buffer_free(&pickle);
    }
    printf("%s %.1f\n", name, (now() - start) / count);
    mproc_buffer_free(&pickle);
}

static void loads(const char *name, const mproc_buffer *pickle, int count)
{
    mproc_object *object;
    double start = now();
    for (int i = 0; i < count; i++) {
        must(mproc_pickle_loads(&object, pickle->data, pickle->size, NULL) == MPROC_OK);
        mproc_object_release(object);
    }
    printf("%s %.1f\n", name, (now() - start) / count);
}

static void pack_small(int count)
{
    double start = now();
    for (int i = 0; i < count; i++)
        mproc_object_release(small_value());
    printf("small_pack %.1f\n", (now() - start) / count);
}

/* From values to bytes, as msgpack packs. */
static void pack_and_dump_small(int count)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    double start = now();
    for (int i = 0; i < count; i++) {
        mproc_object *object = small_value();
        must(mproc_pickle_dumps(object, &pickle, NULL) == MPROC_OK);
        mproc_object_release(object);
        mproc_buffer_free(&pickle);
    }
    printf("small_pack_dumps %.1f\n", (now() - start) / count);
}

static void shape(const char *path, const mproc_buffer *pickle)
{
    char name[100];
    const char *slash = strrchr(path, '/');
    mproc_object *object;
    must(mproc_pickle_loads(&object, pickle->data, pickle->size, NULL) == MPROC_OK);
    snprintf(name, sizeof name, "%s_dumps", slash ? slash + 1 : path);
    dumps(name, object, LARGE_COUNT, true);
    mproc_object_release(object);
    snprintf(name, sizeof name, "%s_loads", slash ? slash + 1 : path);
    loads(name, pickle, LARGE_COUNT);
}

/* ---- memory ---- */

static long status_kib(const char *field)
{
    char line[200];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    must(file != NULL);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            value = atol(line + strlen(field) + 1);
    fclose(file);
    return value;
}

/* In a child and before everything else, for what was freed before would be used again. */
static void memory(const char *name, const mproc_buffer *pickle)
{
    fflush(NULL);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        mproc_object *object;
        mproc_buffer again = MPROC_BUFFER_INIT;
        long before = status_kib("VmRSS:");
        must(mproc_pickle_loads(&object, pickle->data, pickle->size, NULL) == MPROC_OK);
        printf("%s_message %zu\n%s_memory %ld\n%s_memory_peak %ld\n", name, pickle->size, name,
               (status_kib("VmRSS:") - before) * 1024, name, (status_kib("VmHWM:") - before) * 1024);
        must(mproc_pickle_dumps(object, &again, NULL) == MPROC_OK);
        printf("%s_written %zu\n%s_buffer %zu\n", name, again.size, name, again.capacity);
        mproc_buffer_free(&again);
        mproc_object_release(object);
        fflush(NULL);
        _exit(0);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- msgpack ---- */

#ifdef HAVE_MSGPACK
/* Volatile, or the compiler packs them when it compiles. */
static volatile int64_t an_int = 42;
static volatile double a_float = 1.5;
static volatile size_t a_length = 5;

static void msgpack_small(msgpack_packer *packer)
{
    size_t length = a_length;
    msgpack_pack_array(packer, 4);
    msgpack_pack_int64(packer, an_int);
    msgpack_pack_nil(packer);
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, "hello", length);
    msgpack_pack_map(packer, 1);
    msgpack_pack_str(packer, 1);
    msgpack_pack_str_body(packer, "a", 1);
    msgpack_pack_double(packer, a_float);
}

static void msgpack_ints(msgpack_packer *packer)
{
    msgpack_pack_array(packer, INTS);
    for (int64_t i = 0; i < INTS; i++)
        msgpack_pack_int64(packer, i);
}

static void msgpack_case(const char *what, void (*pack)(msgpack_packer *), int count)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    double start = now();
    for (int i = 0; i < count; i++) {
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        pack(&packer);
        if (i + 1 < count)
            msgpack_sbuffer_destroy(&buffer);
    }
    printf("%s_msgpack_pack %.1f\n", what, (now() - start) / count);
    start = now();
    for (int i = 0; i < count; i++) {
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        must(msgpack_unpack_next(&unpacked, buffer.data, buffer.size, NULL) == MSGPACK_UNPACK_SUCCESS);
        msgpack_unpacked_destroy(&unpacked);
    }
    printf("%s_msgpack_unpack %.1f\n", what, (now() - start) / count);
    msgpack_sbuffer_destroy(&buffer);
}
#endif

static mproc_buffer read_file(const char *path)
{
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    FILE *file = fopen(path, "rb");
    must(file && fseek(file, 0, SEEK_END) == 0);
    pickle.size = (size_t) ftell(file);
    pickle.capacity = pickle.size;
    pickle.data = malloc(pickle.size);
    rewind(file);
    must(pickle.data && fread(pickle.data, 1, pickle.size, file) == pickle.size);
    fclose(file);
    return pickle;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_codec SMALL INTS [SHAPE...] (pickles that python_codec.py makes)\n");
        return 2;
    }
    mproc_buffer *pickles = calloc((size_t) argc, sizeof *pickles);
    must(pickles != NULL);
    for (int i = 1; i < argc; i++)
        pickles[i] = read_file(argv[i]);
    for (int i = 2; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        memory(slash ? slash + 1 : argv[i], &pickles[i]);
    }
    mproc_object *small = small_value(), *ints = million_ints();
    dumps("small_dumps", small, SMALL_COUNT, true);
    dumps("small_dumps_again", small, SMALL_COUNT, false);
    loads("small_loads", &pickles[1], SMALL_COUNT);
    pack_small(SMALL_COUNT);
    pack_and_dump_small(SMALL_COUNT);
    dumps("ints_dumps", ints, LARGE_COUNT, true);
    loads("ints_loads", &pickles[2], LARGE_COUNT);
    for (int i = 3; i < argc; i++)
        shape(argv[i], &pickles[i]);
#ifdef HAVE_MSGPACK
    msgpack_case("small", msgpack_small, SMALL_COUNT);
    msgpack_case("ints", msgpack_ints, LARGE_COUNT);
#endif
    mproc_object_release(small);
    mproc_object_release(ints);
    for (int i = 1; i < argc; i++)
        mproc_buffer_free(&pickles[i]);
    free(pickles);
    return 0;
}
