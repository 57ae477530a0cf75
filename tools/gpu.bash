# Sourced by ./dev: `./dev gpu`, every check that needs a GPU. The report is in tools/gpu_report.bash.

gpu_steps=(build tests all-tests train bench torch memcheck racecheck initcheck synccheck)
gpu_facts=(gpu driver "driver's CUDA" toolkit "clocks at start" "clocks after bench" processor date commit)
sanitizer_exit=86  # compute-sanitizer found errors; the tests end with 0 or 1

# limited SECONDS LOG COMMAND...: its status, or 124 when it was stopped after SECONDS, with all it started.
limited() {
  local seconds=$1 log=$2 begin=$SECONDS status=0
  shift 2
  timeout --kill-after=10 "$seconds" "$@" > "$log" 2>&1 < /dev/null &
  wait $! || status=$?
  if ((status == 137 && SECONDS - begin >= seconds)); then status=124; fi
  return "$status"
}

remaining() { printf '%d' $((deadline - SECONDS)); }

# at_most SECONDS: those, or what is left of the time.
at_most() {
  local left=$((deadline - SECONDS))
  printf '%d' $((left < $1 ? left : $1))
}

# share PERCENT: seconds, of the whole time.
share() { at_most $((whole_time * $1 / 100)); }

wanted() { [[ -z $only || ,$only, == *,$1,* ]]; }

# conclude RESULT SUMMARY [LOG]: of the running step.
conclude() {
  step_result[$step]=$1
  step_summary[$step]=$2
  step_log[$step]=${3:-$log}
}

# item NAME RESULT SECONDS SUMMARY LOG: of the running step.
item() { item_rows+=("$step"$'\t'"$1"$'\t'"$2"$'\t'"$3"$'\t'"$4"$'\t'"$5"); }

# conclude_items WHAT: the step, from its items.
conclude_items() {
  local row passed=0 failed=0 not_run=0 summary
  for row in "${item_rows[@]}"; do
    case $row in
      "$step"$'\t'*$'\t'passed$'\t'*) ((++passed)) ;;
      "$step"$'\t'*$'\t'failed$'\t'*) ((++failed)) ;;
      "$step"$'\t'*) ((++not_run)) ;;
    esac
  done
  summary="$passed $1 passed"
  if ((failed)); then summary+=", $failed failed"; fi
  if ((not_run)); then summary+=", $not_run not run"; fi
  if ((failed)); then
    conclude failed "$summary" /dev/null  # the items have the output
  elif ((passed)); then
    conclude passed "$summary"
  else
    conclude "not run" "$summary"
  fi
}

op_names() { sed -n 's/^gnn_add_op(\([a-z0-9_]*\).*/\1/p' "$root/ops.cmake"; }

# --- What there is -----------------------------------------------------------------------------------------------

# cannot REASON: the end; there is nothing to report.
cannot() {
  printf 'dev gpu: %s\n' "$*" >&2
  exit 2
}

# The GPU that is cuda:0: with CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA counts as nvidia-smi does.
gpu_id() {
  local ids=${CUDA_VISIBLE_DEVICES:-0}
  printf '%s' "${ids%%,*}"
}

# gpu_query FIELD: one at a time, because an old driver refuses a query for any field that it does not know.
gpu_query() { nvidia-smi --id="$(gpu_id)" --query-gpu="$1" --format=csv,noheader 2> /dev/null | head -n 1 || true; }

clocks() {
  printf 'SM %s of %s, memory %s of %s, power limit %s, %s °C' "$(gpu_query clocks.sm)" "$(gpu_query clocks.max.sm)" \
    "$(gpu_query clocks.mem)" "$(gpu_query clocks.max.mem)" "$(gpu_query power.limit)" "$(gpu_query temperature.gpu)"
}

