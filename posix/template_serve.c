/* SPDX-License-Identifier: MIT */
/* The template's own side: it serves, one request after the other, until its starter is gone.
 *
 * How its starter learns of a child's end: where a descriptor tells of it by itself (Linux 6.15 and later), the
 * template sends that one and has nothing to do with the end; not even its own changes what the starter
 * learns. Elsewhere it sends a pipe's reading end and writes the status into the other. The child holds the writing
 * end, too, so that end of file means: child and template are both gone. */
#include "compiler.h"
#include "direct.h"
#include "fault.h"
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

/* The children whose status goes into a pipe. On the template's stack: after a fork each first write copies a
 * page, and that page is written to anyway. */
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
    enum watch watch;
    int ended; /* with pipes: readable when a child has ended; -1: a signal handler tells */
    uint64_t random;
    char random_state[MPROC__RANDOM_STATE_SIZE];
    sigset_t signals_before;
    struct sigaction ended_before;
    bool action_changed;
    struct request request;
    int descriptors[MPROC_PLAT_TEMPLATE_HANDLES];
    mproc_plat_handle handles[MPROC_PLAT_TEMPLATE_HANDLES];
    union cargo cargo;
};

/* What this is aligned to lies in one page. */
enum { PAGE = 4096 };
_Static_assert(sizeof(struct server) <= PAGE, "a request makes the template copy one page of it");

/* So many answers come before a look for children that have ended, however busy the starter is. */
#define LOOK_INTERVAL 16

/* ---- signals and ends of children ---- */

static pthread_t serving_thread;

/* Its coming is what ends pselect(). A thread that the warm-up has left, where that cannot be known, has
 * other signals blocked and may get this one. */
static void wake(int signal)
{
    if (!pthread_equal(pthread_self(), serving_thread))
        pthread_kill(serving_thread, signal);
}

static void set_action(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_NOCLDSTOP;
    action.sa_handler = handler;
    mproc__direct_set_action(SIGCHLD, &action);
}

/* All signals stay blocked in the template, so none of those sent to its whole group ends it, and none
 * comes between a fork and the child's having left the template. */
static void take_signals(struct server *server)
{
    sigset_t all;
    sigfillset(&all);
    serving_thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, &all, &server->signals_before);
    sigaction(SIGCHLD, NULL, &server->ended_before);
    bool reported = server->ended_before.sa_handler == SIG_DFL &&
                    !(server->ended_before.sa_flags & SA_NOCLDWAIT);
    server->ended = -1;
    if (server->watch == WATCH_DESCRIPTOR) {
        /* Between forks children are nobody's to reap. Children are forked with SIG_DFL: see fork_with_descriptor(). */
        set_action(SIG_IGN);
        server->action_changed = !reported;
        return;
    }
    /* A descriptor saves the signal's delivery, but another thread would take the signal away from it. */
    if (mproc_plat_thread_count() == 1)
        server->ended = mproc__child_signal();
    /* What is not changed no child has to change back. */
    server->action_changed = server->ended < 0 || !reported;
    if (server->action_changed)
        set_action(server->ended >= 0 ? SIG_DFL : wake);
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

/* ---- answering ---- */

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
    int count = mproc__template_unpack(&message, server->descriptors);
    if (count >= 0 && (size_t) count != (size_t) server->request.handle_count)
        _exit(1);
    return count;
}

/* Leaves nothing of the template in its child but what was sent for it. */
MPROC_IN_CHILD static void become_child(struct server *server, const struct children *children,
                                        const int status[2])
{
    if (server->action_changed)
        mproc__direct_set_action(SIGCHLD, &server->ended_before);
    mproc__direct_close(server->control);
    mproc__drop_held();
    if (server->watch == WATCH_PIPE) {
        if (server->ended >= 0)
            mproc__direct_close(server->ended);
        for (size_t i = 0; i < children->count; i++)
            mproc__direct_close(children->all[i].status_writer);
        mproc__direct_close(status[0]);
        mproc__hold(status[1]);
    }
    /* Nothing is freed: that would only copy the template's pages. */
    mproc__direct_set_mask(&server->signals_before);
}

