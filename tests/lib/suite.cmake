# braid_suite(NAME SCRIPT [ARGS ...] [TIMEOUT seconds] [LABELS ...])
#
# A Python suite that starts braidd itself; nothing while there is no braidd to start. The suites
# share the machine's cores with whatever else runs, so the time-outs are generous.
#
# braid_image_suite(NAME FILE_SYSTEM SCRIPT ...)
#
# The same with the suite's files on a fresh file system, one of those that on_image.sh makes; skipped
# where it cannot be made or mounted.
#
# Debian's own Python, since python3-impacket is a package for that one.
find_program(BRAID_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

function(braid_suite name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "BEFORE;ARGS;LABELS" ${ARGN})
  if(NOT TARGET braidd OR NOT TARGET braidctl)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name}
           COMMAND ${ARG_BEFORE} ${BRAID_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${script}
                   --braidd $<TARGET_FILE:braidd> ${ARG_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "suite;${ARG_LABELS}"
                       SKIP_RETURN_CODE 77)
endfunction()

function(braid_image_suite name file_system script)
  braid_suite(${name} ${script} ${ARGN}
              BEFORE ${CMAKE_SOURCE_DIR}/tests/lib/on_image.sh ${file_system})
endfunction()
