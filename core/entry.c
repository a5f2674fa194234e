/* SPDX-License-Identifier: MIT */
/* The entry guard: a root goes on with main, a started child runs its target and ends. */
#include "entry.h"

#include "children.h"
#include "fault.h"
#include "finalize.h"
#include "function.h"
#include "log.h"
#include "runtime.h"
#include "self.h"
#include "start.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 1 TiB of address space costs nothing until it is used. */
#ifndef MPROC_ARENA_LIMIT
#define MPROC_ARENA_LIMIT (UINT64_C(1) << 40)
#endif

MPROC_NORETURN static void give_up(void)
{
    char text[700];
    int size = snprintf(text, sizeof text, "mproc_init: %s\n", mproc_last_error());
    mproc_plat_stdio_error(text, (size_t) size < sizeof text ? (size_t) size : sizeof text - 1);
    mproc_plat_exit_now(1);
}

static void must(mproc_err err)
{
    if (err != MPROC_OK)
        give_up();
}

/* ---- the root ---- */

static mproc_err begin_root(void)
{
    mproc_err err = mproc__check_variables();
    uint64_t wanted = mproc__number_variable("MPROC_ARENA_LIMIT");
    if (err == MPROC_OK)
        err = mproc__arena_create(wanted > 0 && wanted < MPROC_ARENA_LIMIT ? wanted : MPROC_ARENA_LIMIT);
    if (err != MPROC_OK)
        return err;
    struct settings *settings = mproc__settings();
    settings->authkey_size = 32;
    err = mproc_plat_random(settings->authkey, settings->authkey_size);
    if (err == MPROC_OK)
        err = mproc__read_start_method();
    if (err == MPROC_OK)
        err = mproc__become_root();
    mproc__log_start();
    if (err == MPROC_OK)
        mproc__trace_start();
    if (mproc__debugging() && mproc_get_log_level() > MPROC_LOG_WARNING)
        mproc__log_inherit(MPROC_LOG_WARNING, true);
    return err;
}

/* ---- a spawned child ---- */

/* The program on disk may have been replaced by another build since the parent began. */
static mproc_err check_program(struct record *record)
{
    static const unsigned char unknown[MPROC_PLAT_IDENTITY_SIZE];
    const struct mproc_plat_image *image;
    mproc_err err = mproc__main_image(&image);
    if (err != MPROC_OK || memcmp(record->program_identity, unknown, sizeof unknown) == 0)
        return err;
    if (memcmp(record->program_identity, image->identity, sizeof image->identity) == 0)
        return MPROC_OK;
    return mproc__fail(MPROC_EIMAGE, "%.200s is another build of the program than its parent's; restart "
                                     "the parent",
                       image->path);
}

MPROC_NORETURN static void begin_child(const struct boot *boot)
{
    must(mproc__arena_attach(boot->region, boot->limit));
    struct record *record = mproc__arena_near(BLOCK_RECORD, boot->record);
    if (!record)
        give_up();
    MPROC_FAULT("entry.record");
    mproc_err err = mproc__record_check(record, mproc__arena_size(BLOCK_RECORD, boot->record));
    if (!mproc__record_claim(record, record->token))
        mproc_plat_exit_now(255);
    if (err != MPROC_OK)
        mproc__record_refuse(record, err);
    mproc_plat_handle keep[MPROC_PLAT_TEMPLATE_HANDLES + 3];
    size_t count = 0;
    const intptr_t *inherited = mproc__record_bytes(record, record->inherit);
    for (size_t i = 0; i < record->inherit.size / sizeof *inherited; i++)
        keep[count++] = inherited[i];
    keep[count++] = boot->region;
    keep[count++] = boot->lifeline;
    if (boot->control != MPROC_PLAT_NONE)
        keep[count++] = boot->control;
    mproc_plat_close_others(keep, count);

    /* Alone, so without the mutex. */
    mproc__become_child(PROCESS_SPAWNED, record, boot->lifeline);
    mproc__inherit_settings(record);
    err = check_program(record);
    if (err != MPROC_OK)
        mproc__record_refuse(record, err);
    mproc__set_initialized();
    if (boot->control != MPROC_PLAT_NONE)
        mproc__template_run(record, boot->control, boot->lifeline);
    mproc__finish_at_exit();
    mproc__child_run(record, NULL);
}

void mproc_init(void)
{
    if (mproc__is_initialized())
        return;
    must(mproc_plat_start());
    struct boot boot;
    const char *text = getenv("MPROC_BOOT");
    bool child = text && *text;
    bool valid = child && mproc__boot_read(text, &boot);
    /* At once, so that programs that the target starts do not take themselves for children. */
    if (text)
        must(mproc_plat_set_environment("MPROC_BOOT", NULL));
    if (child && !valid)
        must(mproc__fail(MPROC_EINVAL, "MPROC_BOOT in the environment is not from this mproc; unset it"));
    if (child)
        begin_child(&boot);
    must(begin_root());
    mproc__set_initialized();
    mproc__finish_at_exit();
}
