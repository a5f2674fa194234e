/* SPDX-License-Identifier: MIT */
/* There is no fork and so no forkserver on Windows. */
#include "win32.h"

static mproc_err refuse(void)
{
    return mproc__fail(MPROC_ENOTSUP, "Windows has no fork; use MPROC_START_SPAWN");
}

mproc_err mproc_plat_fork(struct mproc_plat_process *process, bool *in_child)
{
    (void) process;
    (void) in_child;
    return refuse();
}

mproc_err mproc_plat_template_start(const struct mproc_plat_spawn *spawn,
                                    struct mproc_plat_template *server)
{
    (void) spawn;
    (void) server;
    return refuse();
}

mproc_err mproc_plat_template_request(struct mproc_plat_template *server, uint64_t request,
                                      const mproc_plat_handle *handles, size_t count,
                                      struct mproc_plat_process *process)
{
    (void) server;
    (void) request;
    (void) handles;
    (void) count;
    (void) process;
    return refuse();
}

bool mproc_plat_template_shares_folder(const struct mproc_plat_template *server)
{
    (void) server;
    return true;
}

void mproc_plat_template_serve(mproc_plat_handle control,
                               void (*before_fork)(void *context, uint64_t request), void *context,
                               const mproc_plat_handle **handles, size_t *count)
{
    (void) control;
    (void) before_fork;
    (void) context;
    (void) handles;
    (void) count;
    mproc_plat_exit_now(255);
}

mproc_err mproc_plat_handles_place(const mproc_plat_handle *handles, const intptr_t *numbers,
                                   size_t count)
{
    (void) handles;
    (void) numbers;
    (void) count;
    return refuse();
}

void mproc_plat_template_stop(struct mproc_plat_template *server)
{
    mproc_plat_process_forget(&server->process);
}

void mproc_plat_template_forked(struct mproc_plat_template *server)
{
    (void) server;
}
