/* SPDX-License-Identifier: MIT */
/* The template (forkserver): a fresh single-threaded process that forks children on request, hands
 * them descriptors, and relays how they ended through a pipe per child. The child holds that pipe's
 * writing end too, so that end of file means: child and template are both gone. */
#include "compiler.h"
#include "direct.h"
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a template that was told to end may take. */
#define GRACE INT64_C(1000000000)
/* The status pipe comes before the caller's handles. */
#define MOST_DESCRIPTORS (MPROC_PLAT_TEMPLATE_HANDLES + 1)

struct request {
    uint64_t request;
    uint32_t handle_count;
    uint32_t reserved;
};
struct reply {
    int64_t pid; /* or -errno */
};
/* Descriptors on their way, with the alignment that CMSG_DATA() needs. */
union cargo {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
};
/* The children that the template has forked and not reaped. On its stack: after a fork each first write
 * copies a page, and that page is written to anyway. */
struct child {
    pid_t pid;
    int status_writer;
};
struct children {
    size_t count;
    size_t capacity;
    struct child *all;
    struct child first[16];
};
/* The rest of the template's state, written to before a fork only: one page (start_serving()). What was
 * `before` its children get back. */
struct server {
    int control;
    int ended; /* readable when a child has ended; -1: a signal handler tells */
    uint64_t random;
    char random_state[MPROC__RANDOM_STATE_SIZE];
    sigset_t signals_before;
    struct sigaction ended_before;
    bool action_changed;
    struct request request;
    int descriptors[MOST_DESCRIPTORS];
    mproc_plat_handle handles[MPROC_PLAT_TEMPLATE_HANDLES]; /* the same without the status pipe */
    union cargo cargo;
};

/* What this is aligned to lies in one page. */
enum { PAGE = 4096 };
_Static_assert(sizeof(struct server) <= PAGE, "a request makes the template copy one page of it");

/* So many answers come before a look for children that have ended, however busy the starter is. */
#define LOOK_INTERVAL 16

/* ---- the requesting side ---- */

mproc_err mproc_plat_template_start(const struct mproc_plat_spawn *spawn,
                                    struct mproc_plat_template *server)
{
    int ends[2];
    if (mproc__socket_pair(ends) != 0)
        return mproc__fail_system(mproc__from_errno(errno), errno,
                                  "The socket to the forkserver cannot be made; close descriptors "
                                  "or raise RLIMIT_NOFILE");
    size_t boot_size = strlen(spawn->boot) + 16;
    char *boot = malloc(boot_size);
    mproc_plat_handle *keep = malloc((spawn->keep_count + 1) * sizeof *keep);
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    mproc_err err;
    if (boot && keep) {
        snprintf(boot, boot_size, "%s:%d", spawn->boot, ends[1]);
        if (spawn->keep_count > 0)
            memcpy(keep, spawn->keep, spawn->keep_count * sizeof *keep);
        keep[spawn->keep_count] = ends[1];
        struct mproc_plat_spawn extended = *spawn;
        extended.boot = boot;
        extended.keep = keep;
        extended.keep_count++;
        err = mproc_plat_spawn(&extended, &process);
    } else {
        err = mproc__fail(MPROC_ENOMEM, "No memory to start the forkserver");
    }
    free(boot);
    free(keep);
    close(ends[1]);
    if (err != MPROC_OK) {
        close(ends[0]);
        return err;
    }
    server->process = process;
    server->control = ends[0];
    return MPROC_OK;
}

/* 0 or -1 with errno. */
static int send_request(int control, struct request *request, const int *descriptors, size_t count)
{
    union cargo cargo;
    memset(&cargo, 0, CMSG_SPACE(count * sizeof(int)));
    struct iovec part = { .iov_base = request, .iov_len = sizeof *request };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = cargo.bytes };
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    ssize_t sent;
    do
        sent = sendmsg(control, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0 && (size_t) sent != sizeof *request)
        errno = EPIPE;
    return sent == (ssize_t) sizeof *request ? 0 : -1;
}

/* Linux wakes whoever is in recv() when the template takes the request away, too: a needless wake-up in
 * the middle of the start (8 us of the template's). One in poll() sleeps until there is something to read. */
