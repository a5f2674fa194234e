# SPDX-License-Identifier: MIT
# Linux on 64-bit ARM, run by qemu-user.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(MPROC_SYSROOT_ARCH arm64)
set(loader ld-linux-aarch64.so.1)
include("${CMAKE_CURRENT_LIST_DIR}/linux-foreign.cmake")
