# Sourced by ./dev: which lines of the CUDA code the tests run, on the emulated runtime.

# coverage_table NAME LEAST FILTER...: lines of the files that match; fails under LEAST percent.
coverage_table() {
  local name=$1 least=$2 filters=() filter
  shift 2
  for filter in "$@"; do filters+=(--filter "$filter"); done
  say "$name (at least $least % of the lines):"
  gcovr --root "$root" --object-directory "$root/build/coverage" "${filters[@]}" \
    --exclude-unreachable-branches --fail-under-line "$least" --print-summary "$root/build/coverage/CMakeFiles/gnn.dir"
}

cuda_coverage() {
  local passed=yes
  find "$root/build/coverage" -name '*.gcda' -delete
  GNN_TEST_DEVICE=cuda:0 OMP_NUM_THREADS=1 run_ctest coverage -- --label-exclude '^slow$' || passed=no
  coverage_table "Kernels" 98 'kernels/.*\.cuh?$' || passed=no
  coverage_table "CUDA host code" 90 'core/cuda_.*' || passed=no
  [[ $passed == yes ]] || die "tests failed, or too few lines were run (see above)"
}
