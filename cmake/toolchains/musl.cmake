# SPDX-License-Identifier: MIT
# Linux with musl instead of glibc, linked statically, by Debian's musl-gcc.
set(CMAKE_C_COMPILER musl-gcc)
# the kernel's headers (linux/futex.h), after musl's own
execute_process(COMMAND gcc -print-multiarch OUTPUT_VARIABLE multiarch
                OUTPUT_STRIP_TRAILING_WHITESPACE)
set(CMAKE_C_FLAGS_INIT "-idirafter /usr/include -idirafter /usr/include/${multiarch}")
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(MPROC_DEPS_NAME linux-musl)
