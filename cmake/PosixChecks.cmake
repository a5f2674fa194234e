# SPDX-License-Identifier: MIT
# Which of the optional calls this Unix has.
include(CheckCCompilerFlag)
include(CheckSymbolExists)
include(CMakePushCheckState)

cmake_push_check_state(RESET)
set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE -D_DARWIN_C_SOURCE)
check_symbol_exists(on_exit stdlib.h MPROC_HAVE_ON_EXIT)
check_symbol_exists(close_range unistd.h MPROC_HAVE_CLOSE_RANGE)
check_symbol_exists(posix_spawn_file_actions_addclosefrom_np spawn.h MPROC_HAVE_SPAWN_CLOSEFROM)
check_symbol_exists(posix_spawn_file_actions_addchdir_np spawn.h MPROC_HAVE_SPAWN_CHDIR)
check_symbol_exists(posix_fallocate fcntl.h MPROC_HAVE_POSIX_FALLOCATE)
check_symbol_exists(__fpurge stdio_ext.h MPROC_HAVE_STDIO_EXT)
check_symbol_exists(fpurge stdio.h MPROC_HAVE_FPURGE)
check_symbol_exists(shm_open sys/mman.h MPROC_HAVE_SHM_OPEN)
cmake_pop_check_state()

set(MPROC_LIBRARY_RT)
if(NOT MPROC_HAVE_SHM_OPEN) # glibc before 2.34 keeps it in librt
  set(MPROC_LIBRARY_RT rt)
endif()

check_c_compiler_flag(-fno-plt MPROC_HAVE_NO_PLT)
