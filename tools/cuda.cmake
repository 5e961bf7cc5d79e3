# What `tools/setup.sh --cuda` changes in the build of llama.cpp, read as its toolchain file, so that
# tools/compile_llama.sh and what is cached of it stay as they are.
set(GGML_CUDA ON CACHE BOOL "")
# The GPUs of this machine; RAGTIME_CUDA_ARCHITECTURES=90-real names others.
if(DEFINED ENV{RAGTIME_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_ARCHITECTURES "$ENV{RAGTIME_CUDA_ARCHITECTURES}" CACHE STRING "")
endif()
# CMake from 3.31 on would unite the kernels too, and each of them takes minutes already.
set(CMAKE_UNITY_BUILD OFF)
