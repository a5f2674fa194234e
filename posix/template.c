/* SPDX-License-Identifier: MIT */
/* The template (forkserver), seen by its starter. It is a fresh single-threaded process that forks children on
 * request and hands them descriptors. With its answer comes a descriptor that tells how the child ends. */
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long a template that was told to end, or a child that was, may take. */
#define GRACE INT64_C(1000000000)

/* Its process is to keep `end`, too. */
static mproc_err spawn_template(const struct mproc_plat_spawn *spawn, mproc_plat_handle end,
                                struct mproc_plat_process *process)
{
    size_t boot_size = strlen(spawn->boot) + 16;
    char *boot = malloc(boot_size);
    mproc_plat_handle *keep = malloc((spawn->keep_count + 1) * sizeof *keep);
    mproc_err err;
    if (boot && keep) {
        snprintf(boot, boot_size, "%s:%d", spawn->boot, (int) end);
        if (spawn->keep_count > 0)
            memcpy(keep, spawn->keep, spawn->keep_count * sizeof *keep);
        keep[spawn->keep_count] = end;
        struct mproc_plat_spawn extended = *spawn;
        extended.boot = boot;
        extended.keep = keep;
        extended.keep_count++;
        err = mproc_plat_spawn(&extended, process);
    } else {
        err = mproc__fail(MPROC_ENOMEM, "No memory to start the forkserver");
    }
    free(boot);
    free(keep);
    return err;
}

mproc_err mproc_plat_template_start(const struct mproc_plat_spawn *spawn,
                                    struct mproc_plat_template *server)
{
    int ends[2];
    *server = (struct mproc_plat_template){
        .process = { .watch = MPROC_PLAT_NONE }, .control = MPROC_PLAT_NONE, .handed = MPROC_PLAT_NONE
    };
    if (mproc__socket_pair(ends) != 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "The socket to the forkserver cannot be made; close descriptors "
                                  "or raise RLIMIT_NOFILE");
    server->control = ends[0];
    server->handed = ends[1];
    mproc_err err = spawn_template(spawn, ends[1], &server->process);
    server->handed = MPROC_PLAT_NONE;
    close(ends[1]);
    if (err != MPROC_OK) {
        server->control = MPROC_PLAT_NONE;
        close(ends[0]);
        return err;
    }
    struct stat folder;
    if (stat(".", &folder) == 0) {
        server->folder[0] = (uint64_t) folder.st_dev;
        server->folder[1] = (uint64_t) folder.st_ino;
    }
    return MPROC_OK;
}

bool mproc_plat_template_shares_folder(const struct mproc_plat_template *server)
{
    struct stat folder;
    return stat(".", &folder) != 0 ||
           (server->folder[0] == (uint64_t) folder.st_dev && server->folder[1] == (uint64_t) folder.st_ino);
}

int mproc__template_send(int control, const void *data, size_t size, const int *descriptors, size_t count,
                         void *space)
{
    struct iovec part = { .iov_base = (void *) data, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (count > 0) {
        memset(space, 0, CMSG_SPACE(count * sizeof(int)));
        message.msg_control = space;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(control, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0 && (size_t) sent != size)
        errno = EPIPE;
    return sent == (ssize_t) size ? 0 : -1;
}

int mproc__template_unpack(struct msghdr *message, int *descriptors)
{
    int count = 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        size_t bytes = header->cmsg_len - CMSG_LEN(0);
        memcpy(descriptors, CMSG_DATA(header), bytes);
        count = (int) (bytes / sizeof(int));
    }
    for (int i = 0; i < count; i++)
        if (MSG_CMSG_CLOEXEC == 0)
            mproc__close_on_exec(descriptors[i]);
    if (!(message->msg_flags & MSG_CTRUNC))
        return count;
    while (count > 0)
        close(descriptors[--count]);
    return -EMFILE;
}

/* Linux wakes whoever is in recv() when the template takes the request away, too: a needless wake-up in
 * the middle of the start (8 us of the template's). One in poll() sleeps until there is something to read. */
static int receive_reply(int control, struct reply *reply, int *watch)
{
    struct pollfd entry = { .fd = control, .events = POLLIN };
    if (mproc__poll(&entry, 1, MPROC_PLAT_NEVER) < 0)
        return -1;
    union parcel parcel;
    struct iovec part = { .iov_base = reply, .iov_len = sizeof *reply };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = parcel.bytes,
                              .msg_controllen = sizeof parcel.bytes };
    ssize_t got;
    do
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t) sizeof *reply) {
        if (mproc__template_unpack(&message, watch) != 1)
            *watch = -1;
        return 0;
    }
    if (got >= 0)
        errno = EPIPE;
    return -1;
}

