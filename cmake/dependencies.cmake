# Every third-party library, found once. tools/deps.lock pins what is not Debian's; docs/decisions/ says why each.
include_guard()
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.81 REQUIRED)  # Headers only: Asio and Beast.
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(PROTOBUF REQUIRED IMPORTED_TARGET protobuf)
pkg_check_modules(GRPCXX REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
if(RAGTIME_DEVELOPER_MODE)
  pkg_check_modules(GUMBO REQUIRED IMPORTED_TARGET gumbo)  # The oracle of the HTML reader's tests.
endif()
find_library(ROARING_LIBRARY roaring REQUIRED)
find_library(STEMMER_LIBRARY stemmer REQUIRED)
find_library(SOCI_LIBRARY soci_core REQUIRED)
pkg_check_modules(LIBPQ REQUIRED libpq)  # Its header alone: SOCI loads the library when it is needed.

list(PREPEND CMAKE_PREFIX_PATH "${RAGTIME_DEPS}/llama")
find_package(ggml REQUIRED)
find_package(llama REQUIRED)
set(OpenVINO_DIR "${RAGTIME_DEPS}/openvino/cmake")
find_package(OpenVINO REQUIRED COMPONENTS Runtime)

# The messages of Milvus, compiled by tools/setup.sh.
add_library(milvus::proto STATIC IMPORTED)
set_target_properties(milvus::proto PROPERTIES
  IMPORTED_LOCATION "${RAGTIME_DEPS}/milvus_proto/lib/libmilvus_proto.a"
  INTERFACE_INCLUDE_DIRECTORIES "${RAGTIME_DEPS}/milvus_proto/include"
  INTERFACE_LINK_LIBRARIES PkgConfig::PROTOBUF)
find_package(OpenSSL REQUIRED)
add_library(hiredis::hiredis STATIC IMPORTED)
set_target_properties(hiredis::hiredis PROPERTIES
  IMPORTED_LOCATION "${RAGTIME_DEPS}/hiredis/lib/libhiredis.a"
  INTERFACE_INCLUDE_DIRECTORIES "${RAGTIME_DEPS}/hiredis/include"
  INTERFACE_LINK_LIBRARIES "OpenSSL::SSL;OpenSSL::Crypto")
# The k-means of Faiss, compiled by tools/setup.sh, and the OpenMP that it is compiled for.
add_library(faiss::faiss STATIC IMPORTED)
set_target_properties(faiss::faiss PROPERTIES
  IMPORTED_LOCATION "${RAGTIME_DEPS}/faiss/lib/libfaiss.a"
  INTERFACE_INCLUDE_DIRECTORIES "${RAGTIME_DEPS}/faiss/include"
  INTERFACE_COMPILE_DEFINITIONS FINTEGER=int
  INTERFACE_LINK_LIBRARIES gomp)
add_library(cppjieba::cppjieba INTERFACE IMPORTED)  # Headers only.
set_target_properties(cppjieba::cppjieba PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${RAGTIME_DEPS}/cppjieba/include")
