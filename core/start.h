/* SPDX-License-Identifier: MIT */
/* Starting a process by one of the start methods. */
#ifndef MPROC_CORE_START_H
#define MPROC_CORE_START_H

#include "boot.h"
#include "record.h"

/* A start with everything decided: what mproc__start() works on. */
struct start_plan {
    mproc_process_options options;         /* zero where nothing was asked */
    mproc_start_method method;
    void (*function)(void);                /* NULL: mproc_fork() */
    bool is_object;
    bool is_template;
    const void *argument;
    size_t size;

    const char *name;
    char default_name[240];                /* "Process-1:2" */
    const char *numbers;                   /* "1:2", the end of it; NULL for a template */
    mproc_plat_handle standard[3];         /* MPROC_PLAT_NONE: inherit */
    bool standard_owned[3];                /* opened for this start: closed after it */
    bool null_input;                       /* standard[0] is the null device, as a template's is */
    mproc_plat_handle folder;
    mproc_plat_handle lifeline;
    const struct mproc_plat_image *image;  /* of function */
    uint64_t offset;

    uint64_t record_handle;
    struct record *record;
    process_token token;                   /* 0: it is no longer this start's */
};

/* Checks what was asked, opens files, names the process, and writes its record. On error everything
 * is undone. (plan.c) */
mproc_err mproc__plan_make(struct start_plan *plan, const mproc_process_options *options);
/* Closes what was opened; the record stays the child's. */
void mproc__plan_close(struct start_plan *plan);
/* Takes back record and slot of a start that failed. */
void mproc__plan_undo(struct start_plan *plan);
/* What mproc_plat_spawn() is to be told. `keep` has room for the inherited handles and two more. */
void mproc__plan_spawn(const struct start_plan *plan, char boot[BOOT_SIZE], mproc_plat_handle *keep,
                       struct mproc_plat_spawn *spawn);

/* Starts it. Under fork this returns in the child as well only if plan->function is NULL, with
 * *process == NULL. */
mproc_err mproc__start(struct start_plan *plan, mproc_process **process);

/* The child's side, once it knows its record: runs the target and ends. `function`: known already. */
MPROC_NORETURN void mproc__child_run(struct record *record, void (*function)(void));
/* The same for a template's child, which has its environment still to set. */
MPROC_NORETURN void mproc__child_enter(struct record *record, void (*function)(void));
/* The function that a record names, in this process. */
bool mproc__find_known_target(struct record *record, void (**function)(void)); /* if nothing is to load */
mproc_err mproc__find_target(struct record *record, void (**function)(void));

/* The forkserver's template (forkserver.c). */
mproc_err mproc__template_fork(struct start_plan *plan, struct mproc_plat_process *process);
MPROC_NORETURN void mproc__template_run(struct record *record, mproc_plat_handle control,
                                        mproc_plat_handle lifeline);
void mproc__template_lock(void);
void mproc__template_unlock(void);
bool mproc__template_lock_is_mine(void);
void mproc__template_forked(void);
void mproc__template_end(void);
/* The running template's pid, 0 if there is none: for tests. */
int64_t mproc__template_pid(void);
/* MPROC_ESTATE once there is a template. */
mproc_err mproc__template_set_warmup(mproc_warmup *warmup);

/* MPROC_START_* that `method` means now. */
mproc_start_method mproc__effective_method(mproc_start_method method);
const char *mproc__executable(void);
/* MPROC_ENOTSUP, MPROC_EINVAL. */
mproc_err mproc__check_method(mproc_start_method method);
/* MPROC_START_METHOD of the environment; in the root. */
mproc_err mproc__read_start_method(void);

#endif
