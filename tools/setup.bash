# Sourced by ./dev: installs the Debian packages that a command needs.

# PACKAGE  GROUPS  WHY
packages=$(
  cat <<'END'
build-essential        train,test,wheel  C++ compiler and linker
cmake                  train,test,wheel  configures the build
ninja-build            train,test,wheel  runs the build
libfmt-dev             train,test,wheel  fmt: formatted error messages
zlib1g-dev             train,test,wheel  zlib: .gz data sets, PNG images
nlohmann-json3-dev     train,test,wheel  JSON: checkpoint headers, reports
libssl-dev             train,test,wheel  OpenSSL's libcrypto: SHA-256 of weights
libcli11-dev           train,test        CLI11: options of the example programs
libgtest-dev           test              GoogleTest: the tests
libbenchmark-dev       test              Google Benchmark: the benchmarks
python3                test              the benchmarks' reports, and their tests
ccache                 test              compiles nothing twice across build folders
libboost-context-dev   emulated          Boost.Context: fibers, one for each CUDA thread that waits
python3-dev            wheel             Python's headers
python3-venv           wheel             virtual environments, with pip
python3-numpy          python            NumPy: libgnn exchanges tensors with it
python3-pytest         python            pytest: the Python tests
python3-hypothesis     python            Hypothesis: generates cases for them
python3-tqdm           python            tqdm: the trainer's progress bar in Python
python3-matplotlib     python            Matplotlib: the pictures of the Python examples
mypy                   python            mypy: checks the type annotations
python3-torch          torch             PyTorch: what the Python package is compared with
gcovr                  coverage          reads gcov's counters
libopenblas-dev        emulated,ptxsim   OpenBLAS: matrix products of the emulated and of the simulated device
pkg-config             test              how some programs find libgnn: tested
curl                   test,data         downloads data sets
ca-certificates        data              trusts the mirrors' certificates
dataset-fashion-mnist  fashion-mnist     Fashion-MNIST, a stand-in for MNIST
clang-format           format            formats the sources
END
)

# setup GROUP...: installs what is missing of the groups' packages; silent when nothing is.
setup() {
  local name groups why group wanted missing=() reasons=()
  command -v dpkg-query > /dev/null || {
    say "This is not Debian or a relative of it, so nothing is installed; CMake will name what it misses."
    return
  }
  while read -r name groups why; do
    wanted=no
    for group in "$@"; do
      if [[ ,$groups, == *,$group,* ]]; then wanted=yes; fi
    done
    [[ $wanted == yes ]] || continue
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2> /dev/null) == installed ]] && continue
    missing+=("$name")
    reasons+=("$(printf '  %-22s %s' "$name" "$why")")
  done <<< "$packages"
  ((${#missing[@]})) || return 0
  say "Debian packages are missing:"
  printf '%s\n' "${reasons[@]}" >&2
  install_packages "${missing[@]}"
}

# install_packages PACKAGE...
install_packages() {
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo > /dev/null ||
      die "Debian packages are missing and only root can install them; run as root:
  apt-get update && apt-get install --no-install-recommends $*"
    as_root=(sudo)
  fi
  say "Installing them with ${as_root[*]:+sudo }apt-get …"
  mkdir -p "$root/build"
  local log=$root/build/setup.log
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; } > "$log" 2>&1; then
    grep -E '^(E|W|Err):' "$log" >&2 || tail -n 20 "$log" >&2
    die "apt-get could not install them (whole output: build/setup.log). Once it can, or once they are installed in
another way, run this again:
  apt-get update && apt-get install --no-install-recommends $*"
  fi
}

# Prints the path of nvcc, or nothing: where CMake looks, and where NVIDIA's packages put it.
find_nvcc() {
  local candidate
  for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc"; do
    if [[ -n $candidate && -x $candidate ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}
