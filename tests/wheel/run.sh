#!/usr/bin/env bash
# Uses the Python package as others do: its wheel in a fresh virtual environment, with what it needs from the package
# index. There, far from the sources, run the package's tests, all examples and `python -m libgnn`. Arguments are options
# for building the wheel, e.g. -DGNN_CUDA=OFF.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset PYTHONPATH
export PYTHONDONTWRITEBYTECODE=1

step() { printf 'wheel: %s\n' "$*"; }

fail() {
  printf 'wheel: %s\n' "$*" >&2
  exit 1
}

quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2 && fail "failed: $*"; }; }

wheel=$("$root/dev" wheel "$@")

step "installed in a fresh environment"
quietly "$root/build/python-env/bin/python" -m venv env
# JAX: a peer of DLPack that the build folder's tests do not have.
quietly env/bin/pip install --disable-pip-version-check "$wheel[test]" jax
python=$work/env/bin/python
"$python" -c 'import libgnn, sys; sys.exit(not libgnn.__file__.startswith(sys.prefix))' ||
  fail "this is not the installed package"

step "python -m libgnn info"
"$python" -m libgnn info

step "tests; where PyTorch is, the build folder's are compared with it"
cp -r "$root/python/tests" tests
program=$root/build/train/examples/lenet_mnist  # where ./dev train left it, Python's training is compared with it
if [[ -x $program ]]; then export GNN_LENET_MNIST=$program; fi
env -u CI "$python" -m pytest -q -p no:cacheprovider --ignore-glob='*/test_parity_*' tests > log 2>&1 ||
  { tail -n 60 log >&2 && fail "tests failed"; }
tail -n 1 log

# example NAME OPTION…: must leave a picture.
example() {
  local name=$1
  shift
  step "examples/$name.py $*"
  quietly "$python" "$root/examples/$name.py" "$@" --picture "$work/$name.png"
  [[ $(head -c 4 "$name.png" | tail -c 3) == PNG ]] || fail "examples/$name.py left no picture"
}

example function_fit --steps 50
example decision_boundary --epochs 2 --points 100
if mnist=$("$root/dev" data mnist); then
  example lenet_mnist --data "$mnist" --epochs 1 --images 2000
  example mlp_csv --data "$mnist" --epochs 1 --rows 500
  step "python -m libgnn train lenet"
  quietly "$python" -m libgnn train lenet --data "$mnist" --epochs 1 --report lenet.json --picture lenet.svg
  [[ -s lenet.json && -s lenet.svg ]] || fail "no report or no picture of LeNet's training"
  grep -o '"test_accuracy": [0-9.]*' lenet.json
elif [[ -n ${CI:-} ]]; then
  fail "CI must have MNIST"
fi
step "all well"
