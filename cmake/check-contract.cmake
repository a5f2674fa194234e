# SPDX-License-Identifier: MIT
# The test source.contract: everything that core/platform.h declares is named in a contract test.
#   cmake -DSOURCE=folder -P check-contract.cmake
cmake_minimum_required(VERSION 3.24)

file(READ "${SOURCE}/core/platform.h" header)
file(GLOB files "${SOURCE}/tests/contract/*.c" "${SOURCE}/tests/support/contract.h")
set(tests)
foreach(file IN LISTS files)
  file(READ "${file}" one)
  string(APPEND tests "${one}\n")
endforeach()
string(REGEX REPLACE "/[*]([^*]|[*]+[^*/])*[*]+/" " " header "${header}") # comments name functions, too
string(REGEX REPLACE "/[*]([^*]|[*]+[^*/])*[*]+/" " " tests "${tests}")
string(REGEX MATCHALL "mproc_plat_[a-z0-9_]+[(]" functions "${header}")
list(TRANSFORM functions REPLACE "[(]" "")
list(REMOVE_DUPLICATES functions)
if(NOT functions)
  message(FATAL_ERROR "no functions found in ${SOURCE}/core/platform.h")
endif()
foreach(function IN LISTS functions)
  if(NOT tests MATCHES "[^a-z0-9_]${function}[^a-z0-9_]")
    message(SEND_ERROR "no test in tests/contract/ names ${function}")
  endif()
endforeach()
