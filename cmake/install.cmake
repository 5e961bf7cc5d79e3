# cmake --install makes one folder that can be moved and copied whole:
#   bin/ragtime               the command line
#   lib/libragtime.so         the library, for find_package(ragtime)
#   lib/ragtime/              what is loaded at run time: our OpenVINO, Milvus and Faiss modules, OpenVINO, its oneTBB and hwloc
#   include/ragtime/          the public headers, which need nothing but the standard library
#   share/ragtime/models/     the models (RAGTIME_INSTALL_MODELS)
#   share/ragtime/jieba/      the dictionary of words.chinese: jieba
#   share/doc/ragtime/        NOTICE and the licences
# Debian's own libraries are not copied: NOTICE names them, and the target machine installs them.
include_guard()
include(CMakePackageConfigHelpers)
option(RAGTIME_INSTALL_MODELS "Install the models too, 250 MB" ON)

get_property(ragtime_libraries GLOBAL PROPERTY RAGTIME_LIBRARIES)

# All folder libraries in one shared library. llama.cpp's symbols stay inside, or they would clash with a user's own copy.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/ragtime_shared.cc CONTENT "// CMake wants a library to have a source file.\n")
add_library(ragtime_shared SHARED ${PROJECT_BINARY_DIR}/ragtime_shared.cc)
add_library(ragtime::ragtime ALIAS ragtime_shared)
list(TRANSFORM ragtime_libraries REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE ragtime_archives)
list(JOIN ragtime_archives "," ragtime_archives)
target_link_libraries(ragtime_shared PRIVATE ${ragtime_libraries})
set_target_properties(ragtime_shared PROPERTIES
  OUTPUT_NAME ragtime
  EXPORT_NAME ragtime
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  INSTALL_RPATH "$ORIGIN;$ORIGIN/ragtime")
target_include_directories(ragtime_shared INTERFACE $<INSTALL_INTERFACE:include>)
target_compile_features(ragtime_shared INTERFACE cxx_std_20)
# Whole archives first, so that the same archives in the order of their dependencies add nothing but third parties.
target_link_options(ragtime_shared PRIVATE
  "LINKER:--whole-archive,${ragtime_archives},--no-whole-archive"
  -Wl,--exclude-libs,libllama.a:libggml.a:libggml-base.a:libggml-cpu.a:libhiredis.a)
if(NOT RAGTIME_SANITIZE)
  target_link_options(ragtime_shared PRIVATE -Wl,-z,defs)
endif()

install(TARGETS ragtime_cli RUNTIME DESTINATION bin)
install(TARGETS ragtime_shared EXPORT ragtimeTargets LIBRARY DESTINATION lib)
install(TARGETS ragtime_openvino ragtime_milvus ragtime_faiss LIBRARY DESTINATION lib/ragtime)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ragtime DESTINATION include FILES_MATCHING PATTERN "*.h")

# libopenvino finds plugins and readers of models beside itself; libtbbbind and libhwloc are what oneTBB loads to see cores.
foreach(pattern libopenvino.so.* libopenvino_intel_cpu_plugin.so libopenvino_ir_frontend.so.* libtbb.so.*
        libtbbbind_2_5.so.* libhwloc.so.*)
  file(GLOB found "${RAGTIME_DEPS}/openvino/libs/${pattern}")
  if(NOT found)
    message(FATAL_ERROR "${RAGTIME_DEPS}/openvino/libs has no ${pattern}. Remove ${RAGTIME_DEPS} and run tools/setup.sh.")
  endif()
  install(FILES ${found} DESTINATION lib/ragtime)
endforeach()

if(RAGTIME_INSTALL_MODELS)
  foreach(model multilingual-e5-small smollm2-135m-instruct)
    install(DIRECTORY "${RAGTIME_MODELS}/${model}" DESTINATION share/ragtime/models)
  endforeach()
endif()

install(FILES ${PROJECT_SOURCE_DIR}/NOTICE ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/ragtime)
install(DIRECTORY "${RAGTIME_DEPS}/openvino/licenses/" DESTINATION share/doc/ragtime/licenses/openvino OPTIONAL)
install(DIRECTORY "${RAGTIME_DEPS}/llama/licenses/" DESTINATION share/doc/ragtime/licenses/llama.cpp OPTIONAL)
install(DIRECTORY "${RAGTIME_DEPS}/hiredis/licenses/" DESTINATION share/doc/ragtime/licenses/hiredis OPTIONAL)
install(DIRECTORY "${RAGTIME_DEPS}/faiss/licenses/" DESTINATION share/doc/ragtime/licenses/faiss OPTIONAL)
install(DIRECTORY "${RAGTIME_DEPS}/cppjieba/licenses/" DESTINATION share/doc/ragtime/licenses/cppjieba OPTIONAL)
install(DIRECTORY "${RAGTIME_DEPS}/cppjieba/dict/" DESTINATION share/ragtime/jieba)

set(ragtime_config_folder lib/cmake/ragtime)
install(EXPORT ragtimeTargets NAMESPACE ragtime:: DESTINATION ${ragtime_config_folder})
configure_package_config_file(cmake/ragtimeConfig.cmake.in ${PROJECT_BINARY_DIR}/ragtimeConfig.cmake
  INSTALL_DESTINATION ${ragtime_config_folder} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ragtimeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ragtimeConfig.cmake ${PROJECT_BINARY_DIR}/ragtimeConfigVersion.cmake
  DESTINATION ${ragtime_config_folder})
