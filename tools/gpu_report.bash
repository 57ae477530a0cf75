# Sourced by tools/gpu.bash: what `./dev gpu` found, as text and as JSON.

declare -A step_result step_seconds step_summary step_log
# One line per test program under compute-sanitizer and per op of the benchmarks, tab-separated:
# step, name, result, seconds, summary, log.
item_rows=()
# Benchmarks: name, nanoseconds, bytes/s, flop/s ("" where the case has none); and PyTorch's time by name.
bench_rows=()
declare -A torch_nanoseconds gpu

last_lines=25  # of the output of what failed

# json_string TEXT: TEXT as a JSON string. What is not UTF-8 becomes "?".
json_string() {
  local LC_ALL=C text=$1 out="" character i more
  if [[ $text != *[!\ -~]* && $text != *[\"\\]* ]]; then  # nearly always
    printf '"%s"' "$text"
    return
  fi
  for ((i = 0; i < ${#text}; ++i)); do
    character=${text:i:1}
    case $character in
      '"') out+='\"' ;;
      \\) out+='\\' ;;
      $'\n') out+='\n' ;;
      $'\t') out+='\t' ;;
      [[:cntrl:]]) out+=$(printf '\\u%04x' "'$character") ;;
      [[:print:]]) out+=$character ;;
      *)
        for more in 1 2 3; do
          if is_utf8 "${text:i:more + 1}"; then
            out+=${text:i:more + 1}
            ((i += more))
            continue 2
          fi
        done
        out+='?'
        ;;
    esac
  done
  printf '"%s"' "$out"
}

# is_utf8 BYTES: whether they are one character of two to four bytes (RFC 3629, section 4). LC_ALL is C here.
is_utf8() {
  local tail=$'[\x80-\xbf]'
  # shellcheck disable=SC2254  # patterns
  case $1 in
    [$'\xc2'-$'\xdf']$tail | $'\xe0'[$'\xa0'-$'\xbf']$tail | [$'\xe1'-$'\xec\xee\xef']$tail$tail) return 0 ;;
    $'\xed'[$'\x80'-$'\x9f']$tail | $'\xf0'[$'\x90'-$'\xbf']$tail$tail) return 0 ;;
    [$'\xf1'-$'\xf3']$tail$tail$tail | $'\xf4'[$'\x80'-$'\x8f']$tail$tail) return 0 ;;
  esac
  return 1
}

# json_key WORDS: "driver's CUDA" becomes driver_cuda.
json_key() {
  local key=${1,,}
  key=${key//\'s/}
  printf '%s' "${key// /_}"
}

# json_number TEXT: TEXT when it is a JSON number, else null.
json_number() {
  if [[ $1 =~ ^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$ ]]; then printf '%s' "$1"; else printf 'null'; fi
}

# json_lines FILE: its last lines as a JSON array of strings.
json_lines() {
  local line separator=""
  printf '['
  if [[ -f $1 ]]; then
    while IFS= read -r line || [[ -n $line ]]; do
      printf '%s%s' "$separator" "$(json_string "$line")"
      separator=", "
    done < <(tail -n "$last_lines" "$1" | tr -d '\000')
  fi
  printf ']'
}

# json_value FILE KEY: the first value of KEY in JSON that was written with one key a line.
json_value() { sed -n "s|^ *\"$2\": *\(.*[^,]\),\{0,1\}\$|\1|p" "$1" | sed -e 's/^"\(.*\)"$/\1/' -e q; }

# json_list FILE KEY: the numbers in the array KEY, one a line.
json_list() { sed -n "/^ *\"$2\": \[/,/\]/s|^ *\(-\{0,1\}[0-9][^, ]*\),\{0,1\}\$|\1|p" "$1"; }

# scaled NUMBER UNIT: NUMBER / UNIT (an integer) with a digit behind the point.
scaled() {
  local tenths
  tenths=$(($(printf '%.0f' "$1") * 10 / $2))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# overall: failed when anything failed, incomplete when something that was asked for did not run, else passed.
overall() {
  local step result=passed row
  for step in "${gpu_steps[@]}"; do
    case ${step_result[$step]} in
      failed) result=failed ;;
      "not run") if [[ $result == passed && $step != torch ]] && wanted "$step"; then result=incomplete; fi ;;
    esac
  done
  for row in "${item_rows[@]}"; do
    if [[ $result == passed && $row == *$'\t'"not run"$'\t'* ]]; then result=incomplete; fi
  done
  printf '%s' "$result"
}

# step_json STEP
step_json() {
  local step name result seconds summary log row separator=""
  printf '    {"name": %s, "result": %s, "seconds": %d, "summary": %s' "$(json_string "$1")" \
    "$(json_string "${step_result[$1]}")" "${step_seconds[$1]}" "$(json_string "${step_summary[$1]}")"
  if [[ ${step_result[$1]} == failed ]]; then printf ', "output": %s' "$(json_lines "${step_log[$1]}")"; fi
  printf ', "items": ['
  for row in "${item_rows[@]}"; do
    IFS=$'\t' read -r step name result seconds summary log <<< "$row"
    [[ $step == "$1" ]] || continue
    printf '%s\n      {"name": %s, "result": %s, "seconds": %d, "summary": %s' "$separator" "$(json_string "$name")" \
      "$(json_string "$result")" "$seconds" "$(json_string "$summary")"
    if [[ $result == failed ]]; then printf ', "output": %s' "$(json_lines "$log")"; fi
    printf '}'
    separator=,
  done
  printf ']}'
}

