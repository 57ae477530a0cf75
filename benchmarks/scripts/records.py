"""From Google Benchmark's JSON to one record per benchmark, with its place under the measured roofline."""

import re
import statistics

from common import BenchmarkError

NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
SUFFIX = re.compile(r"(/iterations:\d+)?(/repeats:\d+)?(/manual_time|/real_time)?$")
# Between these the roof is read off: the smallest level that a working set fits into.
LEVELS = ("private", "cache", "memory")


def rows_of(raw, path):
    """The repetitions in Google Benchmark's JSON, without aggregates."""
    if not isinstance(raw, dict) or not isinstance(raw.get("benchmarks"), list):
        raise BenchmarkError(f'{path}: expected Google Benchmark\'s JSON with a list "benchmarks"')
    for row in raw["benchmarks"]:
        if not isinstance(row, dict) or "name" not in row:
            raise BenchmarkError(f"{path}: a benchmark without a name")
        if row.get("run_type", "iteration") == "iteration":
            yield SUFFIX.sub("", row["name"]), row


def collect(raw, path):
    """Name: times in ns of all repetitions and counters of the last; and name: message for those that failed."""
    measured, errors = {}, {}
    for name, row in rows_of(raw, path):
        if row.get("error_occurred"):
            errors[name] = row.get("error_message", "unknown error")
            continue
        try:
            time = row["real_time"] * NANOSECONDS[row["time_unit"]]
        except (KeyError, TypeError):
            raise BenchmarkError(f"{path}: {name} has no time") from None
        entry = measured.setdefault(name, {"times": [], "row": row})
        entry["times"].append(time)
        entry["row"] = row
    return measured, errors


def roofline_of(measured):
    """Device: bandwidth in bytes/s by level, and peak in flop/s by dtype."""
    roofs = {}
    for name, entry in measured.items():
        if not name.startswith("roofline/"):
            continue
        _, what, dtype, device = name.split("/")
        roof = roofs.setdefault(device, {"bandwidth": {}, "peak": {}})
        seconds = min(entry["times"]) * 1e-9  # what the machine can do, when nothing else disturbs it
        if what == "peak":
            roof["peak"][dtype] = entry["row"]["flops"] / seconds
        else:
            level = what.rsplit("_", 1)[1]
            speed = entry["row"]["bytes"] / seconds
            roof["bandwidth"][level] = max(speed, roof["bandwidth"].get(level, 0))
    return roofs


def level_of(record, context):
    """Where the data of a call is: in memory when caches are cold, else where its working set fits."""
    if record["cache"] == "cold":
        return "memory"
    for level, key in (("private", "private_cache"), ("cache", "last_level_cache")):
        if record["working_set"] <= float(context.get(f"{key}/{record['device']}", 0)):
            return level
    return "memory"


def add_roofline(record, roof):
    """The least time on this machine: of its bytes at the level's bandwidth or its operations at peak speed."""
    speed = (roof or {}).get("bandwidth", {}).get(record["level"])
    peak = (roof or {}).get("peak", {}).get(record["dtype"])
    by_bytes = record["bytes"] / speed if speed and record["bytes"] else 0
    by_flops = record["flops"] / peak if peak and record["flops"] else 0
    least = max(by_bytes, by_flops)
    record["roofline_percent"] = 100 * least / record["seconds"] if least else None
    record["bound"] = None if not least else "memory" if by_bytes >= by_flops else "compute"


def records_of(raw, path="gnn_bench's output"):
    """The report: context, roofline, results and errors."""
    measured, errors = collect(raw, path)
    context = raw.get("context", {})
    roofs = roofline_of(measured)
    results, baselines = [], {}
    for name, entry in measured.items():
        parts = name.split("/")
        if parts[0] == "roofline":
            continue
        if len(parts) == 7:
            baselines.setdefault("/".join(parts[:6]), {})[parts[6]] = statistics.median(entry["times"]) * 1e-9
            continue
        if len(parts) != 6:
            raise BenchmarkError(f'{path}: expected OP/CASE/DTYPE/DEVICE/DIRECTION/CACHE, got "{name}"')
        seconds = [t * 1e-9 for t in entry["times"]]
        record = dict(zip(("op", "case", "dtype", "device", "direction", "cache"), parts))
        record.update(
            name=name,
            seconds=statistics.median(seconds),
            seconds_min=min(seconds),
            seconds_max=max(seconds),
            repetitions=seconds,
            bytes=entry["row"].get("bytes", 0),
            flops=entry["row"].get("flops", 0),
            working_set=entry["row"].get("working_set", 0),
        )
        record["level"] = level_of(record, context)
        record["bytes_per_second"] = record["bytes"] / record["seconds"]
        record["flop_per_second"] = record["flops"] / record["seconds"]
        add_roofline(record, roofs.get(record["device"]))
        results.append(record)
    for record in results:
        record["baselines"] = baselines.get(record["name"], {})
    return {"context": context, "roofline": roofs, "results": results, "errors": errors}


def add_torch(report, lines):
    """From lines NAME<tab>NANOSECONDS of torch_bench.py."""
    times = {}
    for line in lines:
        name, tab, time = line.partition("\t")
        if tab:
            times[name] = float(time) * 1e-9
    for record in report["results"]:
        if record["name"] in times:
            record["baselines"]["PyTorch"] = times[record["name"]]


def check_report(report, path):
    """A file that --json wrote."""
    results = report.get("results") if isinstance(report, dict) else None
    needed = ("name", "seconds", "repetitions", "device", "dtype", "level", "bound")
    if (
        not isinstance(results, list)
        or not all(isinstance(r, dict) and all(k in r for k in needed) for r in results)
        or not all(isinstance(report.get(k), dict) for k in ("machine", "context", "roofline", "errors"))
    ):
        raise BenchmarkError(f"{path}: expected a file that ./dev bench --json wrote")
    return report