# Ends the program when driver, GPU or compiler is missing; else sets gpu[…].
find_gpu() {
  local list nvcc header toolkit
  command -v nvidia-smi > /dev/null ||
    cannot "there is no nvidia-smi: NVIDIA's driver is not installed (in a container: not passed in)"
  list=$(nvidia-smi -L 2>&1) || cannot "the driver does not work; nvidia-smi says: $(tail -n 1 <<< "$list")"
  [[ $list == *"GPU "* ]] || cannot "this machine has no NVIDIA GPU; nvidia-smi says: ${list:-nothing}"
  nvcc=$(find_nvcc)
  [[ -n $nvcc ]] || cannot "there is a GPU, but no nvcc: install the CUDA toolkit, or put nvcc on PATH or into CUDACXX"
  export CUDACXX=${CUDACXX:-$nvcc}
  toolkit=$("$nvcc" --version | sed -n 's/.*release [0-9.]*, V\([0-9.]*\).*/\1/p' || true)
  header=$(nvidia-smi 2> /dev/null | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p' | head -n 1 || true)
  if [[ -n $header && -n $toolkit ]] && ((${header%%.*} < ${toolkit%%.*})); then
    cannot "the driver is for CUDA $header and the toolkit ($nvcc) is CUDA $toolkit: update the driver or use an older toolkit"
  fi
  gpu[gpu]="$(gpu_query name), compute capability $(gpu_query compute_cap), $(gpu_query memory.total)"
  gpu[driver]=$(gpu_query driver_version)
  gpu["driver's CUDA"]=$header
  gpu[toolkit]="CUDA $toolkit ($nvcc)"
  gpu["clocks at start"]=$(clocks)
}

# Where the machine and the sources are told apart from others.
describe_checkout() {
  local commit
  gpu[processor]="$(nproc) threads,$(sed -n 's/^model name[^:]*://p' /proc/cpuinfo | head -n 1)"
  gpu[date]=$(date +%Y-%m-%dT%H:%M:%S%z)
  commit=$(git -C "$root" rev-parse HEAD 2> /dev/null) || commit="not a git checkout"
  if [[ -n $(git -C "$root" status --porcelain 2> /dev/null) ]]; then commit+=", with local changes"; fi
  gpu[commit]=$commit
}

# find_tool NAME: a program of the toolkit.
find_tool() {
  local candidate
  for candidate in "$(command -v "$1" || true)" "$(dirname "$(find_nvcc)")/$1" "${CUDA_HOME:-/usr/local/cuda}/bin/$1"; do
    if [[ -n $candidate && -x $candidate ]]; then
      printf '%s' "$candidate"
      return
    fi
  done
}

# --- Steps -------------------------------------------------------------------------------------------------------

step_build() {
  limited "$(remaining)" "$log" "$root/dev" build "$preset"
  case $? in
    0) conclude passed "build/$preset" ;;
    124) conclude failed "timed out; what is built stays built, so the next run gets further" ;;
    *) conclude failed "see the output" ;;
  esac
}

# run_ctest PERCENT OPTION_OF_ENV...: all tests.
run_ctest() {
  local limit status=0 counts failed skipped jobs
  limit=$(share "$1")
  shift
  jobs=$(nproc)
  limited "$limit" "$log" env "$@" OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" ctest --test-dir "$root/build/$preset" \
    --output-on-failure --no-tests=error --timeout 120 --parallel $((jobs < 8 ? jobs : 8)) || status=$?
  counts=$(sed -n 's/^\([0-9]*% tests passed, .*\)$/\1/p' "$log" | tail -n 1)
  failed=$(sed -n '/^The following tests FAILED:/,$s/^[[:space:]]*[0-9]* - \([^ ]*\) .*/\1/p' "$log" | tr '\n' ' ')
  skipped=$(sed -n 's/^.* \([^ ]*\) \.*\*\*\*Skipped.*/\1/p' "$log" | tr '\n' ' ')
  case $status in
    0) conclude passed "${counts:-no summary}${skipped:+; skipped: ${skipped% }}" ;;
    124) conclude failed "timed out after $limit s" ;;
    *) conclude failed "${counts:-ended with status $status}${failed:+; failed: ${failed% }}" ;;
  esac
  if ((status == 0)) && [[ $counts != "100%"* ]]; then conclude failed "ctest reported no passed tests"; fi
}

step_tests() { run_ctest 25 GNN_TEST_DEVICE=cuda:0; }

step_all_tests() { run_ctest 25 -u GNN_TEST_DEVICE; }

get_training_data() { find_mnist || { setup data && download_mnist; } || get_fashion_mnist; }

