# Sourced by tools/gpu.bash: the steps of `./dev gpu`. Each concludes with a result; `step` and `log` are its own.

sanitizer_exit=86  # compute-sanitizer found errors; the tests end with 0 or 1

step_build() {
  limited "$(remaining)" "$log" "$root/dev" build "$preset"
  case $? in
    0) conclude passed "build/$preset" ;;
    124) conclude failed "timed out; what is built stays built, so the next run gets further" ;;
    *) conclude failed "see the output" ;;
  esac
}

# run_all_tests PERCENT OPTION_OF_ENV...: all tests.
run_all_tests() {
  local limit status=0 counts failed skipped jobs
  limit=$(share "$1")
  shift
  jobs=$(cores)
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

step_tests() { run_all_tests 25 GNN_TEST_DEVICE=cuda:0; }

step_all_tests() { run_all_tests 25 -u GNN_TEST_DEVICE; }

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
        name) name=${BASH_REMATCH[2]%/manual_time} ;;
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
    limited "$limit" "$log" env GNN_TEST_DEVICE=cuda:0 "$program" --benchmark_filter="^$op/.*/float32/.*/warm/" \
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
  if [[ $preset != emulated* ]]; then gpu["clocks after bench"]=$(clocks); fi
  conclude_items "ops' benchmarks"
}

step_torch() {
  local status=0 name time
  limited "$(at_most 60)" "$log" python3 -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)' ||
    { conclude "not run" "there is no python3 with PyTorch for CUDA" && return; }
  limited "$(at_most 60)" "$log" python3 "$root/benchmarks/torch_bench.py" || status=$?
  while IFS=$'\t' read -r name time; do
    if [[ $name == */warm ]]; then torch_nanoseconds[$name]=$time; fi
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
  jobs=$(cores)
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
