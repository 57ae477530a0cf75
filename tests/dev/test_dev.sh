#!/usr/bin/env bash
# Tests of ./dev that need no network: help, errors, and the download of MNIST from folders that act as mirrors.
# The download needs the real files ($GNN_DATA_DIR/mnist or the cache folder); without them exit status 77 (skipped),
# except under CI.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# expect STATUS TEXT COMMAND...: the command ends with STATUS (0, or 1 for any failure) and prints TEXT somewhere.
expect() {
  local want=$1 text=$2 status=0 output
  shift 2
  output=$("$@" 2>&1 < /dev/null) || status=1
  [[ $status == "$want" ]] || fail "$*: status $status, expected $want
$output"
  [[ $output == *"$text"* ]] || fail "$*: \"$text\" is not in
$output"
}

dev=$root/dev
expect 0 "./dev train" "$dev"
expect 1 'unknown command "fly"' "$dev" fly
expect 1 'name a data set' "$dev" data cifar
expect 1 'unknown option "--fix"' "$dev" format --fix
expect 1 'unknown option "--all"' "$dev" kernels --all
expect 1 'unknown option "GNN_CUDA=OFF"' "$dev" wheel GNN_CUDA=OFF
expect 0 "./dev bench train" "$dev" bench train --help
expect 0 "./dev bench ab" "$dev" bench ab --help
expect 1 "expected OLD, a git revision" "$dev" bench ab --filter lenet
PTXSIM_HOME='' expect 1 'PTXSIM_HOME to the folder' "$dev" test ptxsim
PTXSIM_HOME=$work expect 1 'PTXSIM_HOME to the folder' "$dev" kernels --traffic
for command in train test build wheel bench gpu kernels coverage data setup format clean; do
  expect 0 "./dev $command" "$dev" "$command" --help
  [[ $("$dev") == *"./dev $command "* ]] || fail "./dev does not list $command"
done

# table LIST: ./dev kernels' table for a kernel with a stack, with LIST in the place of kernels/stack_use.txt.
table() {
  printf '%s\n' "$1" > "$work/list"
  awk -v allowed="$work/list" -f "$root/tools/kernels.awk" << 'END'
.entry gnn::kernels::(anonymous namespace)::f<4, float>(float const*)
.maxntid 512, 1, 1
ptxas info    : Compiling entry function 'void gnn::kernels::(anonymous namespace)::f<4, float>(float const*)' for 'sm_90'
ptxas info    : Function properties for void gnn::kernels::(anonymous namespace)::f<4, float>(float const*)
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Function properties for slow_path
    24 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 64 bytes smem
END
}
row='sm_90   512   40     64     40      8     12'
expect 1 "$row!    75 %  f<4,float>" table ""
expect 0 "$row*    75 %  f<4,float>" table "40 12 f<*,float> reason"
expect 1 "$row!" table "39 12 f<*,float> reason"
expect 1 "$row!" table "40 11 f<*,float> reason"
expect 1 "$row!" table "40 12 f reason"
expect 1 'no kernel needs the line "g<4,float>"' table $'40 12 f<*,float> reason\n40 12 g<4,float> reason'

source "$root/tools/data.bash"
if ! real=$(find_mnist); then
  printf 'MNIST is not here (./dev data mnist gets it), so its download is not tested.\n' >&2
  [[ -z ${CI:-} ]] || fail "CI must have MNIST"
  exit 77
fi
unset GNN_DATA_DIR
export XDG_CACHE_HOME=$work/cache
cached=$work/cache/libgnn/mnist

mkdir "$work"/{good,truncated,wrong,incomplete}
for mirror in good truncated wrong incomplete; do
  for name in "${mnist_files[@]}"; do
    [[ -f $real/$name.gz ]] || { printf '%s has no .gz files to test with.\n' "$real" >&2 && exit 77; }
    cp "$real/$name.gz" "$work/$mirror/"
    chmod u+w "$work/$mirror/$name.gz"
  done
done
head -c 1000000 "$real/train-images-idx3-ubyte.gz" > "$work/truncated/train-images-idx3-ubyte.gz"
printf 'X' | dd of="$work/wrong/t10k-labels-idx1-ubyte.gz" conv=notrunc status=none
rm "$work/incomplete/train-labels-idx1-ubyte.gz"

# download STATUS TEXT MIRROR...: from nothing; afterwards the cache folder has all files or none.
download() {
  local want=$1 text=$2 left
  shift 2
  rm -rf "$work/cache"
  GNN_MNIST_MIRRORS="$*" expect "$want" "$text" "$dev" data mnist
  left=$(find "$cached" -mindepth 1 | wc -l)
  [[ $left == $((want == 0 ? 4 : 0)) ]] || fail "$left files in the cache folder after: $*"
}

refused=http://127.0.0.1:1
download 0 "MNIST is in $cached" "file://$work/good"
download 1 "wrong SHA-256: thrown away" "file://$work/truncated"
download 1 "not MNIST (wrong SHA-256)" "file://$work/wrong"
download 1 "no mirror has train-labels-idx1-ubyte.gz" "file://$work/incomplete"
download 1 "no mirror of MNIST can be used" "$refused" "file://$work/nowhere"
download 0 "wrong SHA-256: thrown away" "$refused" "file://$work/wrong" "file://$work/truncated" "file://$work/good"
expect 0 "$cached" "$dev" data mnist  # now found, not downloaded

printf 'all well\n'