static int receive_reply(int control, struct reply *reply)
{
    struct pollfd entry = { .fd = control, .events = POLLIN };
    if (mproc__poll(&entry, 1, MPROC_PLAT_NEVER) < 0)
        return -1;
    ssize_t got;
    do
        got = recv(control, reply, sizeof *reply, MSG_WAITALL);
    while (got < 0 && errno == EINTR);
    if (got >= 0 && (size_t) got != sizeof *reply)
        errno = EPIPE;
    return got == (ssize_t) sizeof *reply ? 0 : -1;
}

static mproc_err describe(int code)
{
    if (code == EPIPE || code == ECONNRESET || code == ENOTCONN || code == EBADF)
        return mproc__fail(MPROC_EDIED, "The forkserver has died; the next start makes a new one");
    return mproc__fail_system(mproc__from_errno(code), code,
                              "The forkserver cannot start a process; close descriptors or end "
                              "other processes");
}

mproc_err mproc_plat_template_request(struct mproc_plat_template *server, uint64_t request,
                                      const mproc_plat_handle *handles, size_t count,
                                      struct mproc_plat_process *process)
{
    if (server->control == MPROC_PLAT_NONE)
        return mproc__fail(MPROC_EDIED, "There is no forkserver; the next start makes one");
    int status[2];
    if (mproc__pipe(status) != 0)
        return describe(errno);
    int descriptors[MOST_DESCRIPTORS] = { status[1] };
    for (size_t i = 0; i < count; i++)
        descriptors[i + 1] = (int) handles[i];
    struct request message = { .request = request, .handle_count = (uint32_t) count };
    struct reply reply = { .pid = -1 };
    int failed = send_request((int) server->control, &message, descriptors, count + 1);
    close(status[1]);
    if (!failed)
        failed = receive_reply((int) server->control, &reply);
    int code = failed ? errno : (int) -reply.pid;
    if (failed || reply.pid <= 0) {
        close(status[0]);
        if (failed && code == EBADF && fcntl((int) server->control, F_GETFD) >= 0)
            return mproc__fail_system(MPROC_EINVAL, EBADF,
                                      "A descriptor for the child is not open in this process");
        return describe(code);
    }
    *process = (struct mproc_plat_process){ .pid = reply.pid, .watch = status[0], .relayed = true };
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
    server->control = MPROC_PLAT_NONE;
    mproc_plat_process_forked(&server->process);
    server->process.watch = MPROC_PLAT_NONE;
}

/* ---- the template's side ---- */

static pthread_t serving_thread;

/* Its coming is what ends pselect(). A thread that the warm-up has left, where that cannot be known, has
 * other signals blocked and may get this one. */
static void wake(int signal)
{
    if (!pthread_equal(pthread_self(), serving_thread))
        pthread_kill(serving_thread, signal);
}

/* All signals stay blocked in the template, so none of those sent to its whole group ends it, and none
 * comes between a fork and the child's having left the template. Only pselect() lets SIGCHLD in. */
static void take_signals(struct server *server)
{
    sigset_t all;
    sigfillset(&all);
    serving_thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, &all, &server->signals_before);
    /* A descriptor saves the signal's delivery, but another thread would take the signal away from it. */
    server->ended = mproc_plat_thread_count() == 1 ? mproc__child_signal() : -1;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_NOCLDSTOP;
    action.sa_handler = server->ended >= 0 ? SIG_DFL : wake;
    sigaction(SIGCHLD, NULL, &server->ended_before);
    bool reported = server->ended_before.sa_handler == SIG_DFL &&
                    !(server->ended_before.sa_flags & SA_NOCLDWAIT);
    /* What is not changed no child has to change back. */
    server->action_changed = server->ended < 0 || !reported;
    if (server->action_changed)
        sigaction(SIGCHLD, &action, NULL);
}

