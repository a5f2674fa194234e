# SPDX-License-Identifier: MIT
# Linux on z/Architecture, run by qemu-user: the big-endian one.
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(MPROC_SYSROOT_ARCH s390x)
set(loader ld64.so.1)
include("${CMAKE_CURRENT_LIST_DIR}/linux-foreign.cmake")
