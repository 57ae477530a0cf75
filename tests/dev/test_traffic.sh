#!/usr/bin/env bash
# test_traffic.sh TRAFFIC_TABLE: which reports tools/traffic_table fails for.
set -euo pipefail

table=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'test_traffic: %s\n' "$*" >&2
  exit 1
}

# kernel NAME KIB RATIO [WAVEFRONTS IDEAL]: a kernel of a report that must move KIB and moves RATIO times that, with
# so many wavefronts of loads from shared memory.
kernel() {
  local access='{"requests": 8, "sectors": 8, "ideal_sectors": 8}' none='{"wavefronts": 0, "ideal_wavefronts": 0}'
  local shared="{\"wavefronts\": ${4:-0}, \"ideal_wavefronts\": ${5:-0}}"
  printf '{"name": "%s", "launches": 1, "blocks": 1, "threads": 32, "active_lanes": 32, "global_load": %s,
    "global_store": %s, "shared_load": %s, "shared_store": %s, "global_bytes_moved": %s, "global_bytes_floor": %s}' \
    "$1" "$access" "$access" "$shared" "$none" "$(awk "BEGIN { print $2 * 1024 * $3 }")" "$(($2 * 1024))"
}

more=()  # reports beside that of expect

# expect STATUS WORDS ALLOWED KERNEL...
expect() {
  local want=$1 words=$2 status=0
  printf '%s\n' '# an exception a line' "$3" > "$work/allowed.txt"
  shift 3
  local list=$1
  shift
  for each in "$@"; do list+=", $each"; done
  printf '{"marked_region": true, "kernels": [%s], "total": %s, "blas": {}, "copies": {}, "api_calls": {}}' "$list" \
    "$(kernel total 1 1)" > "$work/report.json"
  "$table" "$work/allowed.txt" "$work/report.json" "${more[@]}" > "$work/out" 2>&1 || status=$?
  [[ $status == "$want" ]] || fail "status $status instead of $want: $(cat "$work/out")"
  grep -qF -- "$words" "$work/out" || fail "\"$words\" is missing in: $(cat "$work/out")"
}

bad=$(kernel 'void gnn::kernels::(anonymous namespace)::wide<float>(float*)' 100 1.5)
good=$(kernel 'narrow(float*)' 100 1.09)
small=$(kernel 'small(float*)' 63 9)
expect 0 'narrow' '' "$good" "$small"
expect 1 'wide<float> moves 1.50 times what it must, and may 1.10 times' '' "$good" "$bad"
expect 0 'wide' '1.6  wide<*>  it reads twice' "$good" "$bad"
expect 1 'may 1.40 times' '1.4  wide<*>  it reads twice' "$bad"
expect 1 'no kernel needs "narrow"' '1.4  narrow  it reads twice' "$good"
expect 1 'expected "RATIO PATTERN REASON"' '1.4  narrow' "$good"
# 100 KiB are 3200 sectors.
expect 0 'narrow' '' "$(kernel narrow 100 1 3300 3200)"
expect 0 'narrow' '' "$(kernel narrow 100 1 3100 1000)"
expect 0 'small' '' "$(kernel small 63 1 9000 3000)"
expect 1 'narrow has 1.10 times the least wavefronts of shared memory, and 1.09 for each sector' '' \
  "$(kernel narrow 100 1 3500 3182)"
expect 1 'wide<float> moves' '' "$bad"
cp "$work/report.json" "$work/first.json"
more=("$work/first.json")
expect 1 'wide<float> moves' '' "$good"  # of the other report
expect 0 'wide' '1.6  wide<*>  it reads twice' "$good"
"$table" "$work/allowed.txt" > /dev/null 2>&1 && fail 'a missing argument was taken'
echo "test_traffic: ok"