static void reap_children(struct children *children)
{
    int32_t wait_status;
    int raw;
    pid_t pid;
    while (children->count > 0 && (pid = waitpid(-1, &raw, WNOHANG)) > 0) {
        size_t i = 0;
        while (i < children->count && children->all[i].pid != pid)
            i++;
        if (i == children->count)
            continue;
        wait_status = raw;
        ssize_t ignored = write(children->all[i].status_writer, &wait_status, sizeof wait_status);
        (void) ignored; /* the requester need not care any more */
        close(children->all[i].status_writer);
        children->all[i] = children->all[--children->count];
    }
}

/* Takes the descriptors out of a message; how many, or -errno with all of them closed. */
static int unpack(struct msghdr *message, int *descriptors)
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

/* The number of descriptors received, a negative errno to be replied; ends the template at the end
 * of its starter, or when that speaks another language. */
static int receive_request(struct server *server, struct children *children)
{
    struct iovec part = { .iov_base = &server->request, .iov_len = sizeof server->request };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = server->cargo.bytes,
                              .msg_controllen = sizeof server->cargo.bytes };
    ssize_t got;
    do
        got = recvmsg(server->control, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t) sizeof server->request) {
        reap_children(children);
        _exit(0);
    }
    int count = unpack(&message, server->descriptors);
    if (count >= 0 && (size_t) count != (size_t) server->request.handle_count + 1)
        _exit(1);
    return count;
}

