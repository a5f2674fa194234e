/* SPDX-License-Identifier: MIT */
/* From options to a start plan: everything that can be refused is refused here, in the parent. */
#include "start.h"

#include "compiler.h"
#include "function.h"
#include "log.h"
#include "runtime.h"
#include "self.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mproc_err check_environment(const char *const *environment)
{
    for (; environment && *environment; environment++)
        if (**environment == '\0' || **environment == '=')
            return mproc__fail(MPROC_EINVAL,
                               "environment addition \"%s\" has no name; write NAME=value or NAME",
                               *environment);
    return MPROC_OK;
}

static mproc_err check_options(const mproc_process_options *options)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
        if (options->reserved[i])
            return mproc__fail(MPROC_EINVAL, "options.reserved must be zero: initialise the whole "
                                             "struct with { 0 }");
    if (options->name && (strlen(options->name) == 0 || strlen(options->name) > 200))
        return mproc__fail(MPROC_EINVAL, "a process name has 1 to 200 bytes");
    if ((!options->inherit && options->inherit_count) || (!options->cpus && options->cpu_count) ||
        (options->cpus && options->cpu_count == 0))
        return mproc__fail(MPROC_EINVAL, "a list in the options and its count contradict each other");
    if (options->inherit_count > MPROC_PLAT_TEMPLATE_HANDLES - 4)
        return mproc__fail(MPROC_EINVAL, "at most %d handles can be inherited",
                           MPROC_PLAT_TEMPLATE_HANDLES - 4);
    for (size_t i = 0; i < options->inherit_count; i++) {
        mproc_err err = mproc_plat_handle_check(options->inherit[i]);
        if (err != MPROC_OK)
            return err;
    }
    mproc_err err = mproc__check_method(options->start_method);
    if (err == MPROC_OK)
        err = check_environment(options->environment);
    if (err == MPROC_OK)
        err = mproc_plat_confine_check(&options->limits, options->cpus, options->cpu_count);
    return err;
}

/* ---- standard streams and the folder ---- */

/* The null device is every child's stdin: opened once. */
static mproc_err null_input(mproc_plat_handle *handle)
{
    static mproc_plat_handle cached = MPROC_PLAT_NONE;
    mproc_err err = cached == MPROC_PLAT_NONE ? mproc_plat_stdio_open(0, NULL, &cached) : MPROC_OK;
    *handle = cached;
    return err;
}

static mproc_err open_stream(struct start_plan *plan, int stream, const mproc_stdio *wish)
{
    switch (wish->kind) {
    case MPROC_STDIO_INHERIT:
        plan->null_input = stream == 0 ? plan->function || plan->is_template : plan->null_input;
        return stream == 0 && plan->null_input ? null_input(&plan->standard[0]) : MPROC_OK;
    case MPROC_STDIO_PARENT:
        return MPROC_OK;
    case MPROC_STDIO_NATIVE:
        plan->standard[stream] = wish->native;
        return mproc_plat_handle_check(wish->native);
    case MPROC_STDIO_NULL:
    case MPROC_STDIO_PATH:
        if (wish->kind == MPROC_STDIO_PATH && !wish->path)
            return mproc__fail(MPROC_EINVAL, "MPROC_STDIO_PATH without a path");
        plan->standard_owned[stream] = true;
        return mproc_plat_stdio_open(stream, wish->kind == MPROC_STDIO_PATH ? wish->path : NULL,
                                     &plan->standard[stream]);
    }
    return mproc__fail(MPROC_EINVAL, "stdio kind %d is none of MPROC_STDIO_*", (int) wish->kind);
}

static mproc_err open_everything(struct start_plan *plan)
{
    mproc_err err = open_stream(plan, 0, &plan->options.standard_input);
    if (err == MPROC_OK)
        err = open_stream(plan, 1, &plan->options.standard_output);
    if (err == MPROC_OK)
        err = open_stream(plan, 2, &plan->options.standard_error);
    if (err == MPROC_OK && plan->options.working_directory)
        err = mproc_plat_folder_open(plan->options.working_directory, &plan->folder);
    if (err == MPROC_OK)
        err = mproc_plat_lifeline(&plan->lifeline);
    return err;
}

MPROC_IN_CHILD void mproc__plan_close(struct start_plan *plan)
{
    for (int stream = 0; stream < 3; stream++)
        if (plan->standard_owned[stream] && plan->standard[stream] != MPROC_PLAT_NONE)
            mproc_plat_handle_close(plan->standard[stream]);
    if (plan->folder != MPROC_PLAT_NONE)
        mproc_plat_handle_close(plan->folder);
}

