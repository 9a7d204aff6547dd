# braid_folder(NAME DEPS folders... LINK targets...)
#
# One folder under src/ is one library, braid_NAME, made of its *.cc; NAME_test, made of its
# *_test.cc; and, with BRAID_FUZZ, one fuzzer for each *_fuzz.cc. Files are found by pattern, so
# adding one needs no edit here. Files ending in _testing.cc help tests of other folders too and go
# into braid_NAME_testing.
function(braid_folder name)
  cmake_parse_arguments(ARG "" "" "DEPS;LINK" ${ARGN})
  set(root ${CMAKE_CURRENT_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")

  if(sources)
    set(mode PUBLIC)
    add_library(braid_${name} STATIC ${sources})
  else()
    set(mode INTERFACE)
    add_library(braid_${name} INTERFACE)
  endif()
  target_include_directories(braid_${name} ${mode} ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM ARG_DEPS PREPEND braid_)
  target_link_libraries(braid_${name} ${mode} ${ARG_DEPS} ${ARG_LINK})

  if(BRAID_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE braid_${name} GTest::gmock GTest::gtest_main)
    add_test(NAME unit.${name} COMMAND ${name}_test --gtest_brief=1
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(unit.${name} PROPERTIES TIMEOUT 300)
  endif()

  if(BRAID_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(stem ${fuzzer} NAME_WE)
      add_executable(${stem} ${fuzzer})
      target_link_libraries(${stem} PRIVATE braid_${name} -fsanitize=fuzzer)
      set_property(GLOBAL APPEND PROPERTY BRAID_FUZZERS ${stem})
    endforeach()
  endif()
endfunction()

# Every folder under src/apps is one program of that name.
function(braid_apps)
  file(GLOB mains CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/apps/*/main.cc)
  foreach(main ${mains})
    get_filename_component(folder ${main} DIRECTORY)
    get_filename_component(program ${folder} NAME)
    file(GLOB parts CONFIGURE_DEPENDS ${folder}/*.cc)
    list(FILTER parts EXCLUDE REGEX "_(test|fuzz)\\.cc$")
    add_executable(${program} ${parts})
    target_link_libraries(${program} PRIVATE braid_admin braid_client seccomp libcap)
  endforeach()
endfunction()
