# llama.cpp, and what its CUDA build (tools/setup.sh --cuda) needs beside it.
include_guard()
# A build folder remembers where it found them. Of another set-up's folder that would be another build of llama.cpp.
foreach(found IN ITEMS ggml_DIR llama_DIR GGML_LIBRARY GGML_BASE_LIBRARY GGML_CPU_LIBRARY llama_LIBRARY)
  string(FIND "$CACHE{${found}}" "${RAGTIME_DEPS}/" place)
  if(NOT place EQUAL 0)
    unset(${found} CACHE)
  endif()
endforeach()
list(PREPEND CMAKE_PREFIX_PATH "${RAGTIME_DEPS}/llama")
find_package(ggml REQUIRED)
find_package(llama REQUIRED)
if(EXISTS "${RAGTIME_DEPS}/llama/lib/libggml-cuda.a")
  # ggml names these only where they are linked statically.
  find_package(CUDAToolkit REQUIRED)
  target_link_libraries(llama INTERFACE CUDA::cudart CUDA::cublas CUDA::cuda_driver)
  find_library(RAGTIME_NCCL nccl HINTS $ENV{NCCL_ROOT} PATH_SUFFIXES lib)  # llama.cpp took it where it was there.
  if(RAGTIME_NCCL)
    target_link_libraries(llama INTERFACE ${RAGTIME_NCCL})
  endif()
endif()