# report_json SECONDS
report_json() {
  local key step separator="" row name time bytes flops
  printf '{\n  "result": %s,\n  "seconds": %d,\n  "minutes": %d,\n  "preset": %s,\n' "$(json_string "$(overall)")" \
    "$1" "$minutes" "$(json_string "$preset")"
  for key in "${gpu_facts[@]}"; do
    printf '  %s: %s,\n' "$(json_string "$(json_key "$key")")" "$(json_string "${gpu[$key]:-}")"
  done
  printf '  "steps": ['
  for step in "${gpu_steps[@]}"; do
    printf '%s\n%s' "$separator" "$(step_json "$step")"
    separator=,
  done
  printf '\n  ],\n  "seconds_to_99_percent": %s,\n  "training": ' "$(json_number "${seconds_to_99:-}")"
  if [[ -s $work/lenet.json ]]; then cat "$work/lenet.json"; else printf 'null'; fi
  printf ',\n  "benchmarks": ['
  separator=""
  for row in "${bench_rows[@]}"; do
    IFS='|' read -r name time bytes flops <<< "$row"
    printf '%s\n    {"name": %s, "nanoseconds": %s, "bytes_per_second": %s, "flop_per_second": %s, "torch_nanoseconds": %s}' \
      "$separator" "$(json_string "$name")" "$(json_number "$time")" "$(json_number "$bytes")" \
      "$(json_number "$flops")" "$(json_number "${torch_nanoseconds[$name]:-}")"
    separator=,
  done
  printf '\n  ]\n}\n'
}

# report_text SECONDS
report_text() {
  local key step row name result seconds summary log
  printf 'libgnn on %s\n\n' "${gpu[gpu]}"
  for key in "${gpu_facts[@]}"; do printf '%-19s %s\n' "$key" "${gpu[$key]:-}"; done
  printf '%-19s %s, %d s of at most %d minutes\n\n' "result" "$(overall)" "$1" "$minutes"
  for step in "${gpu_steps[@]}"; do
    printf '%-10s  %-7s  %5d s  %s\n' "$step" "${step_result[$step]}" "${step_seconds[$step]}" "${step_summary[$step]}"
  done
  for row in "${item_rows[@]}"; do
    IFS=$'\t' read -r step name result seconds summary log <<< "$row"
    if [[ $result != passed ]]; then
      printf '%-10s  %-7s  %5d s  %s: %s\n' "$step" "$result" "$seconds" "$name" "$summary"
    fi
  done
  training_text
  benchmarks_text
  for step in "${gpu_steps[@]}"; do
    if [[ ${step_result[$step]} == failed ]]; then failure_text "$step" "${step_log[$step]}"; fi
  done
  for row in "${item_rows[@]}"; do
    IFS=$'\t' read -r step name result seconds summary log <<< "$row"
    if [[ $result == failed ]]; then failure_text "$step $name" "$log"; fi
  done
}

# failure_text NAME LOG
failure_text() {
  [[ -s $2 ]] || return 0
  printf '\nFAILED: %s; the last lines of %s:\n' "$1" "${2#"$root/"}"
  tail -n "$last_lines" "$2" | tr -d '\000' | sed 's/^/  | /'
}

training_text() {
  local file=$work/lenet.json
  [[ -s $file ]] || return 0
  printf '\nLeNet on %s, %s epochs, batch %s, %s, seed %s, on %s:\n' "$(json_value "$file" dataset)" \
    "$(json_value "$file" epochs)" "$(json_value "$file" batch_size)" "$(json_value "$file" optimizer)" \
    "$(json_value "$file" seed)" "$(json_value "$file" device_name)"
  printf '  test accuracy          %.2f %%\n' "$(json_value "$file" test_accuracy)e2"
  printf '  images/s               %.0f (training alone)\n' "$(json_value "$file" images_per_second)"
  printf '  seconds                %.1f (with evaluation)\n' "$(json_value "$file" seconds)"
  if [[ -n $seconds_to_99 ]]; then
    printf '  to 99 %% test accuracy  %.1f s (end of epoch %d)\n' "$seconds_to_99" "$epoch_of_99"
  else
    printf '  to 99 %% test accuracy  not reached\n'
  fi
}

benchmarks_text() {
  local row name time bytes flops
  ((${#bench_rows[@]})) || return 0
  printf '\nKernels, float32, between two events, calls that follow one another (caches are warm):\n'
  printf '  %-66s %11s %9s %10s %11s\n' "" "µs" "GB/s" "GFLOP/s" "PyTorch, µs"
  for row in "${bench_rows[@]}"; do
    IFS='|' read -r name time bytes flops <<< "$row"
    printf '  %-66s %11s %9s %10s %11s\n' "$name" "$(scaled "$time" 1000)" "${bytes:+$(scaled "$bytes" 1000000000)}" \
      "${flops:+$(scaled "$flops" 1000000000)}" \
      "${torch_nanoseconds[$name]:+$(scaled "${torch_nanoseconds[$name]}" 1000)}"
  done
}
