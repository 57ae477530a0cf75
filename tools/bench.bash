# Sourced by ./dev: `./dev bench`.

# Debian's package with a fast BLAS, else a wheel in an environment of its own, build/torch.
install_torch() {
  if benchmark_script common; then return; fi
  say "Installing PyTorch …"
  if command -v dpkg-query > /dev/null && (install_packages python3-torch libopenblas0-pthread); then
    benchmark_script common && return
  fi
  say "There is no such package: a wheel, in build/torch (PIP_INDEX_URL picks an index, for example of CPU wheels) …"
  mkdir -p "$root/build"
  { python3 -m venv "$root/build/torch" && "$root/build/torch/bin/pip" install --quiet torch numpy; } ||
    die "PyTorch cannot be installed (see above); GNN_TORCH_PYTHON names a Python that has it"
}

# benchmark_script NAME ARGUMENT...: benchmarks/scripts/NAME.py.
benchmark_script() {
  local name=$1
  shift
  python3 "$root/benchmarks/scripts/$name.py" "$@"
}

# ab_module REVISION|.|FILE: builds what ab.py loads and sets `module` to its path.
ab_module() {
  local source=$root built=$root/build/ab/tree commit
  if [[ -f $1 ]]; then
    module=$(realpath "$1")
    return
  fi
  if [[ $1 != . ]]; then
    commit=$(git -C "$root" rev-parse --verify --quiet "$1^{commit}") ||
      die "bench ab: expected a git revision, a dot or a module's file, got \"$1\""
    built=$root/build/ab/${commit:0:12}
    source=$built/source
    if [[ ! -d $source ]]; then
      mkdir -p "$source"
      git -C "$root" archive "$commit" | tar -x -C "$source" || die "bench ab: cannot unpack $1 (see above)"
    fi
  fi
  module=$built/libgnn_ab.so
  say "Building ${module#"$root/"} …"
  use_ccache
  cmake -S "$root/benchmarks/ab" -B "$built" -G Ninja --log-level=NOTICE -DCMAKE_BUILD_TYPE=Release \
    -DGNN_CUDA=OFF -DGNN_SOURCE="$source" > /dev/null || die "bench ab: configuring $1 failed (see above)"
  cmake --build "$built" --target gnn_ab >&2 ||
    die "bench ab: $1 does not build with the working tree's benchmarks/ab/calls.cpp (see above)"
}

# bench_ab OLD [NEW] OPTION...
bench_ab() {
  local old new=. module
  (($#)) && [[ $1 != -* ]] || die "bench ab: expected OLD, a git revision or a module's file; see ./dev bench ab --help"
  old=$1 && shift
  if (($#)) && [[ $1 != -* ]]; then new=$1 && shift; fi
  setup test
  ab_module "$old" && old=$module
  ab_module "$new" && new=$module
  benchmark_script ab "$old" "$new" "$@"
}

# bench [train|ab] OPTION...
bench() {
  local name=kernels program=gnn_bench options=() argument built=$root/build/release
  if [[ ${1:-} == train ]]; then
    name=train program=gnn_train_bench
    shift
  elif [[ ${1:-} == ab ]]; then
    name=ab
    shift
  fi
  for argument in "$@"; do
    case $argument in
      -h | --help)
        command -v python3 > /dev/null || die "./dev bench needs python3"
        benchmark_script "$name" --help
        return
        ;;
    esac
  done
  if [[ $name == ab ]]; then
    bench_ab "$@"
    return
  fi
  setup test
  if [[ $name == train && " $* " == *" --install-torch "* ]]; then install_torch; fi
  build release -- "$program"
  options=(--program "$built/benchmarks/$program")
  for argument in "$built"/libgnn.so "$built"/libgnn.a; do
    if [[ $name == train && -f $argument ]]; then options+=(--library "$argument") && break; fi
  done
  benchmark_script "$name" "${options[@]}" "$@"
}