step_train() {
  local report=$work/lenet.json limit status=0 accuracy elapsed accuracies times i
  if ! (get_training_data) > "$log" 2>&1; then
    conclude "not run" "neither MNIST nor its substitute can be had"
    return
  fi
  limit=$(share 20)
  limited "$limit" "$log" "$root/build/$preset/examples/lenet_mnist" --device cuda:0 --report "$report" \
    --picture "${report%.json}.svg" || status=$?
  case $status in
    0) ;;
    124) conclude failed "timed out after $limit s" && return ;;
    *) conclude failed "ended with status $status" && return ;;
  esac
  mapfile -t accuracies < <(json_list "$report" test_accuracy_by_epoch)
  mapfile -t times < <(json_list "$report" seconds_at_epoch_end)
  for i in "${!accuracies[@]}"; do
    if [[ ${accuracies[i]} =~ ^(0\.99|1\.) ]]; then
      seconds_to_99=${times[i]}
      epoch_of_99=$((i + 1))
      break
    fi
  done
  accuracy=$(printf '%.2f %%' "$(json_value "$report" test_accuracy)e2")
  elapsed=$(printf '%.0f images/s' "$(json_value "$report" images_per_second)")
  # What all seeds reach on the CPU; other data sets have no such mark.
  if grep -q '^Data: MNIST, 60000 training' "$log" && [[ -z $seconds_to_99 ]]; then
    conclude failed "$accuracy on MNIST, and never the 99 % that is reached on the CPU"
  else
    conclude passed "$accuracy, $elapsed"
  fi
}

# read_benchmarks FILE: Google Benchmark's JSON, one key a line. Fails when a benchmark reported an error.
read_benchmarks() {
  local line name="" time="" bytes="" flops="" wrong="" status=0
  while IFS= read -r line; do
    if [[ $line =~ ^\ +\"([^\"]+)\":\ \"?([^\",]*)\"?,?$ ]]; then
      case ${BASH_REMATCH[1]} in
        name) name=${BASH_REMATCH[2]%/real_time} ;;
        real_time) time=${BASH_REMATCH[2]} ;;
        bytes/s) bytes=${BASH_REMATCH[2]} ;;
        flop/s) flops=${BASH_REMATCH[2]} ;;
        error_occurred) wrong=yes status=1 ;;
      esac
    elif [[ $line =~ ^\ *\},?$ ]]; then
      if [[ -n $name && -n $time && -z $wrong ]]; then bench_rows+=("$name|$time|$bytes|$flops"); fi
      name="" time="" bytes="" flops="" wrong=""
    fi
  done < <(sed '1,/"benchmarks":/d' "$1")
  return "$status"
}

step_bench() {
  local program=$root/build/$preset/benchmarks/gnn_bench op end out begin status limit
  [[ -x $program ]] || { conclude "not run" "this build has no benchmarks" && return; }
  end=$((SECONDS + $(share 20)))
  for op in $(op_names); do
    out=$work/bench-$op.json log=$work/bench-$op.log begin=$SECONDS status=0
    limit=$((end - SECONDS < 60 ? end - SECONDS : 60))
    if ((limit < start_margin)) || [[ -n $interrupted ]]; then
      item "$op" "not run" 0 "no time left" -
      continue
    fi
    limited "$limit" "$log" env GNN_TEST_DEVICE=cuda:0 "$program" --benchmark_filter="^$op/" \
      --benchmark_min_time=0.05 --benchmark_out="$out" --benchmark_out_format=json || status=$?
    if ((status == 124 && limit < 60)); then
      item "$op" "not run" $((SECONDS - begin)) "cut off by the end of the time" "$log"
    elif ((status == 124)); then
      item "$op" failed $((SECONDS - begin)) "timed out" "$log"
    elif ((status != 0)); then
      item "$op" failed $((SECONDS - begin)) "ended with status $status" "$log"
    elif [[ ! -s $out ]]; then
      item "$op" "not run" $((SECONDS - begin)) "it has no benchmark" "$log"
    elif ! read_benchmarks "$out"; then
      item "$op" failed $((SECONDS - begin)) "a benchmark reported an error" "$log"
    else
      item "$op" passed $((SECONDS - begin)) "measured" "$log"
    fi
  done
  if [[ $preset != emulated ]]; then gpu["clocks after bench"]=$(clocks); fi
  conclude_items "ops' benchmarks"
}

