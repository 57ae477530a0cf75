# Sourced by ./dev: runs the CUDA code that g++ compiled, on the emulated runtime of tests/emulation.

# Says what is missing where the toolkit's headers are; the rest is Debian packages.
prepare_emulated() {
  setup test emulated
  local folder
  for folder in "${CUDA_PATH:-}" "${CUDA_HOME:-}" /usr/local/cuda; do
    [[ -n $folder && -e $folder/include/cuda_runtime.h ]] && return
  done
  [[ -e /usr/include/cuda_runtime.h ]] || die "the emulated CUDA runtime needs the headers of the CUDA toolkit (no GPU, no
driver): install the toolkit, and set CUDA_HOME where it is not in /usr/local/cuda"
}

# test_emulated PRESET [CTEST_OPTION...]
test_emulated() {
  local preset=$1 passed=yes seed
  shift
  # Kernels run on one thread; so does the CPU code beside them.
  export OMP_NUM_THREADS=1
  case $preset in
    emulated)
      export GNN_TEST_DEVICE=cuda:0
      say "All tests on cuda:0, threads and blocks in order, work when it is issued:"
      run_ctest "$preset" -- --label-exclude '^script$' "$@" || passed=no
      for seed in ${GNN_EMULATION_SEEDS:-1 2 3}; do
        # LeNet has trained above; what it is made of is here again.
        say "All tests but the slow, threads and blocks in random order, work when it is waited for, seed $seed:"
        GNN_EMULATION_SEED=$seed GNN_EMULATION_LAZY=1 run_ctest "$preset" -- --label-exclude '^(slow|script)$' "$@" || passed=no
      done
      ;;
    emulated-asan)
      say "All tests but the slow, on the CPU and cuda:0, every tensor an allocation of its own:"
      GNN_NO_CACHING=1 run_ctest "$preset" -- --label-exclude '^(slow|script)$' "$@" || passed=no
      ;;
    emulated-tsan)
      # TSan does not know libgomp's barriers, and would report every parallel loop of the CPU code.
      export GNN_TEST_DEVICE=cuda:0 OMP_THREAD_LIMIT=1
      say "Tests on cuda:0, races between CUDA threads, streams and host threads reported:"
      # Without what is slow: a step of LeNet takes seconds here. Of the ops' cases every fourth, for the same reason.
      run_ctest "$preset" -- --label-exclude '^(slow|op|script)$' --exclude-regex '^ops$' "$@" || passed=no
      GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX=1 run_ctest "$preset" -- --label-regex '^op$' "$@" || passed=no
      ;;
  esac
  [[ $passed == yes ]] || die "tests failed on the emulated device (see above)"
}
