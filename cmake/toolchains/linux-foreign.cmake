# SPDX-License-Identifier: MIT
# Linux on another processor, with a Debian cross compiler. APR and CUnit are the distribution's
# packages for it, unpacked into MPROC_DEPS_DIR (cmake/Dependencies.cmake).
set(CMAKE_SYSTEM_NAME Linux)
set(triple ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
set(CMAKE_C_COMPILER ${triple}-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${triple})

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MPROC_DEPS_DIR)
if(NOT MPROC_DEPS_DIR)
  get_filename_component(MPROC_DEPS_DIR "${CMAKE_CURRENT_LIST_DIR}/../../.deps" ABSOLUTE)
endif()
set(MPROC_SYSROOT "${MPROC_DEPS_DIR}/sysroot-${MPROC_SYSROOT_ARCH}")
set(CMAKE_FIND_ROOT_PATH /usr/${triple} "${MPROC_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# Programs find their loader and libraries by themselves: a test that empties the environment of a
# child leaves it nothing to find them by. DT_RPATH, because it serves the libraries' libraries too.
# In quotes for the shell, as the path may have spaces.
set(libraries "${MPROC_SYSROOT}/usr/lib/${triple}:${MPROC_SYSROOT}/lib/${triple}:/usr/${triple}/lib")
string(CONCAT link_flags "-Wl,--disable-new-dtags -Wl,-rpath,\"${libraries}\" "
                         "-Wl,-rpath-link,\"${libraries}\"")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${link_flags}")
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "${link_flags} -Wl,--dynamic-linker=/usr/${triple}/lib/${loader}")

set(CMAKE_CROSSCOMPILING_EMULATOR
    "${CMAKE_CURRENT_LIST_DIR}/../run-foreign;${CMAKE_SYSTEM_PROCESSOR}")
