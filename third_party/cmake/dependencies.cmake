# Targets for everything from outside: Botan::Botan, asio::asio, nlohmann_json::nlohmann_json,
# GTest::gtest, GTest::gmock (and their _main), ldns, lwip. What is missing stops the configuration
# with the command that provides it.
#
#   -DGODWIT_LWIP_SOURCE=DIR   lwIP from DIR, our patches applied to a copy
#   -DGODWIT_BOTAN_ROOT=DIR    Botan 3 under the prefix DIR; "system" and "build" are understood

set(GODWIT_LWIP_SOURCE "" CACHE PATH "lwIP's source; empty: third_party/bootstrap provides it")
set(GODWIT_BOTAN_ROOT "" CACHE STRING "Prefix of Botan 3; empty: third_party/bootstrap chooses")

find_package(Threads REQUIRED)

# --- lwIP and Botan, from third_party/bootstrap

function(godwit_prepare_sources)
  set(third_party ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/..)
  set(environment)
  if(GODWIT_LWIP_SOURCE)
    list(APPEND environment GODWIT_LWIP_SOURCE=${GODWIT_LWIP_SOURCE})
  endif()
  if(GODWIT_BOTAN_ROOT)
    list(APPEND environment GODWIT_BOTAN_ROOT=${GODWIT_BOTAN_ROOT})
  endif()
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env ${environment} ${third_party}/bootstrap sources
    OUTPUT_VARIABLE answer
    RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "third_party/bootstrap could not provide lwIP and Botan; it says why above.")
  endif()
  foreach(name IN ITEMS GODWIT_LWIP_SOURCE GODWIT_BOTAN_ROOT)
    if(NOT answer MATCHES "${name}=([^\n]+)")
      message(FATAL_ERROR "third_party/bootstrap did not say ${name}.")
    endif()
    set(${name} ${CMAKE_MATCH_1} PARENT_SCOPE)
  endforeach()
  # Another patch is another source tree.
  file(GLOB patches CONFIGURE_DEPENDS ${third_party}/lwip/patches/*)
  set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${patches} ${third_party}/bootstrap)
endfunction()

godwit_prepare_sources()
message(STATUS "lwIP: ${GODWIT_LWIP_SOURCE}")
message(STATUS "Botan: ${GODWIT_BOTAN_ROOT}")

# --- Botan::Botan

function(godwit_find_botan)
  if(GODWIT_BOTAN_ROOT STREQUAL "system")
    set(where)
  else()
    set(where PATHS ${GODWIT_BOTAN_ROOT} NO_DEFAULT_PATH)
  endif()
  find_path(include botan/aead.h ${where} PATH_SUFFIXES include/botan-3 botan-3 include NO_CACHE)
  find_library(library botan-3 ${where} PATH_SUFFIXES lib lib64 NO_CACHE)
  if(NOT include OR NOT library)
    message(FATAL_ERROR "No Botan 3 under GODWIT_BOTAN_ROOT=${GODWIT_BOTAN_ROOT} "
      "(looked for include/botan-3/botan/aead.h and lib/libbotan-3).")
  endif()
  add_library(Botan::Botan UNKNOWN IMPORTED GLOBAL)
  set_target_properties(Botan::Botan PROPERTIES
    IMPORTED_LOCATION ${library}
    INTERFACE_INCLUDE_DIRECTORIES ${include}
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endfunction()
godwit_find_botan()

# --- what the distribution has

set(godwit_how_to_install "Run third_party/bootstrap, or install your distribution's package.")

find_path(GODWIT_ASIO_INCLUDE asio.hpp)
mark_as_advanced(GODWIT_ASIO_INCLUDE)
if(NOT GODWIT_ASIO_INCLUDE)
  message(FATAL_ERROR "Asio (asio.hpp) is not there. ${godwit_how_to_install}")
endif()
add_library(asio::asio INTERFACE IMPORTED GLOBAL)
set_target_properties(asio::asio PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES ${GODWIT_ASIO_INCLUDE}
  # Asio would guess the last one, and wrongly where its header is the first of a file: one part
  # of the program then allocated by another way than the other freed.
  INTERFACE_COMPILE_DEFINITIONS "ASIO_STANDALONE;ASIO_NO_DEPRECATED;ASIO_HAS_STD_ALIGNED_ALLOC=1"
  # g++ 12 at -O1 takes the allocator of Asio's coroutine frames for a mismatch.
  INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>"
  INTERFACE_LINK_LIBRARIES Threads::Threads)

find_package(nlohmann_json 3.9 QUIET)
if(NOT nlohmann_json_FOUND)
  message(FATAL_ERROR "nlohmann/json is not there. ${godwit_how_to_install}")
endif()

if(GODWIT_TESTS)
  find_package(GTest 1.11 QUIET)
  if(NOT GTest_FOUND)
    message(FATAL_ERROR "GoogleTest is not there. ${godwit_how_to_install}")
  endif()
endif()

find_path(GODWIT_LDNS_INCLUDE ldns/ldns.h)
find_library(GODWIT_LDNS_LIBRARY ldns)
mark_as_advanced(GODWIT_LDNS_INCLUDE GODWIT_LDNS_LIBRARY)
if(NOT GODWIT_LDNS_INCLUDE OR NOT GODWIT_LDNS_LIBRARY)
  message(FATAL_ERROR "ldns (ldns/ldns.h and libldns) is not there. ${godwit_how_to_install}")
endif()
add_library(ldns UNKNOWN IMPORTED GLOBAL)
set_target_properties(ldns PROPERTIES
  IMPORTED_LOCATION ${GODWIT_LDNS_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${GODWIT_LDNS_INCLUDE})

# --- lwip

add_subdirectory(${CMAKE_CURRENT_LIST_DIR}/../lwip ${PROJECT_BINARY_DIR}/third_party/lwip)
