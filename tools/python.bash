# Sourced by ./dev: the Python package, the environment that it is built and tested with, and its wheel.

python_env=$root/build/python-env

# The words of pyproject.toml's build-system.requires.
build_requirements() { sed -n 's/^requires = \[\(.*\)\]$/\1/p' "$root/pyproject.toml" | tr -d '",'; }

# Makes build/python-env: Debian's Python and its packages, and what builds the extension, from the package index.
# Where that cannot be done, fails and leaves the reason in python_problem.
prepare_python() {
  local groups=(wheel python) base=/usr/bin/python3 requirements log=$root/build/python-env.log
  if [[ -n ${CI:-} ]]; then groups+=(torch); fi
  setup "${groups[@]}"
  if [[ ! -x $base ]]; then base=python3; fi
  if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2> /dev/null; then
    python_problem="the Python package needs Python 3.10 or later, and $base is $("$base" --version 2>&1 || true)"
    return 1
  fi
  requirements=$(build_requirements)
  [[ $(cat "$python_env/requirements" 2> /dev/null) != "$requirements" ]] || return 0
  say "Making the virtual environment build/python-env, with $requirements …"
  mkdir -p "$root/build"
  # shellcheck disable=SC2086  # the requirements are words
  if ! { "$base" -m venv --clear --system-site-packages "$python_env" &&
    "$python_env/bin/python" -m pip install --disable-pip-version-check $requirements; } > "$log" 2>&1; then
    grep -E '^ERROR' "$log" | tail -n 2 >&2 || tail -n 5 "$log" >&2
    python_problem="the Python package's build tools ($requirements) could not be installed from the package index
(whole output: build/python-env.log)"
    return 1
  fi
  printf '%s\n' "$requirements" > "$python_env/requirements"
}

# choose_python PRESET: sets python_options, which build the Python package with the presets that test it; where its
# tools cannot be had, everything else is built and tested, except in CI.
choose_python() {
  python_options=()
  case $1 in
    release | cpu | debug | emulated) ;;
    *) return 0 ;;
  esac
  if prepare_python; then
    python_options=(-DGNN_PYTHON=ON "-DPython_EXECUTABLE=$python_env/bin/python")
  elif [[ -n ${CI:-} ]]; then
    die "$python_problem"
  else
    say "Without the Python package and its tests: $python_problem."
    python_options=(-DGNN_PYTHON=OFF)
  fi
}

# build_wheel [PIP_OPTION...]: into build/dist.
build_wheel() {
  local log=$root/build/wheel.log dist=$root/build/dist nvcc wheel
  use_ccache
  # By the name that CMake finds, not the one that Python was compiled with: ccache takes them for two compilers.
  export CXX=${CXX:-c++}
  nvcc=$(find_nvcc)
  if [[ -n $nvcc ]]; then export CUDACXX=$nvcc; fi
  if [[ -n ${CI:-} ]]; then set -- --config-settings=cmake.define.GNN_WERROR=ON "$@"; fi  # as build() does
  mkdir -p "$dist"
  rm -f "$dist"/libgnn-*.whl
  say "Building the wheel …"
  # The environment is the build's, so that what is compiled twice has the same paths.
  "$python_env/bin/python" -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$dist" "$@" \
    "$root" > "$log" 2>&1 || { tail -n 40 "$log" >&2 && die "building the wheel failed (whole output: build/wheel.log)"; }
  wheel=$(find "$dist" -name 'libgnn-*.whl')
  say "build/dist/${wheel##*/}: $(stat --format=%s "$wheel" | numfmt --to=si --suffix=B)"
  printf '%s\n' "$wheel"
}