static mproc_err describe(int code)
{
    if (code == EPIPE || code == ECONNRESET || code == ENOTCONN || code == EBADF)
        return mproc__fail(MPROC_EDIED, "The forkserver has died; the next start makes a new one");
    return mproc__fail_system(mproc__from_errno(code), code,
                              "The forkserver cannot start a process; close descriptors or end "
                              "other processes");
}

/* The room for it was taken by another thread just now. The child may have begun; it is ended before its record
 * is given back. */
static mproc_err give_up(pid_t pid)
{
    int64_t patience = mproc_plat_now() + GRACE;
    kill(pid, SIGKILL);
    while (kill(pid, 0) == 0 && mproc_plat_now() < patience)
        mproc_plat_sleep(GRACE / 1000);
    return describe(EMFILE);
}

mproc_err mproc_plat_template_request(struct mproc_plat_template *server, uint64_t request,
                                      const mproc_plat_handle *handles, size_t count,
                                      struct mproc_plat_process *process)
{
    if (server->control == MPROC_PLAT_NONE)
        return mproc__fail(MPROC_EDIED, "There is no forkserver; the next start makes one");
    int control = (int) server->control;
    /* Room for the descriptor that comes back, so that nothing starts without it. */
    int room = fcntl(control, F_DUPFD_CLOEXEC, 3);
    if (room < 0)
        return describe(errno);
    int descriptors[MPROC_PLAT_TEMPLATE_HANDLES];
    for (size_t i = 0; i < count; i++)
        descriptors[i] = (int) handles[i];
    struct request message = { .request = request, .handle_count = (uint32_t) count };
    struct reply reply = { .pid = -1 };
    union cargo cargo;
    int watch = -1, code = 0;
    int failed = mproc__template_send(control, &message, sizeof message, descriptors, count, cargo.bytes);
    if (failed)
        code = errno;
    close(room);
    /* Whatever it was: an answer that comes later would be taken for the next request's, and there may be a child. */
    if (!failed && receive_reply(control, &reply, &watch) != 0)
        code = EPIPE;
    if (failed && code == EBADF && fcntl(control, F_GETFD) >= 0)
        return mproc__fail_system(MPROC_EINVAL, EBADF,
                                  "A descriptor for the child is not open in this process");
    if (code != 0 || reply.pid <= 0)
        return describe(code != 0 ? code : (int) -reply.pid);
    watch = mproc__above_standard(watch);
    if (watch < 0)
        return give_up((pid_t) reply.pid);
    *process = (struct mproc_plat_process){ .pid = reply.pid,
                                            .watch = watch,
                                            .relayed = reply.watch == WATCH_PIPE,
                                            .foreign = reply.watch == WATCH_DESCRIPTOR };
    return MPROC_OK;
}

void mproc_plat_template_stop(struct mproc_plat_template *server)
{
    mproc_plat_handle_close(server->control);
    server->control = MPROC_PLAT_NONE;
    if (server->process.watch == MPROC_PLAT_NONE)
        return;
    const struct mproc_plat_process *process = &server->process;
    struct mproc_plat_status status;
    size_t index;
    if (mproc_plat_process_watch(&process, 1, mproc_plat_now() + GRACE, &index) != MPROC_OK &&
        mproc_plat_process_stop(process, true) == MPROC_OK)
        (void) mproc_plat_process_watch(&process, 1, mproc_plat_now() + GRACE, &index);
    (void) mproc_plat_process_reap(&server->process, &status);
    mproc_plat_process_forget(&server->process);
}

void mproc_plat_template_forked(struct mproc_plat_template *server)
{
    mproc_plat_handle_close(server->control);
    mproc_plat_handle_close(server->handed);
    server->control = server->handed = MPROC_PLAT_NONE;
    mproc_plat_process_forked(&server->process);
    server->process.watch = MPROC_PLAT_NONE;
}
