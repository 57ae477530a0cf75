# Reads launch bounds and the logs of ptxas -v, demangled; prints what each kernel uses on each architecture, and
# fails for stack and spills that the file `allowed` does not list. Works with mawk.

# gnn::kernels::(anonymous namespace)::f<float, (Op)1>(float const*) -> f<float,(Op)1>
function short_name(name,    i, depth, c) {
  gsub(/gnn::|kernels::|\(anonymous namespace\)::/, "", name)
  sub(/^void /, "", name)
  for (i = 1; i <= length(name); ++i) {  # the parameter list opens outside of all <>
    c = substr(name, i, 1)
    if (c == "<") ++depth
    if (c == ">") --depth
    if (c == "(" && depth == 0) break
  }
  name = substr(name, 1, i - 1)
  gsub(/ /, "", name)
  return name
}

# A shell pattern (* alone is special) as a regular expression.
function to_regex(pattern) {
  gsub(/[.+?()\[\]{}|^$\\]/, "[&]", pattern)
  gsub(/\[\\\]/, "\\\\", pattern)
  gsub(/\[\^\]/, "\\^", pattern)
  gsub(/\*/, ".*", pattern)
  return "^" pattern "$"
}

function up(value, step) { return int((value + step - 1) / step) * step }

function min(a, b) { return a < b ? a : b }

# Share of a multiprocessor's warps that can be resident; the limits are those of the CUDA programming guide.
function occupancy(arch, block, registers, shared,    warps, shared_limit, blocks) {
  if (arch != "sm_80" && arch != "sm_90") return "?"
  shared_limit = (arch == "sm_80" ? 164 : 228) * 1024
  warps = up(block, 32) / 32
  blocks = min(32, int(64 / warps))
  # Registers are given out by 256 to a warp, and a quarter of them belongs to each scheduler.
  if (registers > 0) blocks = min(blocks, int(int(65536 / 4 / up(registers * 32, 256)) * 4 / warps))
  blocks = min(blocks, int(shared_limit / (up(shared, 128) + 1024)))  # 1 KiB of each block is the system's
  return sprintf("%d %%", 100 * blocks * warps / 64)
}

BEGIN {
  while ((getline line < allowed) > 0) {
    if (line ~ /^#/ || line ~ /^ *$/) continue
    split(line, field)
    ++rules
    rule_stack[rules] = field[1]
    rule_spills[rules] = field[2]
    rule_text[rules] = field[3]
    rule[rules] = to_regex(field[3])
  }
}

/^\.entry / { sub(/^\.entry /, ""); name = short_name($0); next }
/^\.maxntid / {
  sub(/^\.maxntid /, "")
  split($0, extent, ",")
  threads = 1
  for (i in extent) threads *= extent[i]
  block[name] = threads
  next
}
/Compiling entry function/ {
  split($0, quoted, "'")
  name = short_name(quoted[2])
  arch = quoted[4]
  stack = stores = loads = 0
  next
}
# Of the kernel itself, then of each function that was not inlined.
/bytes stack frame/ {
  stack += $1
  stores += $5
  loads += $9
  next
}
/: Used [0-9]+ registers/ {
  match($0, /Used [0-9]+/)
  registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
  shared = 0
  if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART, RLENGTH - 11) + 0
  key = name "\t" arch
  if (key in seen) next  # the same template in several sources
  seen[key] = 1
  ++count[arch]
  mark = " "
  if (stack > 0 || stores > 0 || loads > 0) {
    mark = "!"
    for (r = 1; r <= rules; ++r) {
      if (name ~ rule[r] && stack <= rule_stack[r] && stores <= rule_spills[r] && loads <= rule_spills[r]) {
        used[r] = 1
        mark = "*"
      }
    }
    if (mark == "!") ++too_much
  }
  rows[++lines] = sprintf("%s\t%-5s %5d %4d %6d %6d %6d %6d%s %7s  %s", name, arch, (name in block) ? block[name] : 256,
    registers, shared, stack, stores, loads, mark,
    occupancy(arch, (name in block) ? block[name] : 256, registers, shared), name ((name in block) ? "" : "  [no bounds]"))
}
END {
  printf "%-5s %5s %4s %6s %6s %6s %6s  %7s  %s\n", "arch", "block", "regs", "shared", "stack", "spill", "spill", "occu-", "kernel"
  printf "%-5s %5s %4s %6s %6s %6s %6s  %7s\n", "", "", "", "bytes", "bytes", "stores", "loads", "pancy"
  fflush()
  sorter = "sort -t '\t' -k 1,1 -s | cut -f 2-"
  for (i = 1; i <= lines; ++i) print rows[i] | sorter
  close(sorter)
  print ""
  for (arch in count) printf "%d kernels on %s. ", count[arch], arch
  print "block: __launch_bounds__, or 256 where there are none: what every such kernel is"
  print "launched with. shared: static; what is dynamic is an argument of launch(). *: allowed by kernels/stack_use.txt."
  for (r = 1; r <= rules; ++r) {
    if (!(r in used)) {
      printf "kernels/stack_use.txt: no kernel needs the line \"%s\"; remove it\n", rule_text[r]
      failed = 1
    }
  }
  if (too_much > 0) {
    printf "%d kernels use stack or spill registers (!): remove the cause, or list them in kernels/stack_use.txt\n", too_much
    failed = 1
  }
  if (lines == 0) {
    print "there are no kernels"
    failed = 1
  }
  exit failed
}
