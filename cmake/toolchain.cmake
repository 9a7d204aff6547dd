# Warnings are errors; sanitizers and ccache by option.
add_compile_options(-Wall -Wextra -Wshadow -Wno-missing-field-initializers -Wnon-virtual-dtor -Werror -fno-omit-frame-pointer)
add_compile_definitions(_GNU_SOURCE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)

if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wno-missing-designated-field-initializers)
  find_program(BRAID_LLD NAMES ld.lld-19 ld.lld)
  if(BRAID_LLD)
    add_link_options(--ld-path=${BRAID_LLD})
  endif()
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
# With sanitizers: their stacks need no more, and more takes half as long again to compile.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g -D_GLIBCXX_ASSERTIONS")
add_compile_options($<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2> -fstack-protector-strong)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_link_options(-Wl,-z,relro,-z,now)

# base/lock_order.h
if(BRAID_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions(BRAID_CHECK_LOCK_ORDER)
endif()

if(BRAID_SANITIZE STREQUAL address)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(BRAID_SANITIZE STREQUAL thread)
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(BRAID_SANITIZE)
  message(FATAL_ERROR "BRAID_SANITIZE is '${BRAID_SANITIZE}'; use address or thread")
endif()

if(BRAID_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(BRAID_CCACHE ccache)
if(BRAID_CCACHE)
  # It keeps what was compiled with a precompiled header only if told that macros and times in
  # that header do not matter; there are none.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${BRAID_CCACHE})
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
  set(CMAKE_C_COMPILER_LAUNCHER ${BRAID_CCACHE})
endif()
