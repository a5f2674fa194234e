# SPDX-License-Identifier: MIT
# macOS from another system, with the clang, headers and library stubs of zig: shows that mproc
# compiles and links there. Nothing is run. On a Mac no toolchain file is needed.
set(CMAKE_SYSTEM_NAME Darwin)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MPROC_DEPS_DIR)
if(NOT MPROC_DEPS_DIR)
  get_filename_component(MPROC_DEPS_DIR "${CMAKE_CURRENT_LIST_DIR}/../../.deps" ABSOLUTE)
endif()
set(zig "${MPROC_DEPS_DIR}/zig")
if(NOT EXISTS "${zig}/${zig_processor}-cc")
  execute_process(COMMAND "${CMAKE_CURRENT_LIST_DIR}/../fetch-zig" "${zig}" COMMAND_ERROR_IS_FATAL ANY)
endif()
set(CMAKE_C_COMPILER "${zig}/${zig_processor}-cc")
set(CMAKE_AR "${zig}/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${zig}/ranlib" CACHE FILEPATH "")
set(CMAKE_INSTALL_LIBDIR lib CACHE STRING "") # CMake cannot tell the architecture
set(CMAKE_OSX_SYSROOT "" CACHE PATH "")
set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# what APR's configure would find out by running programs; taken from macOS's manuals, not from a Mac
set(MPROC_DEPS_CONFIGURE
    --host=${zig_processor}-apple-darwin20
    ac_cv_file__dev_zero=yes ac_cv_func_setpgrp_void=yes ac_cv_o_nonblock_inherited=yes
    ac_cv_sizeof_struct_iovec=16 ac_cv_strerror_r_rc_int=yes
    apr_cv_process_shared_works=yes apr_cv_mutex_robust_shared=no apr_cv_mutex_recursive=yes
    apr_cv_tcp_nodelay_with_cork=no apr_cv_gai_addrconfig=yes apr_cv_use_lfs64=no
    ap_cv_atomic_builtins=yes ap_cv__atomic_builtins=yes
    ap_cv_atomic_builtins64=yes ap_cv__atomic_builtins64=yes)
