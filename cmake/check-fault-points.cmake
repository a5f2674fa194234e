# SPDX-License-Identifier: MIT
# Every fault point of the library has a test that names it:
#   cmake -D SOURCE=<checkout> -P cmake/check-fault-points.cmake
file(GLOB sources "${SOURCE}/core/*.[ch]" "${SOURCE}/posix/*.[ch]" "${SOURCE}/win32/*.[ch]")
file(GLOB_RECURSE tests "${SOURCE}/tests/*.c")

set(named "")
foreach(file IN LISTS tests)
  file(READ "${file}" text)
  string(APPEND named "${text}")
endforeach()

set(missing "")
set(count 0)
foreach(file IN LISTS sources)
  file(STRINGS "${file}" lines REGEX "MPROC_FAULT\\(\"")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE ".*MPROC_FAULT\\(\"([^\"]+)\".*" "\\1" point "${line}")
    math(EXPR count "${count} + 1")
    # by its name alone, or as the beginning of "name:count:action"
    string(FIND "${named}" "\"${point}\"" alone)
    string(FIND "${named}" "${point}:" in_variable)
    if(alone EQUAL -1 AND in_variable EQUAL -1)
      list(APPEND missing "${point}")
    endif()
  endforeach()
endforeach()

if(missing OR count EQUAL 0)
  message(FATAL_ERROR "of ${count} fault points no test names these: ${missing}")
endif()
message("tests name all ${count} places of fault points")
