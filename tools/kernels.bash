# Sourced by ./dev: what the compiled CUDA kernels use.

# Prints a table of the kernels that the preset cuda has compiled; fails for stack and spills that
# kernels/stack_use.txt does not allow.
kernel_table() {
  local build=$root/build/cuda/CMakeFiles/gnn.dir source logs=()
  while read -r source; do
    logs+=("$build/$source.o.ptxas")
    [[ -s ${logs[-1]} ]] || die "${logs[-1]} is missing; remove build/cuda and try again"
  done < <(cd "$root" && printf '%s\n' core/*.cu kernels/*.cu)
  {
    # The objects have the PTX as text, and only that has __launch_bounds__ (.maxntid).
    grep -haoE '\.entry [A-Za-z0-9_$]+|^\.maxntid [0-9, ]+' "${logs[@]%.ptxas}"
    cat "${logs[@]}"
  } | c++filt | awk -v allowed="$root/kernels/stack_use.txt" -f "$root/tools/kernels.awk"
}
