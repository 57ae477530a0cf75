"""The kernel benchmarks' tables as text."""

from common import busy_text


def duration(seconds):
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def amount(count):
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.3g}"


def spread(record):
    """Half of what lies between the least and the largest repetition, of the median."""
    return f"±{50 * (record['seconds_max'] - record['seconds_min']) / record['seconds']:.0f} %"


def giga(per_second):
    return f"{per_second / 1e9:.3g}" if per_second else ""


def baselines(record):
    """libgnn's speed over theirs: above 1 libgnn is faster."""
    return ", ".join(f"{name} {seconds / record['seconds']:.2f}" for name, seconds in record["baselines"].items())


COLUMNS = (
    ("benchmark", lambda r: f"{r['op']}/{r['case']}"),
    ("dtype", lambda r: r["dtype"]),
    ("device", lambda r: r["device"]),
    ("direction", lambda r: r["direction"]),
    ("cache", lambda r: r["cache"]),
    ("time", lambda r: duration(r["seconds"])),
    ("spread", spread),
    ("bytes", lambda r: amount(r["bytes"])),
    ("flops", lambda r: amount(r["flops"]) if r["flops"] else ""),
    ("GB/s", lambda r: giga(r["bytes_per_second"])),
    ("GFLOP/s", lambda r: giga(r["flop_per_second"])),
    ("% of roof", lambda r: "" if r["roofline_percent"] is None else f"{r['roofline_percent']:.0f}"),
    ("roof", lambda r: {"memory": r["level"], "compute": "peak"}.get(r["bound"], "")),
    ("libgnn faster than", baselines),
)
LEGEND = (
    "Time: median of the repetitions; spread: half the range. Bytes that must move: inputs once, the output once, and "
    "backward the cotangent, the inputs again and the gradients; floating-point operations of the definition, "
    "backward counted as twice forward (convolutions by transforms do fewer, and may be above 100 %). % of roof: the "
    "least time at the bandwidth of the level that holds the data (private: the cores' own caches; cache: the last "
    "level; memory), or at peak speed (peak), over the measured time. Warm: calls follow one another; cold: before "
    "each, a buffer of twice the last-level cache is walked, untimed. libgnn faster than: their time over libgnn's."
)


def cells(results):
    return [[column(record) for _, column in COLUMNS] for record in results]


def columns_text(header, rows, left):
    """Aligned; the first `left` columns to the left."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, *rows]:
        parts = (cell.ljust(w) if i in left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def results_text(report):
    left = (0, 1, 2, 3, 4, 12, 13)
    return columns_text([name for name, _ in COLUMNS], cells(report["results"]), left)


def roofline_lines(report):
    for device, roof in report["roofline"].items():
        speeds = ", ".join(f"{level} {speed / 1e9:.3g} GB/s" for level, speed in roof["bandwidth"].items())
        peaks = ", ".join(f"{dtype} {peak / 1e9:.4g} GFLOP/s" for dtype, peak in roof["peak"].items())
        yield f"Roofline of {device}, measured in this run: bandwidth: {speeds}; peak: {peaks}"


def heading_lines(report):
    machine, context = report["machine"], report["context"]
    yield f"libgnn's kernels on {machine['processor']}, {context.get('threads', '?')} thread(s), {machine['date']}"
    for device in sorted(key for key in context if key.startswith("cuda:")):
        yield f"{device}: {context[device]}; clocks: {machine.get('gpu_clocks') or 'not known (no nvidia-smi)'}"
    yield f"{machine['cores']} cores; {busy_text(machine['busy_cores'])}"
    yield from roofline_lines(report)


def comparison_text(rows, only_new, only_old):
    table = [[n, duration(a), duration(b), f"{ratio:.2f}", what] for n, a, b, ratio, what in rows]
    counts = {what: sum(row[4] == what for row in rows) for what in dict.fromkeys(row[4] for row in rows)}
    lines = [columns_text(["benchmark", "before", "now", "before/now", "verdict"], table, (0, 4))] if rows else []
    lines.append(", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing is in both")
    for names, where in ((only_new, "new"), (only_old, "gone, or not asked for")):
        if names:
            lines.append(f"{len(names)} {where}")
    return "\n".join(lines)
