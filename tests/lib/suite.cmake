# braid_suite(NAME SCRIPT [ARGS ...] [TIMEOUT seconds] [LABELS ...])
#
# A Python suite that starts braidd itself; nothing while there is no braidd to start. The suites
# share the machine's cores with whatever else runs, so the time-outs are generous.
find_package(Python3 3.11 COMPONENTS Interpreter REQUIRED)

function(braid_suite name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "ARGS;LABELS" ${ARGN})
  if(NOT TARGET braidd OR NOT TARGET braidctl)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name}
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/${script}
                   --braidd $<TARGET_FILE:braidd> ${ARG_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "suite;${ARG_LABELS}")
endfunction()
