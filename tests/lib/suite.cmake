# braid_suite(NAME SCRIPT [ARGS ...] [TIMEOUT seconds] [LABELS ...])
#
# A Python suite that starts braidd itself; nothing while there is no braidd to start. The suites
# share the machine's cores with whatever else runs, so the time-outs are generous.
#
# Debian's own Python, since python3-impacket is a package for that one.
find_program(BRAID_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

function(braid_suite name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "ARGS;LABELS" ${ARGN})
  if(NOT TARGET braidd OR NOT TARGET braidctl)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name}
           COMMAND ${BRAID_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${script}
                   --braidd $<TARGET_FILE:braidd> ${ARG_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "suite;${ARG_LABELS}"
                       SKIP_RETURN_CODE 77)
endfunction()
