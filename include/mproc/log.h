/* SPDX-License-Identifier: MIT */
/* The logger: Python's multiprocessing.get_logger() and log_to_stderr(). */
#ifndef MPROC_LOG_H
#define MPROC_LOG_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Python's levels. A message is passed on if its level is at least the logger's. */
typedef enum mproc_log_level {
    MPROC_LOG_SUBDEBUG = 5,
    MPROC_LOG_DEBUG = 10,
    MPROC_LOG_INFO = 20,
    MPROC_LOG_SUBWARNING = 25,
    MPROC_LOG_WARNING = 30,
    MPROC_LOG_ERROR = 40,
    MPROC_LOG_OFF = 1000
} mproc_log_level;

/* Receives one message without a newline. `line` is the text as log_to_stderr would print it:
 * "[INFO/Process-1 4711] message"; both are valid during the call. Called in the thread that logs, in one
 * thread at a time. It may call any function of mproc, and does not change what mproc_last_error() says
 * after the call that logs; what is logged because of it goes to stderr only. It must not wait for another
 * thread that logs (a pool has some). A fork in another thread does not wait for it: a lock of yours that
 * it holds then stays locked in the child. */
typedef void mproc_log_callback(void *context, int level, const char *message, const char *line);

/* Logs a message in printf's manner, at a level of 1 to 999. Cheap when the level is off. What is longer than
 * 799 bytes is cut and ends with "...". Not for signal handlers. */
MPROC_API void mproc_log(int level, const char *format, ...) MPROC_PRINTF(2, 3);

/* The level below which messages are dropped. MPROC_LOG_OFF at first, or what the environment
 * variable MPROC_LOG says in the root ("debug", "INFO", "off", "10"; it also switches log_to_stderr on). Anything
 * else in it changes nothing, and one line on stderr says so. Children start with the level their parent has at
 * their start. At first, then, nobody sees mproc's warnings, as in Python: of a fork beside other threads, of a
 * status that somebody else has taken. MPROC_LOG=warning shows them. MPROC_EINVAL: not in 1 to MPROC_LOG_OFF. */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_log_level(int level);
MPROC_API int mproc_get_log_level(void);

/* Prints messages of at least `level` to stderr, each line in one write, in this process and in
 * the children it starts from now on. MPROC_EINVAL as above. Python: log_to_stderr(level). */
MPROC_API MPROC_MUST_USE mproc_err mproc_log_to_stderr(int level);

/* Passes messages to `callback` as well; NULL takes it away. When this returns no other thread is in the one
 * before. It holds in this process and in children it forks; a spawned child must set its own. */
MPROC_API void mproc_set_log_callback(mproc_log_callback *callback, void *context);

#ifdef __cplusplus
}
#endif
#endif
