# Sourced by ./dev: `./dev gpu`, every check that needs a GPU.

source "$root/tools/gpu_steps.bash"
source "$root/tools/gpu_report.bash"

gpu_steps=(build tests all-tests train bench torch memcheck racecheck initcheck synccheck)
gpu_facts=(gpu driver "driver's CUDA" toolkit "clocks at start" "clocks after bench" processor date commit)

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
  gpu[processor]="$(cores) threads,$(sed -n 's/^model name[^:]*://p' /proc/cpuinfo | head -n 1)"
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
