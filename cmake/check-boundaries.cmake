# SPDX-License-Identifier: MIT
# The test source.boundaries: core/ and include/ know no operating system, and posix/ and win32/ do not ask which one it
# is: that is for CMake, which chooses files and definitions.
#   cmake -DSOURCE=folder -P check-boundaries.cmake
cmake_minimum_required(VERSION 3.24)

set(systems WIN32 WIN64 linux gnu_linux APPLE MACH unix FreeBSD NetBSD OpenBSD DragonFly sun ANDROID CYGWIN MINGW32
    MINGW64 POSIX)
list(JOIN systems "|" systems)
set(systems "_?_?(${systems})(__)?")
# the one place where the system decides something: how a DLL's functions are marked
set(export_line "defined\\(_WIN32\\) && defined\\(MPROC_(BUILDING|SHARED)\\)$")
set(standard_c assert complex ctype errno fenv float inttypes limits locale math setjmp signal stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string time wchar)
list(JOIN standard_c "|" standard_c)
set(findings 0)

# report(file line text): one finding
macro(report what line)
  message(NOTICE "${file}: ${what}: ${line}")
  math(EXPR findings "${findings} + 1")
endmacro()

# check(folder headers...): its files name no system and include only these
function(check folder allowed)
  file(GLOB_RECURSE files RELATIVE "${SOURCE}" "${SOURCE}/${folder}/*.[ch]")
  if(NOT files)
    message(FATAL_ERROR "no files in ${SOURCE}/${folder}")
  endif()
  foreach(file IN LISTS files)
    file(STRINGS "${SOURCE}/${file}" conditions REGEX "^[ \t]*#[ \t]*(if|elif|ifdef|ifndef)")
    foreach(line IN LISTS conditions)
      if(line MATCHES "[^A-Za-z0-9_]${systems}($|[^A-Za-z0-9_])"
         AND NOT (file STREQUAL "include/mproc/base.h" AND line MATCHES "${export_line}"))
        report("names a system" "${line}")
      endif()
    endforeach()
    file(STRINGS "${SOURCE}/${file}" includes REGEX "^[ \t]*#[ \t]*include[ \t]*<")
    foreach(line IN LISTS includes)
      if(NOT line MATCHES "<(${allowed})\\.h>"
         AND NOT (file STREQUAL "core/compiler.h" AND line MATCHES "<intrin.h>"))
        report("includes a header it must not" "${line}")
      endif()
    endforeach()
  endforeach()
  set(findings ${findings} PARENT_SCOPE)
endfunction()

check(include "${standard_c}")
check(core "${standard_c}|apr_[a-z_]+")
check(posix ".*")
check(win32 ".*")
if(findings)
  message(FATAL_ERROR "${findings} findings")
endif()
