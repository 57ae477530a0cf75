#!/usr/bin/env bash
# Tests of ./dev gpu without a GPU, a build or a toolkit: a copy of the scripts with programs that act as nvidia-smi,
# nvcc, CMake, the tests … and fail where a file says so. The argument is the program json_value.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
json_value=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

checkout=$work/check\ out  # with a space
fake=$work/bin
built=$checkout/build/release
mkdir -p "$fake" "$checkout/tools" "$checkout/benchmarks" "$built"/{tests,benchmarks,examples} "$work/data/mnist"
cp "$root/dev" "$checkout/"
cp "$root/tools"/*.bash "$checkout/tools/"
mkdir -p "$checkout/python/libgnn/utils"
cp "$root/python/libgnn/utils/mnist.txt" "$checkout/python/libgnn/utils/"
printf 'gnn_add_op(alpha)\ngnn_add_op(beta_2 IN train)\n' > "$checkout/ops.cmake"
touch "$work"/data/mnist/{t10k,train}-{labels-idx1,images-idx3}-ubyte

# program FILE <<END … END: a bash script. `state` is where the tests say what goes wrong.
export state=$work/state
mkdir "$state"
program() {
  { printf '#!/usr/bin/env bash\n' && cat; } > "$1"
  chmod +x "$1"
}

program "$fake/dpkg-query" <<'END'
printf installed
END
program "$fake/nvidia-smi" <<'END'
if [[ -e $state/no-gpu ]]; then printf 'No devices were found\n' && exit 6; fi
case "$*" in
  -L) printf 'GPU 0: NVIDIA "Test" (UUID: GPU-1)\n' ;;
  *query-gpu=name*) printf 'NVIDIA "Test" GPU\n' ;;
  *query-gpu=driver_version*) printf '580.1\n' ;;
  *query-gpu=*) printf '[N/A]\n' ;;
  "") printf '| NVIDIA-SMI 580.1   Driver Version: 580.1   CUDA Version: %s |\n' "$(cat "$state/driver-cuda" 2> /dev/null || echo 13.0)" ;;
esac
END
program "$fake/nvcc" <<'END'
printf 'Cuda compilation tools, release 13.0, V13.0.1\n'
END
program "$fake/cmake" <<'END'
if [[ -e $state/build && $1 == --build ]]; then printf 'kernel.cu(1): error\n' && exit 1; fi
END
program "$fake/python3" <<'END'
exit 1
END
program "$fake/ctest" <<'END'
if [[ -e $state/ctest && ${GNN_TEST_DEVICE:-} == cuda:0 ]]; then
  printf 'got "1\\2"\t\033[31mred\033[0m caf\303\251 \377\376 \355\240\200\n'
  printf '50%% tests passed, 1 tests failed out of 2\n\nThe following tests FAILED:\n\t  2 - beta_2 (Failed)\n'
  printf 'Errors while running CTest\n'
  exit 8
fi
if [[ -e $state/ctest-hangs ]]; then touch "$state/hanging" && sleep 30; fi
printf '1/2 Test #1: dev .......***Skipped   0.1 sec\n'
printf '100%% tests passed, 0 tests failed out of 2\n'
END
program "$fake/compute-sanitizer" <<'END'
[[ ${GNN_NO_CACHING:-} == 1 && ${GNN_TEST_DEVICE:-} == cuda:0 ]] || exit 1
[[ $1 == --tool && $3 == --error-exitcode ]] || exit 1
if [[ $2 == racecheck ]]; then name=RACECHECK hazards=hazards; else name=ERROR hazards=errors; fi
case $2-${*: -1} in
  *"$(cat "$state/sanitizer" 2> /dev/null || echo none)")
    printf '========= Invalid __global__ write of size 4 bytes\n========= %s SUMMARY: 3 %s\n' "$name" "$hazards"
    exit "$4"
    ;;
  *"$(cat "$state/sanitizer-silent" 2> /dev/null || echo none)") printf '========= COMPUTE-SANITIZER\n' ;;
  *"$(cat "$state/sanitizer-hangs" 2> /dev/null || echo none)") sleep 600 ;;
  *) printf '========= %s SUMMARY: 0 %s\n' "$name" "$hazards" ;;
esac
END
program "$built/benchmarks/gnn_bench" <<'END'
for argument in "$@"; do
  case $argument in
    --benchmark_out=*) out=${argument#*=} ;;
    --benchmark_filter=^*/.*/float32/.*/warm/) op=${argument#*^} op=${op%%/*} ;;
  esac
done
error=""
if [[ -e $state/bench ]]; then
  error=$'\n      "error_occurred": true,\n      "error_message": "the result does not match the reference",'
fi
cat > "$out" <<JSON
{
  "context": {
    "executable": "gnn_bench"
  },
  "benchmarks": [
    {
      "name": "$op/case/float32/cuda:0/forward/warm/manual_time",$error
      "iterations": 100,
      "real_time": 1.2345000000000000e+04,
      "time_unit": "ns",
      "bytes/s": 2.5000000000000000e+11
    }
  ]
}
JSON
END
program "$built/examples/lenet_mnist" <<'END'
while (($#)); do
  if [[ $1 == --report ]]; then report=$2; fi
  shift
done
best=$(cat "$state/accuracy" 2> /dev/null || echo 0.9912)
printf 'Data: MNIST, 60000 training and 10000 test images\n'
cat > "$report" <<JSON
{
  "model": "LeNet",
  "dataset": "MNIST",
  "device_name": "NVIDIA Test",
  "seed": 1,
  "epochs": 2,
  "batch_size": 64,
  "optimizer": "sgd",
  "test_accuracy": $best,
  "seconds": 4.5,
  "images_per_second": 12345.6,
  "seconds_at_epoch_end": [
    2.25,
    4.5
  ],
  "test_accuracy_by_epoch": [
    0.98,
    $best
  ]
}
JSON
END
touch "$built"/tests/test_{alpha,beta_2}

# gpu [OPTION...]
gpu() {
  exec env -u CI -u GNN_GPU_PRESET -u CUDA_VISIBLE_DEVICES -u CUDACXX -u CUDA_HOME -u GNN_TEST_DEVICE PATH="$fake:$PATH" \
    GNN_DATA_DIR="$work/data" "$checkout/dev" gpu --output "$work/runs" "$@" 2>&1 < /dev/null
}

find_reports() {
  json=$(find "$work/runs" -maxdepth 1 -name 'gpu-*.json' 2> /dev/null || true)
  text=$(find "$work/runs" -maxdepth 1 -name 'gpu-*.txt' -exec cat {} + 2> /dev/null || true)
}

# run STATUS [OPTION...]: ./dev gpu must end so. Leaves `output`, and the reports in `text` and `json`.
run() {
  local want=$1 status=0
  shift
  rm -rf "$work/runs"
  output=$(gpu "$@") || status=$?
  [[ $status == "$want" ]] || fail "./dev gpu $*: status $status, expected $want
$output"
  find_reports
}

# says TEXT...: the text report has them all.
says() {
  local part
  for part in "$@"; do
    [[ $text == *"$part"* ]] || fail "\"$part\" is not in
$text
$output"
  done
}

# holds POINTER VALUE: of the JSON report.
holds() {
  local value
  value=$("$json_value" "$json" "$1") || fail "the JSON report has no $1
$(cat "$json")"
  [[ $value == "$2" ]] || fail "$1: \"$value\", expected \"$2\""
}

# step INDEX RESULT: of the JSON report. build 0, tests 1, all-tests 2, train 3, bench 4, torch 5, memcheck 6, …
step() { holds "/steps/$1/result" "$2"; }

run 0
says 'libgnn on NVIDIA "Test" GPU' "result              passed" "2 ops' tests passed" "99.12 %, 12346 images/s" \
  "4.5 s (end of epoch 2)" "alpha/case/float32/cuda:0/forward/warm" "12.3" "250.0" "no python3 with PyTorch" "skipped: dev"
holds /result passed
holds /gpu 'NVIDIA "Test" GPU, compute capability [N/A], [N/A]'
holds /driver_cuda 13.0
holds /toolkit "CUDA 13.0.1 ($fake/nvcc)"
holds /seconds_to_99_percent 4.5
holds /training/images_per_second 12345.6
holds /benchmarks/1/name beta_2/case/float32/cuda:0/forward/warm
holds /benchmarks/0/nanoseconds 12345.0
holds /benchmarks/0/torch_nanoseconds null
for i in 0 1 2 3 4 6 7 8 9; do step $i passed; done
step 5 "not run"
[[ $text != *FAILED* ]] || fail "nothing failed, but: $text"

touch "$state/no-gpu"
run 2
[[ $output == *"the driver does not work"*"No devices were found"* && -z $text ]] || fail "no GPU: $output"
rm "$state/no-gpu"
echo 12.4 > "$state/driver-cuda"
run 2
[[ $output == *"the driver is for CUDA 12.4 and the toolkit"* ]] || fail "an old driver: $output"
rm "$state/driver-cuda"
mv "$fake/nvidia-smi" "$work/hidden"
if ! command -v nvidia-smi > /dev/null; then
  run 2
  [[ $output == *"driver is not installed"* ]] || fail "no nvidia-smi: $output"
fi
mv "$work/hidden" "$fake/nvidia-smi"

touch "$state/ctest"
run 1
says "result              failed" "failed: beta_2" 'FAILED: tests' '  | got "1\2"'
holds /steps/1/output/0 $'got "1\\2"\t\e[31mred\e[0m café ?? ???'
step 1 failed
step 2 passed
step 9 passed
rm "$state/ctest"

echo racecheck-"$built/tests/test_beta_2" > "$state/sanitizer"
run 1 --only=racecheck,memcheck
says "1 ops' tests passed, 1 failed" "FAILED: racecheck beta_2" "Invalid __global__ write" \
  "beta_2: RACECHECK SUMMARY: 3 hazards"
step 1 "not run"
step 6 passed
step 7 failed
holds /steps/7/items/1/summary "RACECHECK SUMMARY: 3 hazards"
rm "$state/sanitizer"

echo memcheck-"$built/tests/test_alpha" > "$state/sanitizer-silent"
run 1 --only memcheck
says "alpha: no summary of memcheck"
rm "$state/sanitizer-silent"

touch "$state/bench"
run 1 --only bench
says "a benchmark reported an error"
holds /benchmarks "[]"
rm "$state/bench"

echo 0.9812 > "$state/accuracy"
run 1 --only train
says "never the 99 %" "not reached"
holds /seconds_to_99_percent null
rm "$state/accuracy"

touch "$state/build"
run 1
says "FAILED: build" "kernel.cu(1): error" "the build failed"
step 0 failed
step 6 "not run"
rm "$state/build"

# Time: what hangs fails; what there was no time for is not run, and never passed.
export GNN_GPU_SECONDS=10
touch "$state/ctest-hangs"
run 1 --only all-tests
says "timed out after 2 s"
rm "$state/hanging"
rm -rf "$work/runs"
gpu > "$work/output" & # interrupted while the tests run
pid=$! status=0
until [[ -e $state/hanging ]]; do sleep 0.1; done
kill -TERM "$pid"
wait "$pid" || status=$?
[[ $status == 130 ]] || fail "interrupted: status $status"
find_reports
step 0 passed
step 1 "not run"
holds /steps/9/summary interrupted
rm "$state/ctest-hangs"
echo synccheck-"$built/tests/test_alpha" > "$state/sanitizer-hangs"
# Time enough for the other program on a busy machine too.
GNN_GPU_SECONDS=25 run 0 --only synccheck
says "result              incomplete" "alpha: cut off by the end of the time"
step 9 passed
holds /result incomplete
GNN_GPU_TEST_SECONDS=2 run 1 --only synccheck
says "alpha: timed out"
step 9 failed
unset GNN_GPU_SECONDS

run 1 --minutes soon
[[ $output == *'expected a number of minutes, got "soon"'* ]] || fail "$output"
run 1 --only tests,fly
[[ $output == *'there is no step "fly"'* ]] || fail "$output"

printf 'all well\n'
