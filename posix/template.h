/* SPDX-License-Identifier: MIT */
/* What a template and its starter say to each other, over a stream socket. */
#ifndef MPROC_POSIX_TEMPLATE_H
#define MPROC_POSIX_TEMPLATE_H

#include "posix.h"

/* Comes with the handles for the child. */
struct request {
    uint64_t request;
    uint32_t handle_count;
    uint32_t reserved;
};

/* Comes with the descriptor by which the child's end is noticed, if there is a child. */
struct reply {
    int64_t pid; /* or -errno */
    uint32_t watch; /* enum watch */
    uint32_t reserved;
};
enum watch {
    WATCH_PIPE,       /* the template writes the child's wait status into it */
    WATCH_DESCRIPTOR, /* a pidfd that tells by itself */
};

/* Descriptors on their way, with the alignment that CMSG_DATA() needs. */
union cargo {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MPROC_PLAT_TEMPLATE_HANDLES * sizeof(int))];
};
union parcel {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* Sends `size` bytes and `count` descriptors; `space` has room for them. 0 or -1 with errno. */
int mproc__template_send(int control, const void *data, size_t size, const int *descriptors, size_t count,
                         void *space);
/* Takes the descriptors out of a received message: how many, or -EMFILE with all of them closed. */
int mproc__template_unpack(struct msghdr *message, int *descriptors);

#endif
