# ragtime_library(NAME base SRCS a.cc DEPS ragtime::x PRIVATE_DEPS third::party): the static library of one folder.
# ragtime_test(NAME x_test SRCS x_test.cc DEPS ragtime::x LABELS fast): one gtest program, each case a ctest; with
# TOGETHER 4, four ctests that share the cases, where starting the program takes longer than most of them.
# ragtime_bench(...), ragtime_fuzz(...): programs that tests build and run with tiny input.
include_guard()

set(RAGTIME_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms on std::string (GCC bug 105651) and on std::variant (bug 105562).
  list(APPEND RAGTIME_WARNINGS -Wno-restrict -Wno-maybe-uninitialized)
endif()

function(ragtime_compile_options target)
  target_compile_options(${target} PRIVATE ${RAGTIME_WARNINGS})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include>)
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    # Elsewhere every processor can fuse a product into a sum, and GCC would: scores are the same on every machine.
    target_compile_options(${target} PRIVATE -ffp-contract=off)
  endif()
  if(RAGTIME_SANITIZE)
    list(JOIN RAGTIME_SANITIZE "," sanitize)
    target_compile_options(${target} PUBLIC -fsanitize=${sanitize} -fno-omit-frame-pointer -g1)
    # At a fixed address, and with compressed debug sections: a program is half as large, and there are dozens. What the
    # sanitizers note of each check and each global is full of pointers, each a relocation of 24 bytes elsewhere.
    target_link_options(${target} PUBLIC -fsanitize=${sanitize} -Wl,--compress-debug-sections=zlib
      $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  endif()
endfunction()

function(ragtime_library)
  cmake_parse_arguments(L "" "NAME" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(ragtime_${L_NAME} STATIC ${L_SRCS})
  add_library(ragtime::${L_NAME} ALIAS ragtime_${L_NAME})
  ragtime_compile_options(ragtime_${L_NAME})
  target_link_libraries(ragtime_${L_NAME} PUBLIC ${L_DEPS} PRIVATE ${L_PRIVATE_DEPS})
  set_property(GLOBAL APPEND PROPERTY RAGTIME_LIBRARIES ragtime_${L_NAME})
endfunction()

function(ragtime_test)
  cmake_parse_arguments(T "" "NAME;TIMEOUT;TOGETHER" "SRCS;DEPS;LABELS" ${ARGN})
  if(NOT RAGTIME_DEVELOPER_MODE)
    return()
  endif()
  if(NOT T_LABELS)
    set(T_LABELS fast)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${T_NAME} ${T_SRCS})
  ragtime_compile_options(${T_NAME})
  target_link_libraries(${T_NAME} PRIVATE ${T_DEPS} GTest::gmock GTest::gtest_main)
  target_include_directories(${T_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${T_NAME} PRIVATE
    RAGTIME_SOURCE_DIR="${PROJECT_SOURCE_DIR}" RAGTIME_BINARY_DIR="${PROJECT_BINARY_DIR}" RAGTIME_TEST_MODELS="${RAGTIME_MODELS}"
    RAGTIME_TEST_SERVERS="${RAGTIME_SERVERS}")
  if(T_TOGETHER)
    foreach(shard RANGE 1 ${T_TOGETHER})
      add_test(NAME ${T_NAME}_${shard} COMMAND ${T_NAME})
      math(EXPR index "${shard} - 1")
      set_tests_properties(${T_NAME}_${shard} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT}
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${T_TOGETHER};GTEST_SHARD_INDEX=${index}")
    endforeach()
    return()
  endif()
  gtest_discover_tests(${T_NAME} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT})
endfunction()

function(ragtime_bench)
  cmake_parse_arguments(B "" "NAME" "SRCS;DEPS" ${ARGN})
  if(NOT RAGTIME_DEVELOPER_MODE)
    return()
  endif()
  add_executable(${B_NAME} ${B_SRCS})
  ragtime_compile_options(${B_NAME})
  target_link_libraries(${B_NAME} PRIVATE ${B_DEPS})
endfunction()
