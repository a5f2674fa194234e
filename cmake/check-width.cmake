# SPDX-License-Identifier: MIT
# The test source.width: no line of the sources is longer than .editorconfig and .clang-format say.
#   cmake -DSOURCE=folder -P check-width.cmake
cmake_minimum_required(VERSION 3.24)

file(READ "${SOURCE}/.editorconfig" text)
string(REGEX MATCH "max_line_length = ([0-9]+)" text "${text}")
set(width ${CMAKE_MATCH_1})
file(STRINGS "${SOURCE}/.clang-format" text REGEX "^ColumnLimit: ")
if(NOT width OR NOT text STREQUAL "ColumnLimit: ${width}")
  message(FATAL_ERROR ".editorconfig says '${width}', and .clang-format '${text}'")
endif()
math(EXPR too_long "${width} + 1")

file(GLOB files RELATIVE "${SOURCE}" "${SOURCE}/CMakeLists.txt")
foreach(folder IN ITEMS cmake core examples include posix tests win32)
  list(APPEND patterns "${SOURCE}/${folder}/*.[ch]" "${SOURCE}/${folder}/*.cpp" "${SOURCE}/${folder}/*.py"
       "${SOURCE}/${folder}/*.sh" "${SOURCE}/${folder}/*.cmake" "${SOURCE}/${folder}/CMakeLists.txt")
endforeach()
file(GLOB_RECURSE in_folders RELATIVE "${SOURCE}" ${patterns})
list(APPEND files ${in_folders})
foreach(file IN LISTS files)
  file(STRINGS "${SOURCE}/${file}" lines LENGTH_MINIMUM ${too_long} ENCODING UTF-8)
  if(NOT lines STREQUAL "")
    message(SEND_ERROR "${file}: longer than ${width}: ${lines}")
  endif()
endforeach()
list(LENGTH files count)
if(count LESS 300)
  message(SEND_ERROR "only ${count} files were looked at")
endif()
