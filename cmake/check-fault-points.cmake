# SPDX-License-Identifier: MIT
# The test source.fault_points: every point at which a process can be killed is one that a test kills at, and every
# point that a test names is there.
#   cmake -DSOURCE=folder -P check-fault-points.cmake
cmake_minimum_required(VERSION 3.24)

# read_all(result pattern...): the text of all files, without what would end an item of a list
function(read_all result)
  file(GLOB_RECURSE files ${ARGN})
  set(text)
  foreach(file IN LISTS files)
    file(READ "${file}" one)
    string(APPEND text "${one}\n")
  endforeach()
  string(REGEX REPLACE "[][;\\\\]" " " text "${text}")
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

# names(result text before after): what stands between the two in the text
function(names result text before after)
  string(REGEX MATCHALL "${before}[a-z_]+[.][a-z_]+${after}" names "${text}")
  list(TRANSFORM names REPLACE "^.*[\"=]([a-z_]+[.][a-z_]+).*$" "\\1")
  list(REMOVE_DUPLICATES names)
  set(${result} ${names} PARENT_SCOPE)
endfunction()

read_all(source "${SOURCE}/core/*.[ch]" "${SOURCE}/posix/*.[ch]" "${SOURCE}/win32/*.[ch]")
read_all(tests "${SOURCE}/tests/*.[ch]")
names(points "${source}" "MPROC_FAULT[(]\"" "\"[)]")
names(tested "${tests}" "[\"=]" "[\":]")
if(NOT points OR NOT tested)
  message(FATAL_ERROR "no fault points found in ${SOURCE}")
endif()

set(families ${points})
list(TRANSFORM families REPLACE "[.].*" "")
list(REMOVE_DUPLICATES families)
foreach(point IN LISTS points)
  if(NOT point IN_LIST tested)
    message(SEND_ERROR "no test in tests/ names the fault point ${point}")
  endif()
endforeach()
foreach(name IN LISTS tested)
  string(REGEX REPLACE "[.].*" "" family "${name}")
  if(family IN_LIST families AND NOT name MATCHES "[.]h$" AND NOT name IN_LIST points)
    message(SEND_ERROR "a test names ${name}, and there is no such fault point")
  endif()
endforeach()
