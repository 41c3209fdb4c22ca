# How a folder of Godwit becomes a CMake target.
#
#   godwit_library(stack_wire SOURCES ipv4.cpp ... LINKS stack_core)
#   godwit_program(godwitd SOURCES main.cpp LINKS apps_node)
#   godwit_test(stack_wire_test SOURCES ipv4_test.cpp ... LINKS stack_wire)
#
# Includes are written from the repository root, so the root is the only include folder.
# LINKS is the row of the include table in docs/architecture.md, word for word.

function(godwit_settings target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Werror>)
  # g++ 12 is wrong about the destructor of std::optional from -O1 on, and sees overlaps that are
  # none in "literal" + std::string (its bug 105651).
  target_compile_options(${target} PRIVATE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized;-Wno-restrict>)
endfunction()

function(godwit_library target)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${target} STATIC ${arg_SOURCES})
  target_link_libraries(${target} PUBLIC ${arg_LINKS})
  godwit_settings(${target})
endfunction()

function(godwit_program target)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  godwit_settings(${target})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

# A library to be preloaded into other people's programs, beside ours. It brings no runtime of C++
# along, because theirs may have another; sanitizers want to be first in a program, which it is not.
function(godwit_preload target)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${target} SHARED ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  godwit_settings(${target})
  target_compile_options(${target} PRIVATE 
    -fno-exceptions -fno-rtti -fno-sanitize=all -U_GLIBCXX_ASSERTIONS)
  target_link_options(${target} PRIVATE -fno-sanitize=all -Wl,-z,defs -Wl,-z,now)
  set_target_properties(${target} PROPERTIES
    LINKER_LANGUAGE C LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

# One executable per folder of tests; every GoogleTest case is a test of ctest's. LABELS: netns
# for what makes network namespaces, and so must be root.
function(godwit_test target)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_LINKS} GTest::gmock GTest::gtest_main)
  godwit_settings(${target})
  if(arg_LABELS)
    set(labels PROPERTIES LABELS "${arg_LABELS}")
  endif()
  gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 ${labels})
endfunction()
include(GoogleTest)
