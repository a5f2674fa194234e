/* SPDX-License-Identifier: MIT */
/* Becoming somebody: the root of a family, or the child a record describes. */
#include "self.h"

#include "compiler.h"
#include "children.h"
#include "finalize.h"
#include "log.h"
#include "runtime.h"
#include "start.h"
#include "thread.h"
#include "trace.h"

#include <stdio.h>
#include <string.h>

static struct self self = { .numbers = "", .parent_lifeline = MPROC_PLAT_NONE };

MPROC_IN_CHILD struct self *mproc__self(void)
{
    return &self;
}

const char *mproc__own_name(void)
{
    return self.record ? mproc__record_bytes(self.record, self.record->name) : "MainProcess";
}

MPROC_IN_CHILD bool mproc__is_own_process(void)
{
    return mproc__is_initialized() && mproc_plat_pid() == self.pid;
}

MPROC_IN_CHILD void mproc__forget_parent(void)
{
    mproc_plat_lifeline_forked();
    mproc__lock_forked();
    mproc__log_forked();
    mproc__template_forked();
    mproc__children_forked();
    mproc__finalizers_forked();
    mproc__threads_forked();
}

/* A child of the host's own fork(): nobody's process object. It belongs to the family from its first use of what is
 * shared on; its parent's locks, children and finalizers are not its own. */
static void host_forked(void)
{
    mproc__forget_parent();
    mproc__self_forget();
    self.pid = mproc_plat_pid();
    if (self.kind == PROCESS_ROOT)
        self.kind = PROCESS_SPAWNED;
    /* The record goes when the parent is reaped. */
    self.record = NULL;
    self.numbers = "";
    self.object = self.parent = NULL;
    mproc__log_name(mproc__own_name());
    self.takes_along = false;
    if (self.bound)
        mproc_plat_lifeline_rebind(self.parent_lifeline);
    mproc__trace_forked();
}

mproc_err mproc__become_root(void)
{
    process_token token;
    mproc_err err = mproc__slot_claim_own(0, &token);
    if (err == MPROC_OK)
        err = mproc_plat_at_host_fork(host_forked);
    if (err != MPROC_OK)
        return err;
    self.kind = PROCESS_ROOT;
    self.pid = mproc_plat_pid();
    mproc__self_set(token);
    return MPROC_OK;
}

void mproc__inherit_settings(struct record *record)
{
    struct settings settings = *mproc__settings();
    settings.start_method = (mproc_start_method) record->default_method;
    settings.authkey_size = (uint32_t) record->authkey.size;
    if (record->authkey.size)
        memcpy(settings.authkey, mproc__record_bytes(record, record->authkey), record->authkey.size);
    /* A template finds the same for nearly every child, and a write would copy the page each time. */
    if (memcmp(&settings, mproc__settings(), sizeof settings) != 0)
        *mproc__settings() = settings;
    mproc__log_inherit(record->log_level, record->log_to_stderr != 0);
    if (!mproc__tracing)
        mproc__trace_join();
}

/* Every page a forked child touches costs it a microsecond: nothing here that can wait. */
MPROC_IN_CHILD void mproc__become_child(enum process_kind kind, struct record *record,
                         mproc_plat_handle parent_lifeline)
{
    self.kind = kind;
    self.pid = mproc__record_pid(record, record->token);
    self.record = record;
    self.daemon = record->daemon != 0;
    self.bound = record->bound != 0;
    self.takes_along = false;
    self.is_template = record->is_template != 0;
    self.children = 0;
    self.parent_lifeline = parent_lifeline;
    self.object = self.parent = NULL;
    self.numbers = record->numbers.size ? mproc__record_bytes(record, record->numbers) : "";
    mproc__self_set(record->token);
    if (kind == PROCESS_SPAWNED)
        (void) mproc_plat_at_host_fork(host_forked); /* else its parent has */
    mproc__log_name(mproc__record_bytes(record, record->name));
    if (mproc__tracing)
        mproc__trace_join();
}

/* The objects that mproc_current_process() and mproc_parent_process() give. */
static mproc_process *add_object(enum child_kind kind, const char *name, int64_t pid)
{
    struct child values = { .kind = kind, .guard_deadline = MPROC_PLAT_NEVER };
    values.process.pid = pid;
    values.process.watch = MPROC_PLAT_NONE;
    values.daemon = kind == SELF && self.daemon;
    struct child *child;
    mproc_err err = mproc__child_add(&values, name, &child);
    return err == MPROC_OK ? mproc__child_pointer(child) : NULL;
}

mproc_process *mproc__own_object(void)
{
    if (!self.object)
        self.object = add_object(SELF, mproc__own_name(), self.pid);
    return self.object;
}

mproc_process *mproc__parent_object(void)
{
    struct record *record = self.record;
    if (!self.parent && record)
        self.parent = add_object(PARENT, mproc__record_bytes(record, record->parent_name),
                                 record->parent_pid);
    return self.parent;
}
