# Sourced by ./dev: `./dev bench`.

# Debian's package, else a wheel in an environment of its own, build/torch.
install_torch() {
  if benchmark_script common; then return; fi
  say "Installing PyTorch …"
  if command -v dpkg-query > /dev/null && (install_packages python3-torch); then
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

# bench [train] OPTION...
bench() {
  local name=kernels program=gnn_bench options=() argument built=$root/build/release
  if [[ ${1:-} == train ]]; then
    name=train program=gnn_train_bench
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
  setup test
  if [[ $name == train && " $* " == *" --install-torch "* ]]; then install_torch; fi
  build release -- "$program"
  options=(--program "$built/benchmarks/$program")
  for argument in "$built"/libgnn.so "$built"/libgnn.a; do
    if [[ $name == train && -f $argument ]]; then options+=(--library "$argument") && break; fi
  done
  benchmark_script "$name" "${options[@]}" "$@"
}
