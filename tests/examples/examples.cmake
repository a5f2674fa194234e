# SPDX-License-Identifier: MIT
# The tests of the examples: what must be seen is seen, and is not seen of broken ones.

set(examples_dir "${PROJECT_BINARY_DIR}/examples")
set(broken_dir "${PROJECT_BINARY_DIR}/tests/broken")

# example_test(NAME [DEFINITIONS ...]): test_NAME.c
function(example_test name)
  mproc_test(${name} examples/test_${name}.c DEFINITIONS "EXAMPLES_DIR=\"${examples_dir}\"" ${ARGN})
  target_sources(test_examples_${name} PRIVATE examples/examples.c)
endfunction()
example_test(seeds)
example_test(seeds_sharing)
example_test(programs HAS_KEYS=${has_keys})
example_test(wordfreq)

find_program(MPROC_SH sh)
if(MPROC_SH)
  list(JOIN all_methods " " methods)
  add_test(NAME examples.wordfreq_pipeline
           COMMAND "${MPROC_SH}" "${CMAKE_CURRENT_SOURCE_DIR}/examples/test_wordfreq_pipeline.sh" "${methods}"
                   ${CMAKE_CROSSCOMPILING_EMULATOR} "$<TARGET_FILE:wordfreq>")
  set_tests_properties(examples.wordfreq_pipeline PROPERTIES TIMEOUT 300 LABELS examples SKIP_RETURN_CODE 77
                       ENVIRONMENT "${test_environment}")
else()
  message(STATUS "No examples.wordfreq_pipeline: there is no sh")
endif()

# ---- broken examples ----

# broken_example(NAME EXAMPLE SUITE:TEST [text replacement]...): the example with texts replaced by others, in a folder
# of its own. The one test of test_SUITE.c whose name begins with TEST must find it out: test_broken.c runs it.
set(broken_examples)
set(broken_targets)
function(broken_example name example test)
  set(source "${PROJECT_SOURCE_DIR}/examples/${example}.c")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(READ "${source}" text)
  while(ARGN)
    list(POP_FRONT ARGN old new)
    string(FIND "${text}" "${old}" place)
    if(place EQUAL -1)
      message(FATAL_ERROR "${name}: ${example}.c has no '${old}'")
    endif()
    string(REPLACE "${old}" "${new}" text "${text}")
  endwhile()
  file(CONFIGURE OUTPUT "${broken_dir}/${name}/${example}.c" CONTENT "${text}" @ONLY)
  add_executable(broken_${name} "${broken_dir}/${name}/${example}.c")
  target_link_libraries(broken_${name} PRIVATE mproc::mproc)
  target_link_options(broken_${name} PRIVATE $<$<BOOL:${MINGW}>:-static>)
  set_target_properties(broken_${name} PROPERTIES OUTPUT_NAME ${example}
                        RUNTIME_OUTPUT_DIRECTORY "${broken_dir}/${name}")
  set(broken_examples ${broken_examples} "${name}:${test}" PARENT_SCOPE)
  set(broken_targets ${broken_targets} broken_${name} PARENT_SCOPE)
endfunction()

broken_example(p01_without_join p01_start_and_join seeds:p1_
  "MPROC_MUST(mproc_process_join(child, MPROC_FOREVER))" "" "MPROC_MUST(mproc_process_close(child))" ""
  "printf(\"Child" "mproc_sleep(300), printf(\"Child") # or it is quicker than its parent all the same
set(as_daemon "&(mproc_process_options){ .daemon = true }")
broken_example(p02_daemons p02_many_processes seeds:p2_five "sizeof number, NULL" "sizeof number, ${as_daemon}")
broken_example(p04_daemons p04_without_join seeds:p4_ "sizeof job, NULL" "sizeof job, ${as_daemon}")
broken_example(p05_without_join p05_random_rounds seeds:p5_
  "MPROC_MUST(mproc_process_join(child, MPROC_FOREVER))" "" "MPROC_MUST(mproc_process_close(child))" "")
if(UNIX) # Windows knows one way to end a process
  broken_example(p07_killed p07_endless seeds:p7_ "mproc_process_terminate(child)" "mproc_process_kill(child)")
endif()
broken_example(p09_without_processes p09_globals_are_not_shared seeds:p9_
  "MPROC_MUST(mproc_process_start(&children[i], append, &i, sizeof i, NULL))" "append(&i)"
  "MPROC_MUST(mproc_process_join(children[i], MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_process_close(children[i]))" "(void) children")
broken_example(p10_without_daemons p10_attributes seeds:p10_ ".daemon = true" ".daemon = false")
broken_example(s01_without_output s01_call seeds:s1_
  "mproc_call(&exit_code, command, NULL,"
  "mproc_call(&exit_code, command, &(mproc_popen_options){ .standard_output = { .kind = MPROC_STREAM_NULL } },")