/* ---- what it runs ---- */

static mproc_err name_function(struct start_plan *plan)
{
    if (!plan->function)
        return MPROC_OK;
    mproc_err err = mproc__function_describe(plan->function, &plan->image, &plan->offset);
    if (err != MPROC_OK || plan->method == MPROC_START_FORK)
        return err;
    const struct mproc_plat_image *main_image;
    err = mproc__main_image(&main_image);
    if (err == MPROC_OK && mproc__executable())
        err = mproc_plat_image_check_file(mproc__executable(), main_image->identity);
    if (err == MPROC_OK && !plan->image->main)
        err = mproc_plat_image_check_file(plan->image->path, plan->image->identity);
    return err;
}

/* A word that means memory here means nothing in a process with other addresses. */
static void scan_for_pointers(const struct start_plan *plan)
{
    for (size_t at = plan->is_object ? sizeof(void *) : 0; at + sizeof(void *) <= plan->size;
         at += sizeof(void *)) {
        uintptr_t word;
        memcpy(&word, (const char *) plan->argument + at, sizeof word);
        if (word >= 65536 && mproc_plat_address_mapped((const void *) word))
            mproc_log(MPROC_LOG_WARNING,
                      "the argument of %s looks like a pointer at byte %zu (%p): send bytes and handles",
                      plan->name, at, (const void *) word);
    }
}

/* By hand, since printf() takes more stack than all else here together, and a page of the stack that a
 * fork has shared costs more than the name. */
static void append(char **end, const char *text, size_t most)
{
    while (*text && most-- > 0)
        *(*end)++ = *text++;
    **end = '\0';
}

static void append_number(char **end, uint32_t number)
{
    char digits[12];
    char *first = digits + sizeof digits;
    *--first = '\0';
    do
        *--first = (char) ('0' + number % 10);
    while ((number /= 10) > 0);
    append(end, first, sizeof digits);
}

static void name_process(struct start_plan *plan)
{
    struct self *self = mproc__self();
    if (plan->is_template) {
        plan->name = "forkserver";
        return;
    }
    self->children++;
    char *end = plan->default_name, *numbers;
    append(&end, "Process-", 8);
    numbers = end;
    append(&end, self->numbers, 200);
    if (*self->numbers)
        append(&end, ":", 1);
    append_number(&end, self->children);
    plan->numbers = numbers;
    plan->name = plan->options.name ? plan->options.name : plan->default_name;
}

/* ---- the record ---- */

/* MPROC_BOOT is for a spawned child's mproc_init(). */
static bool is_private(const char *entry)
{
    static const char name[] = "MPROC_BOOT";
    return strncmp(entry, name, sizeof name - 1) == 0 &&
           (entry[sizeof name - 1] == '=' || entry[sizeof name - 1] == '\0');
}

/* The additions as one run of strings, since a template's child cannot see this process's memory. */
static mproc_err pack_environment(const char *const *environment, char **bytes, size_t *size)
{
    *bytes = NULL;
    *size = 0;
    for (const char *const *entry = environment; entry && *entry; entry++)
        *size += is_private(*entry) ? 0 : strlen(*entry) + 1;
    if (*size == 0)
        return MPROC_OK;
    *bytes = malloc(*size);
    if (!*bytes)
        return mproc__fail(MPROC_ENOMEM, "no memory for the child's environment");
    char *end = *bytes;
    for (const char *const *entry = environment; *entry; entry++) {
        size_t length = is_private(*entry) ? 0 : strlen(*entry) + 1;
        memcpy(end, *entry, length);
        end += length;
    }
    return MPROC_OK;
}

/* What a forked child's rand() begins with; a child that asked the system itself would be slower. */
static uint32_t next_seed(void)
{
    static uint64_t state; /* under the mutex; different in every process, since pids are */
    static int64_t owner;
    if (owner != mproc__self()->pid) {
        owner = mproc__self()->pid;
        if (mproc_plat_random(&state, sizeof state) != MPROC_OK)
            state ^= (uint64_t) owner << 32 ^ (uint64_t) mproc_plat_now();
    }
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t) (mixed >> 32);
}