/* Sends pid, or -errno, and the descriptor that tells of the child's end. 0, or a negative errno: the system sends no
 * descriptor just now, and the starter still waits for an answer. If that is gone, the child is its orphan. */
static int reply_to_request(struct server *server, int64_t pid, int watch)
{
    struct reply reply = { .pid = pid, .watch = (uint32_t) server->watch };
    union parcel parcel;
    if (pid > 0)
        MPROC_FAULT("template.forked"); /* killed here: the starter finds by the record whether there is a child */
    int failed = mproc__template_send(server->control, &reply, sizeof reply, &watch, pid > 0, parcel.bytes);
    return failed && pid > 0 && errno != EPIPE && errno != ECONNRESET ? -errno : 0;
}

/* Other numbers from rand() for every child. */
static unsigned next_seed(struct server *server)
{
    if (server->random == 0 && mproc_plat_random(&server->random, sizeof server->random) != MPROC_OK)
        server->random = (uint64_t) getpid();
    server->random = server->random * UINT64_C(0x5851f42d4c957f2d) + UINT64_C(0x14057b7ef767814f);
    return (unsigned) (server->random >> 33);
}

/* Forks with a descriptor that tells of the child's end. The child is a zombie if it ends before that is open,
 * so that its pid means nobody else; later nobody needs one. */
MPROC_IN_CHILD static int64_t fork_with_descriptor(struct server *server, struct children *children)
{
    set_action(SIG_DFL);
    pid_t pid = mproc__fork();
    if (pid == 0) {
        become_child(server, children, NULL);
        return 0;
    }
    int64_t result = pid > 0 ? pid : -errno;
    int watch = pid > 0 ? mproc__watch_open(pid) : -1;
    if (pid > 0 && watch < 0) {
        result = -errno;
        mproc__abandon(pid);
    }
    int unsent = reply_to_request(server, result, watch);
    if (unsent) {
        mproc__abandon(pid);
        reply_to_request(server, unsent, -1);
    }
    MPROC_FAULT("template.replied"); /* killed here, or slow: the child is a zombie of init's, or the template's */
    set_action(SIG_IGN);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    if (watch >= 0)
        mproc__direct_close(watch);
    return result;
}

MPROC_IN_CHILD static int64_t fork_with_pipe(struct server *server, struct children *children)
{
    int status[2];
    int64_t pid = make_room(children);
    if (pid == 0)
        pid = mproc__pipe(status) == 0 ? mproc__fork() : -errno;
    else
        status[0] = status[1] = -1;
    if (pid == 0) {
        become_child(server, children, status);
        return 0;
    }
    if (pid == -1) {
        pid = -errno;
        mproc__close_pair(status);
    }
    int unsent = reply_to_request(server, pid, status[0]);
    if (pid > 0)
        mproc__direct_close(status[0]);
    if (unsent) {
        mproc__abandon((pid_t) pid);
        mproc__direct_close(status[1]);
        reply_to_request(server, unsent, -1);
    } else if (pid > 0) {
        children->all[children->count++] = (struct child){ .pid = (pid_t) pid, .status_writer = status[1] };
    }
    return pid;
}

/* Answers one request; true in the child. */
MPROC_IN_CHILD static bool answer(struct server *server, struct children *children,
                                  void (*before_fork)(void *context, uint64_t request), void *context)
{
    int count = receive_request(server, children);
    if (count < 0) {
        reply_to_request(server, count, -1);
        return false;
    }
    for (int i = 0; i < count; i++)
        server->handles[i] = server->descriptors[i];
    before_fork(context, server->request.request);
    mproc__random_seed(server->random_state, next_seed(server));
    int64_t pid = server->watch == WATCH_DESCRIPTOR ? fork_with_descriptor(server, children)
                                                    : fork_with_pipe(server, children);
    if (pid == 0)
        return true;
    for (int i = 0; i < count; i++)
        mproc__direct_close(server->descriptors[i]);
    return false;
}

/* ---- waiting ---- */

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
    if (server->watch == WATCH_DESCRIPTOR)
        return ASKED; /* recvmsg() waits */
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
    server->watch = mproc__watch_tells() ? WATCH_DESCRIPTOR : WATCH_PIPE;
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