/* 0 or a negative errno. */
static int make_room(struct children *children)
{
    if (children->count < children->capacity)
        return 0;
    size_t capacity = children->capacity * 2;
    struct child *grown = malloc(capacity * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memcpy(grown, children->all, children->count * sizeof *grown);
    if (children->all != children->first)
        free(children->all);
    children->all = grown;
    children->capacity = capacity;
    return 0;
}

/* Leaves nothing of the template in its child but what was sent for it. */
MPROC_IN_CHILD static void become_child(struct server *server, const struct children *children)
{
    if (server->action_changed)
        mproc__direct_set_action(SIGCHLD, &server->ended_before);
    if (server->ended >= 0)
        mproc__direct_close(server->ended);
    mproc__direct_close(server->control);
    for (size_t i = 0; i < children->count; i++)
        mproc__direct_close(children->all[i].status_writer);
    /* Nothing is freed: that would only copy the template's pages. */
    mproc__drop_held();
    mproc__hold(server->descriptors[0]);
    mproc__direct_set_mask(&server->signals_before);
}

static void reply_to_request(struct server *server, int64_t pid)
{
    struct reply reply = { .pid = pid };
    ssize_t sent;
    do
        sent = send(server->control, &reply, sizeof reply, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}

/* Other numbers from rand() for every child. */
static unsigned next_seed(struct server *server)
{
    if (server->random == 0 && mproc_plat_random(&server->random, sizeof server->random) != MPROC_OK)
        server->random = (uint64_t) getpid();
    server->random = server->random * UINT64_C(0x5851f42d4c957f2d) + UINT64_C(0x14057b7ef767814f);
    return (unsigned) (server->random >> 33);
}

/* Answers one request; true in the child. */
MPROC_IN_CHILD static bool answer(struct server *server, struct children *children,
                                  void (*before_fork)(void *context, uint64_t request), void *context)
{
    int count = receive_request(server, children);
    int64_t pid = count < 0 ? count : make_room(children);
    if (pid == 0) {
        for (int i = 1; i < count; i++)
            server->handles[i - 1] = server->descriptors[i];
        before_fork(context, server->request.request);
        mproc__random_seed(server->random_state, next_seed(server));
        pid = mproc__fork();
        if (pid == 0) {
            become_child(server, children);
            return true;
        }
        if (pid < 0)
            pid = -errno;
        else
            children->all[children->count++] = (struct child){ .pid = (pid_t) pid,
                                                               .status_writer = server->descriptors[0] };
    }
    reply_to_request(server, pid);
    for (int i = pid > 0; i < count; i++)
        mproc__direct_close(server->descriptors[i]);
    return false;
}

enum { ASKED = 1, ENDED = 2 };

static int await_descriptors(struct server *server)
{
    struct pollfd entries[2] = { { .fd = server->control, .events = POLLIN },
                                 { .fd = server->ended, .events = POLLIN } };
    if (mproc__poll(entries, 2, MPROC_PLAT_NEVER) < 0)
        _exit(1);
    char signals[512];
    bool ended = entries[1].revents && read(server->ended, signals, sizeof signals) > 0;
    return (entries[0].revents ? ASKED : 0) | (ended ? ENDED : 0);
}

/* Whether there is a request, and whether a child may have ended. */
static int await(struct server *server)
{
    if (server->ended >= 0)
        return await_descriptors(server);
    sigset_t all_but_one;
    sigfillset(&all_but_one);
    sigdelset(&all_but_one, SIGCHLD);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(server->control, &readable);
    int ready = pselect(server->control + 1, &readable, NULL, NULL, NULL, &all_but_one);
    if (ready < 0 && errno != EINTR)
        _exit(1);
    return ready > 0 ? ASKED : ENDED;
}

static struct server *start_serving(mproc_plat_handle control)
{
    void *page;
    if (posix_memalign(&page, PAGE, sizeof(struct server)) != 0)
        _exit(1);
    struct server *server = page;
    memset(server, 0, sizeof *server);
    /* The starter chose the number; few are in use here. */
    server->control = fcntl((int) control, F_DUPFD_CLOEXEC, 3);
    if (server->control < 0 || server->control >= FD_SETSIZE)
        _exit(1);
    close((int) control);
    initstate(1, server->random_state, sizeof server->random_state);
    take_signals(server);
    return server;
}

MPROC_IN_CHILD void mproc_plat_template_serve(mproc_plat_handle control,
                                              void (*before_fork)(void *context, uint64_t request),
                                              void *context, const mproc_plat_handle **handles,
                                              size_t *count)
{
    struct server *server = start_serving(control);
    struct children children = { .all = children.first,
                                 .capacity = sizeof children.first / sizeof children.first[0] };
    for (unsigned answers = 1;; answers++) {
        int what = await(server);
        if (what & ENDED || answers % LOOK_INTERVAL == 0)
            reap_children(&children);
        if (what & ASKED && answer(server, &children, before_fork, context))
            break;
    }
    *count = server->request.handle_count;
    *handles = server->handles;
}

/* ---- the child's side ---- */

static bool is_target(int descriptor, const intptr_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == descriptor)
            return true;
    return false;
}

/* Where `descriptor` can stay while the targets are filled: its own number, or above them all. */
static int evacuate(int descriptor, const intptr_t *numbers, size_t count)
{
    if (!is_target(descriptor, numbers, count))
        return descriptor;
    intptr_t highest = 0;
    for (size_t i = 0; i < count; i++)
        highest = numbers[i] > highest ? numbers[i] : highest;
    return fcntl(descriptor, F_DUPFD_CLOEXEC, (int) highest + 1);
}

/* 0 or an errno. */
static int fill(int source, int number)
{
    if (source == number)
        return fcntl(number, F_SETFD, 0) == 0 ? 0 : errno;
    while (dup2(source, number) < 0)
        if (errno != EINTR && errno != EBUSY)
            return errno;
    close(source);
    return 0;
}

MPROC_IN_CHILD mproc_err mproc_plat_handles_place(const mproc_plat_handle *handles, const intptr_t *numbers,
                                   size_t count)
{
    int sources[MPROC_PLAT_TEMPLATE_HANDLES];
    int code = 0;
    int kept = mproc__held() < 0 ? -1 : evacuate(mproc__held(), numbers, count);
    if (mproc__held() >= 0 && kept < 0)
        code = errno;
    for (size_t i = 0; i < count && !code; i++) {
        bool stays = handles[i] == numbers[i];
        sources[i] = stays ? (int) handles[i] : evacuate((int) handles[i], numbers, count);
        if (sources[i] < 0)
            code = errno;
    }
    if (!code)
        mproc__hold(kept);
    for (size_t i = 0; i < count && !code; i++)
        code = fill(sources[i], (int) numbers[i]);
    if (code)
        return mproc__fail_system(mproc__from_errno(code), code,
                                  "The descriptors for a child cannot be given to it under their "
                                  "numbers; raise RLIMIT_NOFILE");
    return MPROC_OK;
}
