# SPDX-License-Identifier: MIT
# The tests install.*: installs mproc into a scratch folder, builds a program with it as its users
# would, and runs that.
#   cmake -DWAY=find_package|pkg_config -DBUILD=folder -DSOURCE=folder -DSCRATCH=folder
#         -DCC=compiler -DGENERATOR=name -DLIBDIR=name -P run.cmake
cmake_minimum_required(VERSION 3.24)

set(prefix "${SCRATCH}/prefix")
set(hello "${SOURCE}/examples/hello.c")

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(run_program program)
  run("${program}")
  run(${CMAKE_COMMAND} -E env MPROC_START_METHOD=spawn "${program}")
endfunction()

# pkg_config(variable argument...): its answer as a list
function(pkg_config variable)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env "PKG_CONFIG_PATH=${prefix}/${LIBDIR}/pkgconfig"
                          pkg-config ${ARGN} mproc
                  OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(text UNIX_COMMAND "${text}")
  set(${variable} ${text} PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}")

if(WAY STREQUAL "find_package")
  foreach(shared IN ITEMS ON OFF)
    set(build "${SCRATCH}/shared-${shared}")
    run(${CMAKE_COMMAND} -S "${SOURCE}/tests/install" -B "${build}" -G "${GENERATOR}"
        "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_PREFIX_PATH=${prefix}" -DBUILD_SHARED_LIBS=${shared}
        "-DHELLO=${hello}")
    run(${CMAKE_COMMAND} --build "${build}")
    foreach(program IN ITEMS hello hello_static hello_shared)
      run_program("${build}/${program}")
    endforeach()
  endforeach()
else()
  pkg_config(flags --cflags)
  pkg_config(shared_libraries --libs)
  pkg_config(static_libraries --static --libs)
  list(TRANSFORM static_libraries REPLACE "^-lmproc$" "${prefix}/${LIBDIR}/libmproc.a")
  run("${CC}" ${flags} "${hello}" -o "${SCRATCH}/hello_shared" ${shared_libraries}
      "-Wl,-rpath,${prefix}/${LIBDIR}")
  run("${CC}" ${flags} "${hello}" -o "${SCRATCH}/hello_static" ${static_libraries})
  run_program("${SCRATCH}/hello_shared")
  run_program("${SCRATCH}/hello_static")
endif()
