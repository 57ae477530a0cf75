# Sourced by ./dev: finds and downloads data sets.

# The four canonical files of MNIST, the smallest first, their SHA-256 and where they are.
mnist_files=()
declare -A mnist_sha256=()
mnist_mirrors=""
while read -r what where sum; do
  case $what in
    file) mnist_files+=("$where") && mnist_sha256[$where]=$sum ;;
    mirror) mnist_mirrors+="$where " ;;
  esac
done < "$root/python/libgnn/utils/mnist.txt"

# Mirrors are tried side by side, so this is also how long it takes to find out that none can be reached.
mirror_seconds=8

cache_dir() { printf '%s/libgnn\n' "${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}"; }

# has_idx_files DIR: whether the four files are there, plain or gzip, under the names that load_mnist() takes.
has_idx_files() {
  local name file
  for name in "${mnist_files[@]}"; do
    for file in "$1/$name" "$1/$name.gz" "$1/${name/-idx/.idx}" "$1/${name/-idx/.idx}.gz"; do
      [[ -f $file ]] && continue 2
    done
    return 1
  done
}

# find_data_set NAME: prints the first folder that has it.
find_data_set() {
  local dir
  for dir in ${GNN_DATA_DIR:+"$GNN_DATA_DIR/$1"} "$(cache_dir)/$1"; do
    if has_idx_files "$dir"; then
      printf '%s\n' "$dir"
      return
    fi
  done
  return 1
}

find_mnist() { find_data_set mnist; }

# fetch URL FILE [CURL_OPTION...]
fetch() {
  local url=$1 file=$2
  shift 2
  curl --fail --location --silent --show-error --connect-timeout "$mirror_seconds" "$@" --output "$file" "$url"
}

# is_mnist NAME FILE: whether FILE is the canonical NAME.gz.
is_mnist() { [[ $(sha256sum < "$2") == "${mnist_sha256[$1]}  -" ]]; }

# Downloads the four files into the cache folder. They get their names there when the SHA-256 of all is right; what
# was interrupted is thrown away. Fails when no mirror has them, within `mirror_seconds` when none can be reached.
download_mnist() {
  local target mirrors=() work smallest=${mnist_files[0]}
  target=$(cache_dir)/mnist
  read -r -d '' -a mirrors <<< "${GNN_MNIST_MIRRORS:-$mnist_mirrors}" || true
  mkdir -p "$target" || return 1
  # In the target's folder, so that moving a file into place is atomic. The subshell removes it however it ends.
  work=$(mktemp -d "$target/.download.XXXXXX") || return 1
  (
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    say "Looking for MNIST on ${#mirrors[@]} mirrors …"
    local i usable=() pids=()
    for i in "${!mirrors[@]}"; do
      fetch "${mirrors[i]}/$smallest.gz" "$work/try.$i" --max-time "$mirror_seconds" 2> "$work/error.$i" &
      pids+=($!)
    done
    for i in "${!mirrors[@]}"; do
      if ! wait "${pids[i]}"; then
        say "  ${mirrors[i]}: $(tail -n 1 "$work/error.$i")"
      elif ! is_mnist "$smallest" "$work/try.$i"; then
        say "  ${mirrors[i]}: not MNIST (wrong SHA-256)"
      else
        usable+=("${mirrors[i]}")
      fi
    done
    ((${#usable[@]})) || exit 1
    local name
    for name in "${mnist_files[@]}"; do
      download_mnist_file "$name" "$work" "${usable[@]}" || exit 1
    done
    mv -f "$work"/*-ubyte.gz "$target/" || exit 1
    say "MNIST is in $target"
  )
}

# download_mnist_file NAME FOLDER MIRROR...: NAME.gz from the first mirror that has it right.
download_mnist_file() {
  local name=$1 file=$2/$1.gz mirror progress=()
  shift 2
  if [[ -t 2 ]]; then progress=(--no-silent --progress-bar); fi
  for mirror in "$@"; do
    say "  $mirror/$name.gz"
    # A connection that stalls is given up; a slow one is not.
    if ! fetch "$mirror/$name.gz" "$file" --speed-limit 1000 --speed-time 20 "${progress[@]}"; then
      continue
    elif is_mnist "$name" "$file"; then
      return
    fi
    say "  wrong SHA-256: thrown away"
  done
  say "  no mirror has $name.gz"
  return 1
}

# Sets `fashion_mnist_dir`; installs Debian's package when the data set is nowhere.
get_fashion_mnist() {
  if fashion_mnist_dir=$(find_data_set fashion-mnist); then return; fi
  fashion_mnist_dir=/usr/share/datasets/fashion-mnist
  has_idx_files "$fashion_mnist_dir" && return
  setup fashion-mnist
  has_idx_files "$fashion_mnist_dir" || die "Fashion-MNIST is not in $fashion_mnist_dir; give a folder with --data"
}