static void describe(struct start_plan *plan, struct record *record)
{
    record->is_template = plan->is_template;
    record->parent = mproc__self_peek();
    record->start_method = (uint32_t) plan->method;
    record->daemon = plan->options.daemon;
    record->bound = plan->options.daemon || mproc__self()->bound;
    record->default_method = (uint32_t) mproc__settings()->start_method;
    bool to_stderr;
    int level;
    mproc__log_settings(&level, &to_stderr);
    record->log_level = level;
    record->log_to_stderr = to_stderr;
    record->parent_pid = mproc__self()->pid;
    record->limits = plan->options.limits;
    record->seed = next_seed();
    record->is_object = plan->is_object;
    const struct mproc_plat_image *main_image;
    if (plan->method != MPROC_START_FORK && mproc__main_image(&main_image) == MPROC_OK)
        memcpy(record->program_identity, main_image->identity, MPROC_PLAT_IDENTITY_SIZE);
    if (plan->image) {
        record->function_main = plan->image->main;
        record->function_offset = plan->offset;
        memcpy(record->function_identity, plan->image->identity, MPROC_PLAT_IDENTITY_SIZE);
    }
}

static mproc_err write_record(struct start_plan *plan)
{
    char *environment;
    size_t environment_size;
    mproc_err err = pack_environment(plan->options.environment, &environment, &environment_size);
    if (err != MPROC_OK)
        return err;
    const struct settings *settings = mproc__settings();
    const struct record_parts parts = {
        .argument = plan->argument,
        .argument_size = plan->size,
        .environment = environment,
        .environment_size = environment_size,
        .authkey = settings->authkey,
        .authkey_size = settings->authkey_size,
        .name = plan->name,
        .numbers = plan->numbers,
        .parent_name = mproc__own_name(),
        .function_path = plan->image && !plan->image->main ? plan->image->path : NULL,
        .inherit = plan->options.inherit,
        .inherit_count = plan->options.inherit_count,
        .cpus = plan->options.cpus,
        .cpu_count = plan->options.cpu_count,
    };
    err = mproc__record_create(&parts, &plan->record_handle, &plan->record);
    free(environment);
    if (err != MPROC_OK)
        return err;
    err = mproc__slot_claim(mproc__self_place(), plan->record_handle, &plan->token);
    if (err != MPROC_OK) {
        mproc__arena_free(BLOCK_RECORD, plan->record_handle);
        return err;
    }
    mproc__record_expect(plan->record, plan->token);
    describe(plan, plan->record);
    return MPROC_OK;
}

mproc_err mproc__plan_make(struct start_plan *plan, const mproc_process_options *options)
{
    if (options)
        plan->options = *options;
    for (int stream = 0; stream < 3; stream++)
        plan->standard[stream] = MPROC_PLAT_NONE;
    plan->folder = plan->lifeline = MPROC_PLAT_NONE;
    mproc_err err = check_options(&plan->options);
    if (err != MPROC_OK)
        return err;
    if (plan->method == MPROC_START_DEFAULT)
        plan->method = mproc__effective_method(plan->options.start_method);
    err = name_function(plan);
    if (err == MPROC_OK)
        err = open_everything(plan);
    if (err == MPROC_OK) {
        name_process(plan);
        err = write_record(plan);
        if (err == MPROC_OK && mproc__debugging())
            scan_for_pointers(plan);
    }
    if (err != MPROC_OK)
        mproc__plan_close(plan);
    return err;
}

void mproc__plan_undo(struct start_plan *plan)
{
    mproc__slot_release(plan->token); /* and its record */
}

void mproc__plan_spawn(const struct start_plan *plan, char boot[BOOT_SIZE], mproc_plat_handle *keep,
                       struct mproc_plat_spawn *spawn)
{
    const struct boot way = { mproc_plat_region_handle(), mproc__arena_limit(), plan->record_handle, plan->lifeline,
                              MPROC_PLAT_NONE };
    mproc__boot_write(&way, boot);
    size_t count = plan->options.inherit_count;
    for (size_t i = 0; i < count; i++)
        keep[i] = plan->options.inherit[i];
    keep[count++] = mproc_plat_region_handle();
    keep[count++] = plan->lifeline;
    *spawn = (struct mproc_plat_spawn){
        .executable = mproc__executable(),
        .boot = boot,
        .environment = plan->options.environment,
        .working_directory = plan->options.working_directory,
        .standard = { plan->standard[0], plan->standard[1], plan->standard[2] },
        .keep = keep,
        .keep_count = count,
        .daemon = plan->record->bound || plan->is_template,
    };
}
