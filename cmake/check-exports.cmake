# SPDX-License-Identifier: MIT
# The test source.exports: the shared library shows mproc_* and nothing else.
#   cmake -DNM=program -DLIBRARY=file -P check-exports.cmake
cmake_minimum_required(VERSION 3.24)

execute_process(COMMAND "${NM}" --dynamic --defined-only --format=posix "${LIBRARY}"
                OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${text}")
list(TRANSFORM lines REPLACE " .*" "" OUTPUT_VARIABLE symbols)
set(public ${symbols})
list(FILTER public INCLUDE REGEX "^mproc_[a-z]")
list(FILTER symbols EXCLUDE REGEX "^(mproc_[a-z]|_init$|_fini$)") # the latter: musl's start files
# what belongs to the platform boundary has a public-looking name
set(boundary ${public})
list(FILTER boundary INCLUDE REGEX "^mproc_plat_")
list(APPEND symbols ${boundary})
if(NOT public OR symbols)
  list(LENGTH public count)
  list(JOIN symbols " " symbols)
  message(FATAL_ERROR "${count} public symbols; others: ${symbols}")
endif()