step_torch() {
  local status=0 name time
  limited "$(at_most 60)" "$log" python3 -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)' ||
    { conclude "not run" "there is no python3 with PyTorch for CUDA" && return; }
  limited "$(at_most 60)" "$log" python3 "$root/benchmarks/torch_bench.py" || status=$?
  while IFS=$'\t' read -r name time; do
    if [[ $name == */forward* ]]; then torch_nanoseconds[$name]=$time; fi
  done < "$log"
  case $status in
    0) conclude passed "$(tail -n 1 "$log")" ;;
    124) conclude failed "timed out" ;;
    *) conclude failed "ended with status $status" ;;
  esac
}

# --- compute-sanitizer -------------------------------------------------------------------------------------------

# Every tensor is its own driver allocation, of its exact size, so that nothing hides an access beyond it.
start_sanitizer() {
  local tool=$1 op=$2 limit=$3 options=()
  if [[ $tool == memcheck ]]; then options=(--padding 256); fi  # allocations must not touch
  # The shell inside leaves the status; none is left when the time is over.
  timeout --kill-after=10 "$limit" bash -c 'status=0; "${@:2}" || status=$?; printf "%s %s\n" "$status" "$SECONDS" > "$1"' - \
    "$work/$tool-$op.status" env GNN_TEST_DEVICE=cuda:0 GNN_NO_CACHING=1 OMP_NUM_THREADS=2 "$sanitizer" --tool "$tool" \
    --error-exitcode "$sanitizer_exit" "${options[@]}" "$root/build/$preset/tests/test_$op" \
    > "$work/$tool-$op.log" 2>&1 < /dev/null &
}

# judge_sanitizer TOOL OP LIMIT
judge_sanitizer() {
  local file=$work/$1-$2.status log=$work/$1-$2.log status seconds found
  if [[ ! -s $file ]]; then
    if (($3 < test_limit)) || [[ -n $interrupted ]]; then
      item "$2" "not run" "$3" "cut off by the end of the time" "$log"
    else
      item "$2" failed "$3" "timed out" "$log"
    fi
    return
  fi
  read -r status seconds < "$file"
  found=$(sed -n 's/^=* *\(.*SUMMARY: .*\)$/\1/p' "$log" | tail -n 1)
  if ((status == sanitizer_exit)); then
    item "$2" failed "$seconds" "${found:-errors}" "$log"
  elif ((status != 0)); then
    item "$2" failed "$seconds" "the tests failed (status $status)" "$log"
  elif [[ $found != *"SUMMARY: 0 "* ]]; then  # warnings, or it did not watch anything
    item "$2" failed "$seconds" "${found:-no summary of $1}" "$log"
  else
    item "$2" passed "$seconds" "$found" "$log"
  fi
}

sanitize() {
  local tool=$1 later=0 name end op jobs limit ops
  local -A limits=()
  sanitizer=$(find_tool compute-sanitizer)
  [[ -n $sanitizer ]] || { conclude "not run" "compute-sanitizer is not installed (it comes with the toolkit)" && return; }
  mapfile -t ops < <(op_names)
  # An equal share of what is left for this tool and those after it.
  for name in synccheck initcheck racecheck memcheck; do
    if wanted "$name"; then ((++later)); fi
    if [[ $name == "$tool" ]]; then break; fi
  done
  end=$((SECONDS + $(remaining) / later))
  jobs=$(nproc)
  jobs=$((jobs < 6 ? jobs : 6))
  for op in "${ops[@]}"; do
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
    limit=$((end - SECONDS < test_limit ? end - SECONDS : test_limit))
    if ((limit < start_margin)) || [[ -n $interrupted ]]; then
      limits[$op]=none
      continue
    fi
    limits[$op]=$limit
    start_sanitizer "$tool" "$op" "$limit"
  done
  wait
  for op in "${ops[@]}"; do
    if [[ ${limits[$op]} == none ]]; then
      item "$op" "not run" 0 "no time left" -
    else
      judge_sanitizer "$tool" "$op" "${limits[$op]}"
    fi
  done
  conclude_items "ops' tests"
}

