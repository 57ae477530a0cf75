# Sourced by ./dev: runs what nvcc compiled without a GPU, on the simulator of PTX in $PTXSIM_HOME.

# Builds the simulator unless the folder $PTXSIM_BUILD has it already.
prepare_ptxsim() {
  [[ -x ${PTXSIM_HOME:-}/ptxsim ]] || die "this needs ptxsim, a simulator of nvcc's PTX that is not part of libgnn: set
PTXSIM_HOME to the folder with its sources and its script \"ptxsim\". PTXSIM_HOME is \"${PTXSIM_HOME:-}\" now.
Without it, the presets emulated and cuda check the CUDA code in other ways."
  local nvcc
  nvcc=$(find_nvcc)
  [[ -n $nvcc ]] || die "ptxsim runs what nvcc compiles, and there is no nvcc: install the CUDA toolkit"
  setup test ptxsim
  if [[ -z ${PTXSIM_BUILD:-} ]]; then
    export PTXSIM_BUILD=$root/build/ptxsim-tool
    say "Building the simulator in build/ptxsim-tool …"
    make --silent --directory="$PTXSIM_HOME" --jobs="$(cores)" B="$PTXSIM_BUILD" CUDA="$(cuda_home "$nvcc")" >&2 ||
      die "building the simulator failed (see above)"
  fi
}

# cuda_home NVCC: the toolkit's folder.
cuda_home() { dirname "$(dirname "$(readlink -f "$1")")"; }

# All tests on the simulator; those of ops twice, with blocks and warps in two random orders, looking for races in
# shared memory and for reads of memory that was never written. Arguments are ctest's.
test_on_ptxsim() {
  local passed=yes seed
  export GNN_TEST_DEVICE=cuda:0
  say "All tests but those of single ops:"
  run_ctest ptxsim "$PTXSIM_HOME/ptxsim" -- --label-exclude '^(op|script)$' "$@" || passed=no
  for seed in 1 2; do
    say "Tests of ops, shared-memory races and uninitialised reads reported, seed $seed:"
    run_ctest ptxsim "$PTXSIM_HOME/ptxsim" -R -I -s "$seed" -- --label-regex '^op$' "$@" || passed=no
  done
  [[ $passed == yes ]] || die "tests failed on the simulator (see above)"
}

# Counts what a training step of LeNet, and pooling rows that begin amid sectors, move and launch, and prints it; fails
# for kernels that move too much.
traffic_table() {
  local tools=$root/build/ptxsim/tools
  "$PTXSIM_HOME/ptxsim" -r "$tools/training_step.json" "$tools/profile_step"
  "$PTXSIM_HOME/ptxsim" -r "$tools/pooling_of_odd_widths.json" "$tools/profile_pooling" 14 17
  "$tools/traffic_table" "$root/kernels/traffic_use.txt" "$tools/training_step.json" "$tools/pooling_of_odd_widths.json" ||
    die "kernels move more than they must (see above)"
}