broken_example(d01_without_lock d01_array seeds_sharing:d1_
  "MPROC_MUST(mproc_rlock_acquire(mproc_array_lock(job->array), MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_rlock_release(mproc_array_lock(job->array)))" "")
broken_example(d02_without_lock d02_count_down seeds_sharing:d2_
  "MPROC_MUST(mproc_rlock_acquire(job->lock, MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_rlock_release(job->lock))" "")
broken_example(d05_without_lock d05_lock_around_printing seeds_sharing:d5_
  "MPROC_MUST(mproc_lock_acquire(job->lock, MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_lock_release(job->lock))" "")
broken_example(d06_without_condition d06_between_processes seeds_sharing:d6_
  "MPROC_MUST(mproc_condition_wait_for(shared.changed, all_are_here, numbers, MPROC_FOREVER))" "(void) all_are_here")
broken_example(d06_without_event d06_between_processes seeds_sharing:d6_
  "MPROC_MUST(mproc_event_wait(shared->start, MPROC_FOREVER))" "")
broken_example(d06_without_lock d06_between_processes seeds_sharing:d6_
  "MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_lock_release(shared->lock))" "")
broken_example(d06_without_rlock d06_between_processes seeds_sharing:d6_
  "MPROC_MUST(mproc_rlock_acquire(shared->rlock, MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_rlock_release(shared->rlock))" "")
broken_example(d06_without_semaphore d06_between_processes seeds_sharing:d6_
  "MPROC_MUST(mproc_semaphore_acquire(shared->two, MPROC_FOREVER))" ""
  "MPROC_MUST(mproc_semaphore_release(shared->two))" "")
broken_example(q04_of_texts q04_mixed_list seeds_sharing:q4_ "1995" "'1995'")
broken_example(q06_without_waiting q06_full_and_empty seeds_sharing:q6_ "&item, 300)" "&item, MPROC_NOWAIT)")
broken_example(l01_of_three l01_five_tasks seeds_sharing:l1_
  "mproc_pool_create(&pool, WORKERS, NULL)" "mproc_pool_create(&pool, 3, NULL)"
  "LONG_ENOUGH = 60000" "LONG_ENOUGH = 300")
broken_example(l01_of_five l01_five_tasks seeds_sharing:l1_
  "mproc_pool_create(&pool, WORKERS, NULL)" "mproc_pool_create(&pool, 5, NULL)")
broken_example(l01_of_another_default l01_five_tasks seeds_sharing:l1_
  "mproc_pool_create(&pool, 0, NULL)" "mproc_pool_create(&pool, (size_t) mproc_cpu_count() + 1, NULL)")
broken_example(l02_of_two l02_overlapping_tasks seeds_sharing:l2_
  "mproc_pool_create(&pool, WORKERS, NULL)" "mproc_pool_create(&pool, 2, NULL)"
  "LONG_ENOUGH = 60000" "LONG_ENOUGH = 300")
broken_example(l03_asynchronous l03_one_after_the_other seeds_sharing:l3_
  "mproc_pool_apply(pool, work, &i, sizeof i, NULL, 0, MPROC_FOREVER)"
  "mproc_pool_apply_async(pool, NULL, work, &i, sizeof i, 0, NULL)")
broken_example(l04_without_callback l04_callback seeds_sharing:l4_ ".callback = print_result, " "")
broken_example(l05_of_three l05_large_pool seeds_sharing:l5_
  "mproc_pool_create(&pool, WORKERS, NULL)" "mproc_pool_create(&pool, 3, NULL)"
  "LONG_ENOUGH = 60000" "LONG_ENOUGH = 300")
broken_example(l06_without_terminate l06_rules_of_ending seeds_sharing:l6_
  "mproc_pool_terminate(pool)" "MPROC_OK" "SOON = 60000" "SOON = 300")
broken_example(s02_errors_as_output s02_communicate seeds:s2_
  "standard_error = { .kind = MPROC_STREAM_PIPE }" "standard_error = { .kind = MPROC_STREAM_STDOUT }")
broken_example(crashproof_no_longer crashproof programs:crashproof_
  "if (result.stuck)\n            mproc_sleep"
  "if (result.stuck && mproc_queue_return(work->jobs, &item) == MPROC_OK)\n            mproc_sleep"
  "LONG_ENOUGH = 60000" "LONG_ENOUGH = 300")

list(JOIN broken_examples " " broken_list)
example_test(broken "BROKEN_DIR=\"${broken_dir}\"" "BROKEN_EXAMPLES=\"${broken_list}\""
             "TESTS_DIR=\"$<TARGET_FILE_DIR:test_examples_seeds>\"")
foreach(method IN LISTS all_methods)
  set_tests_properties(${method}.broken PROPERTIES TIMEOUT 600) # many programs, and more attempts
endforeach()
add_dependencies(test_examples_broken test_examples_seeds test_examples_seeds_sharing test_examples_programs
                 ${broken_targets})
