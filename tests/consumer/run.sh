#!/usr/bin/env bash
# Uses libgnn as other projects do: installed (static and shared; CMake package and pkg-config) and as a
# subdirectory. Arguments are options for the installed builds, e.g. -DGNN_CUDA=ON.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/build/consumer
source "$root/tools/common.bash"
use_ccache
rm -rf "$work/prefix" "$work/program"
mkdir -p "$work/program"

# A consumer has no CUDA SDK: before the system's folders, where one may be, come headers that refuse to be included.
unset CPATH C_INCLUDE_PATH
mkdir -p "$work/no-cuda"
for header in cuda.h cuda_runtime.h cuda_runtime_api.h driver_types.h vector_types.h cuda_fp16.h cuda_bf16.h cublasLt.h cudnn.h
do printf '#error "libgnn includes CUDA in a public header"\n' > "$work/no-cuda/$header"; done
without_cuda() { CPLUS_INCLUDE_PATH=$work/no-cuda "$@"; }

step() { printf 'consumer: %s\n' "$*"; }

fail() {
  printf 'consumer: %s\n' "$*" >&2
  exit 1
}

quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2 && fail "failed: $*"; }; }

# install KIND SHARED [OPTION...]: builds libgnn and installs it into prefix/KIND. The build folder is as deep as
# the presets' are: relative paths are the same then, and so is what ccache looks up.
install() {
  local kind=$1 shared=$2
  shift 2
  step "$kind library: build, install"
  quietly cmake -S "$root" -B "$root/build/consumer-$kind" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS="$shared" \
    -DGNN_TESTS=OFF -DGNN_BENCHMARKS=OFF -DGNN_EXAMPLES=OFF "$@"
  quietly cmake --build "$root/build/consumer-$kind"
  # Into one place and moved to another: nothing installed may know where it was installed.
  quietly cmake --install "$root/build/consumer-$kind" --prefix "$work/prefix/$kind-first"
  mv "$work/prefix/$kind-first" "$work/prefix/$kind"
}

# with_cmake NAME OPTION...: builds the consumer with CMake and runs it.
with_cmake() {
  local name=$1
  shift
  step "$name"
  quietly cmake -S "$here" -B "$work/program/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$@"
  without_cuda quietly cmake --build "$work/program/$name"
  if grep '"command".*main.cpp' "$work/program/$name/compile_commands.json" | grep -i -E -- '-I[^ ]*cuda|-isystem[^ ]*cuda'
  then fail "$name: CUDA is on the consumer's include path"; fi
  "$work/program/$name/consumer"
}

# with_pkg_config KIND [PKG_CONFIG_OPTION...]
with_pkg_config() {
  local kind=$1
  shift
  step "pkg-config, $kind library"
  PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix/$kind" -name gnn.pc)")
  export PKG_CONFIG_PATH
  local program=$work/program/pkg-config-$kind
  # shellcheck disable=SC2046  # the flags are words
  without_cuda "${CXX:-c++}" -std=c++20 -O1 "$here/main.cpp" -o "$program" $(pkg-config "$@" --cflags --libs gnn)
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir gnn) "$program"
}

# Every installed header compiles on its own, without fmt, CUDA, BLAS or OpenMP.
check_headers() {
  step "installed headers, one by one"
  local include=$work/prefix/shared/include
  cat > "$work/check_header.sh" << 'END'
printf '#include "%s"\n%s\n' "$2" '#if defined(FMT_VERSION) || defined(CUDART_VERSION) || defined(CBLAS_H) || defined(_OMP_H)
#error "a public header includes fmt, CUDA, BLAS or OpenMP"
#endif' | "${CXX:-c++}" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$1" -x c++ -
END
  (cd "$include" && find gnn -name '*.h' -print0) |
    without_cuda xargs -0 -P "$(cores)" -n 1 bash "$work/check_header.sh" "$include" || fail "a public header needs more than C++20"
  (cd "$include" && find gnn/layers gnn/train gnn/data -name '*.h') | while read -r header; do
    grep -q "\"$header\"" "$include/gnn/gnn.h" || { printf '%s\n' "$header" && exit 1; }
  done || fail "gnn.h lacks a public header"
  if find "$include" -name '*.cuh' -o -name '*.cu' | grep .; then fail "device code was installed"; fi
}

# The shared library has a versioned name and exports nothing of the libraries inside it.
check_shared_library() {
  step "shared library: soname, exported symbols"
  local library major symbols
  library=$(find "$work/prefix/shared" -name libgnn.so)
  major=$(sed -n 's/.*VERSION_MAJOR \([0-9]*\)/\1/p' "$root/core/version.h")
  symbols=$(objdump -p "$library")
  grep -q "SONAME *libgnn.so.$major\$" <<< "$symbols" || fail "the soname is not libgnn.so.$major"
  symbols=$(nm -D -C --defined-only "$library")
  if grep -E ' T (cuda|cublas|cudnn|__cuda|gnn::(check_cuda|throw_cuda_error|backend))' <<< "$symbols"
  then fail "the shared library exports what is its own business"; fi
}

install static OFF "$@"
install shared ON "$@"
check_shared_library
check_headers
with_cmake package-static -DCMAKE_PREFIX_PATH="$work/prefix/static"
with_cmake package-shared -DCMAKE_PREFIX_PATH="$work/prefix/shared"
with_pkg_config static --static
with_pkg_config shared
with_cmake subdirectory -DGNN_SOURCE_DIR="$root" -DGNN_CUDA=OFF
step "all well"