step_memcheck() { sanitize memcheck; }
step_racecheck() { sanitize racecheck; }
step_initcheck() { sanitize initcheck; }
step_synccheck() { sanitize synccheck; }

# --- All of it ---------------------------------------------------------------------------------------------------

run_step() {
  local step=$1 log=$work/$1.log begin=$SECONDS
  step_seconds[$step]=0
  if [[ $step != build ]] && ! wanted "$step"; then
    conclude "not run" "not asked for"
  elif [[ -n $interrupted ]]; then
    conclude "not run" "interrupted"
  elif [[ ${step_result[build]:-passed} != passed ]]; then
    conclude "not run" "the build failed"
  elif (($(remaining) < start_margin)); then
    conclude "not run" "no time left"
  else
    say "$step …"
    conclude failed "it came to no result"
    "step_${step//-/_}" || true
    step_seconds[$step]=$((SECONDS - begin))
    if [[ -n $interrupted && ${step_result[$step]} == failed ]]; then conclude "not run" "interrupted"; fi
    say "$step: ${step_result[$step]} (${step_seconds[$step]} s): ${step_summary[$step]}"
  fi
}

stop_gpu() {
  interrupted=yes
  # shellcheck disable=SC2046  # one id a word
  kill $(jobs -p) 2> /dev/null || true
}

# read_gpu_options OPTION...: sets only, minutes, output.
read_gpu_options() {
  local name names=()
  while (($#)); do
    case $1 in
      --only | --minutes | --output)
        (($# > 1)) || die "$1 needs a value; ./dev gpu --help"
        set -- "$1=$2" "${@:3}"
        ;;
      --only=*) only=${1#*=} && shift ;;
      --minutes=*) minutes=${1#*=} && shift ;;
      --output=*) output=${1#*=} && shift ;;
      *) die "unknown option \"$1\"; ./dev gpu --help" ;;
    esac
  done
  [[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || die "--minutes: expected a number of minutes, got \"$minutes\""
  only=${only//sanitizer/memcheck,racecheck,initcheck,synccheck}
  IFS=, read -r -a names <<< "$only"
  for name in "${names[@]}"; do
    [[ " ${gpu_steps[*]} " == *" $name "* ]] || die "--only: there is no step \"$name\"; they are: ${gpu_steps[*]}, sanitizer"
  done
}

# gpu_checks OPTION...
gpu_checks() {
  local only="" minutes=10 output=$root/runs preset=${GNN_GPU_PRESET:-release} begin=$SECONDS
  local whole_time start_margin deadline test_limit work name file interrupted="" seconds_to_99="" epoch_of_99="" sanitizer="" result
  read_gpu_options "$@"
  # Tests of this file have less time than a minute.
  whole_time=${GNN_GPU_SECONDS:-$((minutes * 60))}
  test_limit=${GNN_GPU_TEST_SECONDS:-$((minutes * 6))}  # for one test program under compute-sanitizer
  start_margin=$((whole_time < 60 ? 1 : 5))  # with fewer seconds left nothing is started
  deadline=$((SECONDS + whole_time))
  export LC_ALL=C.UTF-8 CUDA_DEVICE_ORDER=PCI_BUS_ID
  if [[ $preset == emulated* ]]; then
    gpu[gpu]="an emulated GPU (on the CPU: the figures mean nothing)"
  else
    find_gpu
  fi
  describe_checkout
  setup test data  # here, as it may ask for a password
  file=$output/gpu-$(date +%Y%m%d-%H%M%S)
  work=$file
  mkdir -p "$work"
  trap stop_gpu INT TERM
  say "On ${gpu[gpu]}; output goes to $work"
  for name in "${gpu_steps[@]}"; do run_step "$name"; done
  trap - INT TERM
  report_text $((SECONDS - begin)) > "$file.txt"
  report_json $((SECONDS - begin)) > "$file.json"
  printf '\n'
  cat "$file.txt"
  say "
Reports: $file.txt and $file.json"
  result=$(overall)
  if [[ -n $interrupted ]]; then exit 130; fi
  [[ $result != failed ]]
}
