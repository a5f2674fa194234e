/* SPDX-License-Identifier: MIT */
/* Shared memory by name: shm_open(). */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_TRIES = 50 };

static mproc_err fail(const char *what, const char *name)
{
    int code = errno;
    mproc_err err = code == EEXIST                                          ? MPROC_EEXIST
                    : code == ENOENT                                        ? MPROC_ENOTFOUND
                    : code == EINVAL || code == ENAMETOOLONG                ? MPROC_EINVAL
                    : code == ENOSPC || code == EFBIG || code == EOVERFLOW  ? MPROC_ENOMEM
                                                                            : mproc__from_errno(code);
    return mproc__fail_system(err, code, "shared memory \"%.200s\" cannot be %s", name, what);
}

static int open_named(const char *name, int flags)
{
    char path[MPROC__NAMED_PATH_SIZE];
    snprintf(path, sizeof path, "/%s", name);
    return shm_open(path, flags, S_IRUSR | S_IWUSR);
}

/* Takes the memory now: a page that is missing later is a SIGBUS. */
static bool reserve(int descriptor, size_t size)
{
#ifdef MPROC_HAVE_POSIX_FALLOCATE
    int code;
    do
        code = posix_fallocate(descriptor, 0, (off_t) size);
    while (code == EINTR);
    errno = code;
    return code == 0;
#else
    return ftruncate(descriptor, (off_t) size) == 0;
#endif
}

static mproc_err map(int descriptor, const char *name, struct mproc_plat_named *named)
{
    struct stat status;
    void *address = MAP_FAILED;
    if (fstat(descriptor, &status) == 0)
        address = mmap(NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (address == MAP_FAILED)
        return fail("mapped", name);
    *named = (struct mproc_plat_named){ address, (size_t) status.st_size, MPROC_PLAT_NONE,
                                        { (uint64_t) status.st_dev, (uint64_t) status.st_ino } };
    return MPROC_OK;
}

static void unlink_path(const char *name)
{
    char path[MPROC__NAMED_PATH_SIZE];
    snprintf(path, sizeof path, "/%s", name);
    shm_unlink(path);
}

/* Everything between opening and closing; on error nothing is mapped. */
static mproc_err complete(int descriptor, bool hidden, const char *name, size_t size,
                          mproc_plat_named_announce *announce, void *context, struct mproc_plat_named *named)
{
    struct mproc_plat_named made;
    if (!reserve(descriptor, size))
        return fail("given its size", name);
    mproc_err err = map(descriptor, name, &made);
    if (err != MPROC_OK)
        return err;
    if (announce) {
        mproc__named_mark(descriptor);
        err = announce(made.identity, context);
    }
    if (err == MPROC_OK && hidden && !mproc__named_show(descriptor, name))
        err = fail("created", name);
    if (err == MPROC_OK)
        *named = made;
    else
        munmap(made.address, made.size);
    return err;
}

mproc_err mproc_plat_named_create(const char *name, size_t size, mproc_plat_named_announce *announce,
                                  void *context, struct mproc_plat_named *named)
{
    int descriptor = mproc__named_open_hidden(name);
    bool hidden = descriptor >= 0;
    if (!hidden)
        descriptor = open_named(name, O_RDWR | O_CREAT | O_EXCL);
    if (descriptor < 0)
        return fail("created", name);
    mproc_err err = complete(descriptor, hidden, name, size, announce, context, named);
    close(descriptor);
    if (err != MPROC_OK && !hidden)
        unlink_path(name);
    return err;
}

mproc_err mproc_plat_named_attach(const char *name, struct mproc_plat_named *named)
{
    int descriptor = open_named(name, O_RDWR);
    if (descriptor < 0)
        return fail("opened", name);
    mproc_err err = map(descriptor, name, named);
    close(descriptor);
    return err;
}

void mproc_plat_named_close(struct mproc_plat_named *named)
{
    munmap(named->address, named->size);
    named->address = NULL;
}

static bool is_same(int descriptor, const uint64_t identity[2])
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && (uint64_t) status.st_dev == identity[0] &&
           (uint64_t) status.st_ino == identity[1];
}

/* Several may unlink the same one, and the name be given anew after the first: who unlinks holds the file's
 * lock while it looks and removes. It waits a short while at most: others may hold that lock for long. */
static void lock(int descriptor)
{
    for (int i = 0; i < LOCK_TRIES && flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; i++)
        mproc_plat_sleep(1000000);
}

mproc_err mproc_plat_named_unlink(const char *name, const uint64_t identity[2])
{
    char path[MPROC__NAMED_PATH_SIZE];
    int locked = open_named(name, O_RDONLY);
    if (locked < 0)
        return fail("unlinked", name);
    lock(locked);
    int descriptor = open_named(name, O_RDONLY); /* what has the name now that it is locked */
    bool same = is_same(locked, identity) && descriptor >= 0 && is_same(descriptor, identity);
    snprintf(path, sizeof path, "/%s", name);
    mproc_err err = MPROC_OK;
    if (!same)
        err = mproc__fail(MPROC_ENOTFOUND, "shared memory \"%.200s\" is another one by now: it stays", name);
    else if (shm_unlink(path) != 0)
        err = fail("unlinked", name);
    if (descriptor >= 0)
        close(descriptor);
    close(locked);
    return err;
}
