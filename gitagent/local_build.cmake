# Read by CMake at the start of llama.cpp's own project(); see local_build.py.
set(LLAMA_BUILD_COMMON OFF)
