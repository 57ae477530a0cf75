# The library gnn::gnn, and gnn_add_op, which registers one op.

# gnn_find(DEBIAN_PACKAGE NAME ARGUMENT…): find_package(NAME ARGUMENT…), but what is missing is said in one message.
set(gnn_missing "")
macro(gnn_find debian_package name)
  find_package(${name} ${ARGN} QUIET)
  if(NOT ${name}_FOUND)
    list(APPEND gnn_missing ${debian_package})
    string(REPLACE ";" " " wanted "${ARGN}")
    string(APPEND gnn_missing_names "\n  ${name} ${wanted} (on Debian: ${debian_package})")
  endif()
endmacro()
gnn_find(build-essential OpenMP COMPONENTS CXX)
gnn_find(libfmt-dev fmt 9)
gnn_find(zlib1g-dev ZLIB)
gnn_find(nlohmann-json3-dev nlohmann_json 3.11)
gnn_find(libssl-dev OpenSSL 3 COMPONENTS Crypto)
if(gnn_missing)
  list(JOIN gnn_missing " " gnn_missing)
  message(FATAL_ERROR "libgnn is built with these, which CMake does not find:${gnn_missing_names}\n"
    "On Debian and its relatives: apt-get install ${gnn_missing}")
endif()
find_package(Threads REQUIRED)

add_library(gnn)
add_library(gnn::gnn ALIAS gnn)

