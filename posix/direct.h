/* SPDX-License-Identifier: MIT */
/* The few system calls that every forked child makes, made without the C library: fork copies no page
 * tables of program code, so the first call into each 64 KiB of the C library costs a child a page
 * fault, ten times the price of the call. Elsewhere, and under sanitizers, which want to see them,
 * these are the C library's. */
#ifndef MPROC_POSIX_DIRECT_H
#define MPROC_POSIX_DIRECT_H

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MPROC_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MPROC_SANITIZED 1
#endif
#endif

#if defined(MPROC_HAVE_LINUX_CALLS) && defined(__LP64__) && !defined(MPROC_SANITIZED) && \
    (defined(__x86_64__) || defined(__aarch64__))
#include <sys/syscall.h>

/* The result, or a negative errno. */
static inline long mproc__direct_call(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long which __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(which), "r"(second), "r"(third), "r"(fourth)
                     : "memory");
    return first;
#endif
}

static inline void mproc__direct_close(int descriptor)
{
    (void) mproc__direct_call(SYS_close, descriptor, 0, 0, 0);
}

static inline pid_t mproc__direct_pid(void)
{
    return (pid_t) mproc__direct_call(SYS_getpid, 0, 0, 0, 0);
}

/* Both systems' signal sets are 64 bits in the kernel, the first of the C library's. */
static inline void mproc__direct_set_mask(const sigset_t *mask)
{
    (void) mproc__direct_call(SYS_rt_sigprocmask, SIG_SETMASK, (long) mask, 0, 8);
}

/* Only for SIG_DFL and SIG_IGN: handlers need what the C library adds. */
static inline void mproc__direct_set_action(int signal, const struct sigaction *action)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } plain = { .handler = action->sa_handler };
    if (!(action->sa_flags & SA_SIGINFO) &&
        (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN))
        (void) mproc__direct_call(SYS_rt_sigaction, signal, (long) &plain, 0, 8);
    else
        sigaction(signal, action, NULL);
}

/* 0 or an errno. */
static inline int mproc__direct_replace(int source, int target)
{
    long result = mproc__direct_call(SYS_dup3, source, target, 0, 0);
    return result < 0 ? (int) -result : 0;
}
#else
#include <errno.h>

static inline void mproc__direct_close(int descriptor)
{
    close(descriptor);
}

static inline pid_t mproc__direct_pid(void)
{
    return getpid();
}

static inline void mproc__direct_set_mask(const sigset_t *mask)
{
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

static inline void mproc__direct_set_action(int signal, const struct sigaction *action)
{
    sigaction(signal, action, NULL);
}

static inline int mproc__direct_replace(int source, int target)
{
    return dup2(source, target) < 0 ? errno : 0;
}
#endif

#endif
