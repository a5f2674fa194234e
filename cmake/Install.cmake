# SPDX-License-Identifier: MIT
# Headers, both libraries, the CMake package and mproc.pc.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/mproc")
set(package_build "${PROJECT_BINARY_DIR}/package")

foreach(kind IN ITEMS static shared)
  install(TARGETS mproc_${kind} EXPORT mproc_${kind}
          FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
          INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT mproc_${kind} NAMESPACE mproc:: DESTINATION "${package_dir}")
endforeach()

# Only programs that link the static library need APR themselves; the shared one has it inside or
# finds it.
file(CONFIGURE OUTPUT "${package_build}/mprocConfig.cmake" @ONLY CONTENT [[
# mproc::mproc_shared; mproc::mproc_static if what it needs is here; mproc::mproc is the shared one
# unless BUILD_SHARED_LIBS is set and false.
include(CMakeFindDependencyMacro)
include("${CMAKE_CURRENT_LIST_DIR}/mproc_shared.cmake")

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(APR QUIET IMPORTED_TARGET apr-1)
  if("@CRYPTO_FOUND@")
    pkg_check_modules(CRYPTO QUIET IMPORTED_TARGET libcrypto)
  endif()
endif()
if(NOT WIN32)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads QUIET)
endif()
if(TARGET PkgConfig::APR AND (TARGET PkgConfig::CRYPTO OR NOT "@CRYPTO_FOUND@") AND (WIN32 OR TARGET Threads::Threads))
  include("${CMAKE_CURRENT_LIST_DIR}/mproc_static.cmake")
endif()

if(NOT TARGET mproc::mproc)
  add_library(mproc::mproc INTERFACE IMPORTED)
  if(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
    if(NOT TARGET mproc::mproc_static)
      set(mproc_FOUND FALSE)
      set(mproc_NOT_FOUND_MESSAGE "the static libmproc needs pkg-config, apr-1 and libcrypto")
    endif()
    set_target_properties(mproc::mproc PROPERTIES INTERFACE_LINK_LIBRARIES mproc::mproc_static)
  else()
    set_target_properties(mproc::mproc PROPERTIES INTERFACE_LINK_LIBRARIES mproc::mproc_shared)
  endif()
endif()
]])
write_basic_package_version_file("${package_build}/mprocConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${package_build}/mprocConfig.cmake" "${package_build}/mprocConfigVersion.cmake"
        DESTINATION "${package_dir}")

set(private_libraries)
set(private_packages apr-1)
if(CRYPTO_FOUND)
  string(APPEND private_packages " libcrypto")
endif()
foreach(library IN LISTS platform_libraries)
  if(library STREQUAL "Threads::Threads")
    string(APPEND private_libraries " ${CMAKE_THREAD_LIBS_INIT}")
  else()
    string(APPEND private_libraries " -l${library}")
  endif()
endforeach()
# pc's paths are relative to its own, so that the installed tree may be moved
file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
file(CONFIGURE OUTPUT "${package_build}/mproc.pc" @ONLY CONTENT [[
prefix=${pcfiledir}/@pc_prefix@
libdir=${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: mproc
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Requires.private: @private_packages@
Libs: -L${libdir} -lmproc
Libs.private: @private_libraries@
Cflags: -I${includedir}
]])
install(FILES "${package_build}/mproc.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
