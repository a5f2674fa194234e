# SPDX-License-Identifier: MIT
# The test source.lists: every source file is in a list of a CMakeLists.txt.
#   cmake -DSOURCE=folder -P check-lists.cmake
cmake_minimum_required(VERSION 3.24)

# check(lists folder...): `lists` names every .c file of the folders, by its name with or without .c
function(check lists)
  file(READ "${SOURCE}/${lists}" text)
  list(TRANSFORM ARGN REPLACE "(.+)" "${SOURCE}/\\1/*.c" OUTPUT_VARIABLE patterns)
  file(GLOB files RELATIVE "${SOURCE}" ${patterns})
  foreach(file IN LISTS files)
    get_filename_component(name "${file}" NAME_WE)
    string(REGEX REPLACE "^(test|bench|fuzz)_" "(\\0)?" name "${name}") # fuzz_x or x
    if(NOT text MATCHES "[^A-Za-z0-9_]${name}[^A-Za-z0-9_]")
      message(SEND_ERROR "${file} is not in ${lists}")
    endif()
  endforeach()
endfunction()

check(CMakeLists.txt core posix win32)
check(examples/CMakeLists.txt examples)
check(examples/README.md examples)
check(tests/CMakeLists.txt tests/contract tests/unit tests/api tests/api/programs tests/model tests/stress
      tests/bench tests/support)
check(tests/examples/examples.cmake tests/examples)
check(tests/CMakeLists.txt tests/fuzz tests/interop)