# "gnn/core/tensor.h" means the same in the tree and after installation: the build tree has a folder gnn/ with one
# link per source folder, plus what CMake writes.
set(gnn_include_dir ${CMAKE_CURRENT_BINARY_DIR}/include)
set(gnn_public_dirs core autograd kernels layers train data)
foreach(dir IN LISTS gnn_public_dirs)
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/*.h ${dir}/*.cuh)
  file(MAKE_DIRECTORY ${gnn_include_dir}/gnn/${dir})
  foreach(header IN LISTS headers)
    cmake_path(GET header FILENAME name)
    file(CREATE_LINK ${header} ${gnn_include_dir}/gnn/${dir}/${name} SYMBOLIC)
  endforeach()
endforeach()
file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/gnn.h ${gnn_include_dir}/gnn/gnn.h SYMBOLIC)
configure_file(core/config.h.in ${gnn_include_dir}/gnn/core/config.h)

set_target_properties(gnn PROPERTIES
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  CXX_VISIBILITY_PRESET hidden
  CUDA_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  POSITION_INDEPENDENT_CODE ON
  # No -Dgnn_EXPORTS: the static and the shared library are compiled alike (and once, with ccache).
  DEFINE_SYMBOL ""
  # The installed shared library finds libraries outside the system's folders (CUDA's) where they were at build time.
  INSTALL_RPATH_USE_LINK_PATH ON
  CXX_EXTENSIONS OFF)
target_compile_features(gnn PUBLIC cxx_std_20)
target_include_directories(gnn PUBLIC
  $<BUILD_INTERFACE:${gnn_include_dir}>)
target_link_libraries(gnn PRIVATE OpenMP::OpenMP_CXX fmt::fmt ZLIB::ZLIB OpenSSL::Crypto Threads::Threads
  $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)  # the last has headers only: nothing to link
if(GNN_CUDA_EMULATED)
  target_link_libraries(gnn PRIVATE gnn_emulated_cuda)
elseif(GNN_WITH_CUDA)
  # The static runtime by default, so that the library loads where no CUDA is installed; cuBLAS comes shared.
  if(CMAKE_CUDA_RUNTIME_LIBRARY STREQUAL "Shared")
    target_link_libraries(gnn PRIVATE CUDA::cudart CUDA::cublasLt)
  else()
    target_link_libraries(gnn PRIVATE CUDA::cudart_static CUDA::cublasLt)
  endif()
endif()
if(GNN_WITH_CUDNN)
  target_include_directories(gnn SYSTEM PRIVATE ${GNN_CUDNN_INCLUDE_DIR})
  target_link_libraries(gnn PRIVATE ${CMAKE_DL_LIBS})  # dlopen, which loads it
endif()
if(BUILD_SHARED_LIBS AND NOT GNN_SANITIZE)
  # Nothing undefined but what the linked libraries define, and nothing exported of a static library linked in.
  target_link_options(gnn PRIVATE LINKER:--no-undefined LINKER:--exclude-libs,ALL)
endif()

# What every target of this project is compiled with; nothing of it reaches a consumer.
function(gnn_compile_options target)
  set(warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  # False alarms about std::string's operator+ when it is inlined (GCC bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
    list(APPEND warnings -Wno-restrict)
  endif()
  if(GNN_WERROR)
    list(APPEND warnings -Werror)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>")
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v2>)
  endif()
  # Neither changes a result: no errno from libm, no floating-point traps to preserve. -O3 vectorises.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno -fno-trapping-math>)
  # The standard by hand: CMake 3.25 knows no C++20 for nvcc. Relaxed constexpr lets device code call constexpr
  # functions of the standard library (std::bit_cast).
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --expt-relaxed-constexpr>)
  if(GNN_SANITIZE)
    # Instrumented code gives GCC false alarms about uninitialised members (of std::regex, for one).
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>
      $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${GNN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
    target_link_options(${target} PUBLIC -fsanitize=${GNN_SANITIZE})
  endif()
endfunction()
gnn_compile_options(gnn)
# What nearly every source includes, parsed once: a third of the build time. None of libgnn's own headers, whose paths
# would be in it: then ccache can serve one checkout's to another.
set(precompiled)
foreach(header algorithm array functional memory span string vector fmt/core.h)
  list(APPEND precompiled "$<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>")
endforeach()
target_precompile_headers(gnn PRIVATE ${precompiled})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(gnn PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # lets ccache see through it
endif()
# JSON parsing is not hot, and a quarter of a minute of -O3.
set_source_files_properties(train/safetensors.cpp PROPERTIES COMPILE_OPTIONS $<$<NOT:$<CONFIG:Debug>>:-O1>)

# gnn_add_cuda_sources(FILE...): compiled by nvcc, or by the C++ compiler for the emulation.
function(gnn_add_cuda_sources)
  foreach(file IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    target_sources(gnn PRIVATE ${file})
    if(GNN_CUDA_EMULATED)
      set_source_files_properties(${file} TARGET_DIRECTORY gnn PROPERTIES LANGUAGE CXX
        COMPILE_OPTIONS -Wno-unknown-pragmas)
    endif()
  endforeach()
endfunction()

set_property(GLOBAL PROPERTY gnn_ops "")

# gnn_add_op(STEM [IN DIR] [KERNEL_ONLY])
# Registers an op: its kernel, its differentiable function, its tests, case table and benchmark all have its stem,
# and configuration fails when one is missing. DIR is where the kernel's user is (default layers; optimizers are
# in train). KERNEL_ONLY: no user-facing function of its own.
function(gnn_add_op stem)
  cmake_parse_arguments(PARSE_ARGV 1 op "KERNEL_ONLY" "IN" "")
  if(NOT op_IN)
    set(op_IN layers)
  endif()
  set(files kernels/${stem}.h kernels/${stem}.cpp kernels/${stem}.cu
    tests/cases/${stem}.h tests/test_${stem}.cpp benchmarks/bench_${stem}.cpp)
  if(NOT op_KERNEL_ONLY)
    list(APPEND files ${op_IN}/${stem}.h ${op_IN}/${stem}.cpp)
    target_sources(gnn PRIVATE ${PROJECT_SOURCE_DIR}/${op_IN}/${stem}.cpp)
  endif()
  foreach(file IN LISTS files)
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "op ${stem} has no ${file}; see \"Add an op\" in CONTRIBUTING.md")
    endif()
  endforeach()
  target_sources(gnn PRIVATE ${PROJECT_SOURCE_DIR}/kernels/${stem}.cpp)
  if(GNN_WITH_CUDA)
    gnn_add_cuda_sources(${PROJECT_SOURCE_DIR}/kernels/${stem}.cu)
  endif()
  set_property(GLOBAL APPEND PROPERTY gnn_ops ${stem})
endfunction()
