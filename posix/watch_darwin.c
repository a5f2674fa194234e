/* SPDX-License-Identifier: MIT */
/* The end of a direct child, on macOS: a kqueue that waits for its exit. */
#include "posix.h"

#include <errno.h>
#include <sys/event.h>
#include <unistd.h>

const int64_t mproc__watch_interval = INT64_C(500000000);
const bool mproc__watch_inherited = false; /* kqueues are not */

void mproc__watch_adopt(void)
{
}

mproc_err mproc__watch_prepare(struct mproc__watch *watch)
{
    watch->child_end = -1;
    watch->parent_end = mproc__above_standard(kqueue());
    if (watch->parent_end >= 0 && mproc__close_on_exec(watch->parent_end) == 0)
        return MPROC_OK;
    return mproc__fail_system(mproc__from_errno(errno), errno,
                              "The new process cannot be watched; close descriptors or raise "
                              "RLIMIT_NOFILE");
}

void mproc__watch_cancel(struct mproc__watch *watch)
{
    close(watch->parent_end);
}

void mproc__watch_in_child(struct mproc__watch *watch)
{
    (void) watch;
}

mproc_err mproc__watch_begin(struct mproc__watch *watch, pid_t pid, mproc_plat_handle *handle)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t) pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
    int failed = kevent(watch->parent_end, &change, 1, NULL, 0, NULL);
    /* It has ended already: an event that is there at once stands for its end. */
    if (failed && errno == ESRCH) {
        EV_SET(&change, 1, EVFILT_USER, EV_ADD, NOTE_FFNOP, 0, NULL);
        failed = kevent(watch->parent_end, &change, 1, NULL, 0, NULL);
        EV_SET(&change, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
        failed = failed || kevent(watch->parent_end, &change, 1, NULL, 0, NULL);
    }
    if (failed) {
        int code = errno;
        close(watch->parent_end);
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "The new process cannot be watched");
    }
    *handle = watch->parent_end;
    return MPROC_OK;
}
