/* SPDX-License-Identifier: MIT */
/* Process records that somebody wrote over: refused, or all that a child reads of them lies within the block.
 * The input: nine bytes with the sizes of the parts, one that says how much of the end is missing, then changes of
 * ten bytes: where (two bytes, from the block's beginning) and eight bytes that are put there. Inputs that begin
 * with 'T' are texts for MPROC_BOOT. */
#include "arena.h"
#include "boot.h"
#include "mproc.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SIZES = 9, CHANGE = 10 };

/* As children do. */
static unsigned read_all(struct record *record)
{
    const struct span spans[] = { record->argument,    record->name,    record->numbers,
                                  record->parent_name, record->inherit, record->function_path,
                                  record->environment, record->cpus,    record->authkey };
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        const unsigned char *part = mproc__record_bytes(record, spans[i]);
        for (uint64_t at = 0; part && at < spans[i].size; at++)
            sum += part[at];
    }
    const char *texts[] = { mproc__record_bytes(record, record->name), mproc__record_bytes(record, record->numbers),
                            mproc__record_bytes(record, record->parent_name),
                            mproc__record_bytes(record, record->function_path) };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sum += texts[i] ? (unsigned) strlen(texts[i]) : 0;
    const char *entry = mproc__record_bytes(record, record->environment);
    for (const char *end = entry ? entry + record->environment.size : NULL; entry < end; entry += strlen(entry) + 1)
        sum += (unsigned char) *entry;
    if (record->inherit.size / sizeof(intptr_t) > MPROC_PLAT_TEMPLATE_HANDLES)
        abort();
    return sum;
}

static struct record *make(const uint8_t *sizes, uint64_t *size)
{
    static char texts[4][256], bytes[3][256];
    static intptr_t inherit[MPROC_PLAT_TEMPLATE_HANDLES];
    static int cpus[256];
    for (int i = 0; i < 4; i++) {
        memset(texts[i], 'a' + i, sizeof texts[i]);
        texts[i][sizes[i] % 200] = '\0';
    }
    bytes[1][sizes[5]] = '\0';
    const struct record_parts parts = {
        .name = texts[0],
        .numbers = texts[1],
        .parent_name = texts[2],
        .function_path = sizes[3] ? texts[3] : NULL,
        .argument = bytes[0],
        .argument_size = sizes[4],
        .environment = bytes[1],
        .environment_size = sizes[5],
        .authkey = bytes[2],
        .authkey_size = sizes[6],
        .inherit = inherit,
        .inherit_count = sizes[7] % MPROC_PLAT_TEMPLATE_HANDLES,
        .cpus = cpus,
        .cpu_count = sizes[8],
    };
    uint64_t handle;
    struct record *made, *copy;
    if (mproc__record_create(&parts, &handle, &made) != MPROC_OK)
        abort();
    *size = mproc__arena_size(BLOCK_RECORD, handle);
    if (mproc__record_check(made, *size) != MPROC_OK)
        abort();
    copy = malloc((size_t) *size); /* where the address sanitizer sees its end */
    if (!copy)
        abort();
    memcpy(copy, made, (size_t) *size);
    mproc__arena_free(BLOCK_RECORD, handle);
    return copy;
}

static void boot_text(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1), again[BOOT_SIZE];
    struct boot boot, back;
    if (!text)
        abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (mproc__boot_read(text, &boot)) {
        mproc__boot_write(&boot, again);
        if (!mproc__boot_read(again, &back) || memcmp(&boot, &back, sizeof boot) != 0)
            abort();
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > 0 && bytes[0] == 'T') {
        boot_text(bytes + 1, size - 1);
        return 0;
    }
    if (size <= SIZES)
        return 0;
    mproc_init();
    uint64_t length;
    struct record *record = make(bytes, &length);
    for (size_t at = SIZES + 1; at + CHANGE <= size; at += CHANGE) {
        size_t where = bytes[at] | (size_t) bytes[at + 1] << 8;
        for (size_t i = 0; i < 8 && where + i < length; i++)
            ((unsigned char *) record)[where + i] = bytes[at + 2 + i];
    }
    uint64_t cut = bytes[SIZES] < length ? length - bytes[SIZES] : 0;
    struct record *rest = realloc(record, cut ? (size_t) cut : 1);
    if (!rest)
        abort();
    volatile unsigned sum = 0;
    if (mproc__record_check(rest, cut) == MPROC_OK)
        sum += read_all(rest);
    (void) sum;
    free(rest);
    return 0;
}
