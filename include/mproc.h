/* SPDX-License-Identifier: MIT */
/* mproc: processes that program like threads, on Linux, macOS and Windows.
 *
 * Two rules carry everything:
 *   A worker is a plain function; its argument is a block of bytes that is copied.
 *   If it is a pointer, it belongs to this process; if it is a value, you may send it anywhere.
 *
 * The first statement of main is mproc_init(): in a child process it runs the child's function and
 * does not return. docs/from-python.md maps every name of Python's multiprocessing to its C name. */
#ifndef MPROC_H
#define MPROC_H

#include "mproc/barrier.h"
#include "mproc/base.h"
#include "mproc/condition.h"
#include "mproc/connection.h"
#include "mproc/debug.h"
#include "mproc/event.h"
#include "mproc/lock.h"
#include "mproc/log.h"
#include "mproc/memory.h"
#include "mproc/message.h"
#include "mproc/object.h"
#include "mproc/pickle.h"
#include "mproc/pipe.h"
#include "mproc/pool.h"
#include "mproc/process.h"
#include "mproc/queue.h"
#include "mproc/rwlock.h"
#include "mproc/semaphore.h"
#include "mproc/shareable_list.h"
#include "mproc/shared_memory.h"
#include "mproc/subprocess.h"
#include "mproc/trace.h"
#include "mproc/value.h"
#include "mproc/wait.h"

#endif
