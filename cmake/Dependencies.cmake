# SPDX-License-Identifier: MIT
# Gives PkgConfig::APR and, for the tests, PkgConfig::CUNIT: the system's, or built from source into
# MPROC_DEPS_DIR for a target that has no packages of them. That folder survives the build folder.
set(MPROC_DEPS_DIR "${PROJECT_SOURCE_DIR}/.deps" CACHE PATH "Where fetched dependencies are kept")
option(MPROC_BUILD_DEPS "Build APR and CUnit from source" ${CMAKE_CROSSCOMPILING})
set(MPROC_APR_SOURCE "" CACHE PATH "APR's source, patched; empty: the distribution's source package")
set(MPROC_APR_VERSION "" CACHE STRING "Version of that source package; empty: the newest")
set(MPROC_CUNIT_SOURCE "" CACHE PATH "CUnit's source; empty: the distribution's source package")
set(MPROC_CUNIT_VERSION "" CACHE STRING "Version of that source package; empty: the newest")
set(MPROC_DEPS_CONFIGURE "" CACHE STRING "Arguments for APR's configure")
mark_as_advanced(MPROC_DEPS_CONFIGURE)

# run(what program argument...): shows its output only if it fails
function(run what)
  message(STATUS "${what}")
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what}: failed\n${text}")
  endif()
endfunction()

# fetch(package version variable): unpacks a source package unless the variable names a source
function(fetch package version variable)
  if(${variable})
    return()
  endif()
  set(folder "${MPROC_DEPS_DIR}/source/${package}${version}")
  if(NOT EXISTS "${folder}")
    run("Fetching the source of ${package}" "${PROJECT_SOURCE_DIR}/cmake/debian" source ${package}
        "${folder}" ${version})
  endif()
  set(${variable} "${folder}" PARENT_SCOPE)
endfunction()

# APR for a Unix: its own configure, with the toolchain's compiler
function(build_apr_unix build prefix)
  if("${build}" MATCHES " ")
    message(FATAL_ERROR "APR's own build needs a path without spaces: set MPROC_DEPS_DIR")
  endif()
  file(MAKE_DIRECTORY "${build}/apr")
  file(COPY "${MPROC_APR_SOURCE}/" DESTINATION "${build}/apr") # it builds in its source
  set(environment "CC=${CMAKE_C_COMPILER}" "CFLAGS=-O2 -fPIC -w ${CMAKE_C_FLAGS}"
      "LDFLAGS=${CMAKE_EXE_LINKER_FLAGS}" "AR=${CMAKE_AR}" "RANLIB=${CMAKE_RANLIB}")
  run("Configuring APR" ${CMAKE_COMMAND} -E env --unset=MAKEFLAGS ${environment} ${CMAKE_COMMAND} -E
      chdir "${build}/apr" ./configure --quiet "--prefix=${prefix}" --disable-shared --disable-dso
      ${MPROC_DEPS_CONFIGURE})
  run("Building APR" make -C "${build}/apr" -j2 "SHELL=/bin/bash" all)
  run("Installing APR" make -C "${build}/apr" install)
endfunction()

function(build_dependencies prefix)
  fetch(apr "${MPROC_APR_VERSION}" MPROC_APR_SOURCE)
  fetch(cunit "${MPROC_CUNIT_VERSION}" MPROC_CUNIT_SOURCE)
  set(build "${prefix}-build")
  file(REMOVE_RECURSE "${build}" "${prefix}")
  set(arguments)
  if(CMAKE_TOOLCHAIN_FILE)
    list(APPEND arguments "-DCMAKE_TOOLCHAIN_FILE=${CMAKE_TOOLCHAIN_FILE}")
  else()
    list(APPEND arguments "-DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}")
  endif()
  run("Configuring the dependencies" ${CMAKE_COMMAND} -S "${PROJECT_SOURCE_DIR}/cmake/dependencies"
      -B "${build}" -G "${CMAKE_GENERATOR}" -DCMAKE_BUILD_TYPE=Release ${arguments}
      "-DCMAKE_INSTALL_PREFIX=${prefix}"
      -DCMAKE_INSTALL_LIBDIR:STRING=lib "-DAPR_SOURCE=${MPROC_APR_SOURCE}"
      "-DCUNIT_SOURCE=${MPROC_CUNIT_SOURCE}" "-DMPROC_DEPS_DIR=${MPROC_DEPS_DIR}")
  run("Building the dependencies" ${CMAKE_COMMAND} --build "${build}" --target install)
  if(NOT WIN32)
    build_apr_unix("${build}" "${prefix}")
  endif()
  file(TOUCH "${prefix}/complete")
  file(REMOVE_RECURSE "${build}")
endfunction()

find_package(PkgConfig REQUIRED)
if(MPROC_SYSROOT_ARCH) # by the toolchain file
  if(NOT EXISTS "${MPROC_SYSROOT}/pkgconfig/cunit.pc")
    run("Fetching packages for ${MPROC_SYSROOT_ARCH}" "${PROJECT_SOURCE_DIR}/cmake/debian" sysroot
        ${MPROC_SYSROOT_ARCH} "${MPROC_SYSROOT}" libapr1 libapr1-dev libcunit1 libcunit1-dev
        libcrypt1 libuuid1)
    string(REPLACE " " "\\ " escaped "${MPROC_SYSROOT}")
    foreach(package IN ITEMS apr-1 cunit)
      file(READ "${MPROC_SYSROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig/${package}.pc" text)
      string(REPLACE "=/usr" "=${escaped}/usr" text "${text}")
      file(WRITE "${MPROC_SYSROOT}/pkgconfig/${package}.pc" "${text}")
    endforeach()
  endif()
  set(ENV{PKG_CONFIG_LIBDIR} "${MPROC_SYSROOT}/pkgconfig")
elseif(MPROC_BUILD_DEPS)
  if(NOT MPROC_DEPS_NAME)
    string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" MPROC_DEPS_NAME)
  endif()
  set(prefix "${MPROC_DEPS_DIR}/${MPROC_DEPS_NAME}")
  file(MAKE_DIRECTORY "${MPROC_DEPS_DIR}")
  file(LOCK "${MPROC_DEPS_DIR}/lock" TIMEOUT 600)
  if(NOT EXISTS "${prefix}/complete")
    build_dependencies("${prefix}")
  endif()
  file(LOCK "${MPROC_DEPS_DIR}/lock" RELEASE)
  set(ENV{PKG_CONFIG_LIBDIR} "${prefix}/lib/pkgconfig")
  set(PKG_CONFIG_ARGN --static)
endif()
pkg_check_modules(APR REQUIRED IMPORTED_TARGET apr-1)
if(NOT WIN32) # which has BCrypt
  pkg_check_modules(CRYPTO IMPORTED_TARGET libcrypto)
endif()
if(MPROC_TESTS)
  pkg_check_modules(CUNIT REQUIRED IMPORTED_TARGET cunit)
endif()
