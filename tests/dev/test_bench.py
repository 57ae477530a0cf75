"""Tests of the scripts behind ./dev bench, without measuring anything: a program acts as gnn_bench."""

import json
import os
import re
import sys
import unittest
import xml.dom.minidom

from bench_scripts import Scripts, common, kernels, write_program

import page
import records
import table
import verdict

CONTEXT = {
    "threads": "2",
    "last_level_cache/cpu": "1000000",
    "private_cache/cpu": "100000",
}


def row(name, time, **counters):
    return {"name": name, "run_type": "iteration", "real_time": time, "time_unit": "ns", **counters}


def rows(name, times, **counters):
    return [row(name, time, **counters) for time in times]


def google_benchmark(*groups):
    """Its JSON. The roofline: 100, 20 and 10 GB/s and 50 GFLOP/s in float32."""
    roofline = []
    for level, time in (("private", 10), ("cache", 50), ("memory", 100)):
        # The fastest kernel and repetition count.
        roofline += rows(f"roofline/bandwidth_read_{level}/float32/cpu/manual_time", (2 * time, 3 * time), bytes=1000)
        roofline += rows(f"roofline/bandwidth_triad_{level}/float32/cpu/manual_time", (time, 4 * time), bytes=1000)
    roofline += rows("roofline/peak/float32/cpu/manual_time", (100, 130), flops=5000)
    aggregate = dict(row("gemm/a/float32/cpu/forward/warm/manual_time_median", 1), run_type="aggregate")
    return {"context": CONTEXT, "benchmarks": [*roofline, *(r for group in groups for r in group), aggregate]}


GEMM = "gemm/a/float32/cpu/forward/warm"
COLD = "gemm/a/float32/cpu/forward/cold"


def usual(factor=1.0):
    return google_benchmark(
        rows(
            f"{GEMM}/manual_time",
            [factor * t for t in (1000, 980, 1010, 990, 1100)],
            bytes=4000,
            flops=25000,
            working_set=50000,
        ),
        rows(
            f"{COLD}/iterations:5/manual_time",
            [factor * t for t in (4000, 4001, 4002, 4003, 4004)],
            bytes=4000,
            flops=200,
            working_set=50000,
        ),
        rows(f"{GEMM}/OpenBLAS/manual_time", (500, 510, 490), bytes=4000, flops=25000, working_set=50000),
        rows(
            "relu/b/float32/cpu/forward/warm/manual_time",
            [factor * t for t in (100, 101, 102, 103, 104)],
            bytes=2000,
            working_set=5000000,
        ),
    )


class Common(unittest.TestCase):
    def test_busy_cores(self):
        busy = common.busy_cores(0.05)
        self.assertTrue(busy is None or 0 <= busy <= os.cpu_count())
        self.assertNotIn("LITTLE", common.busy_text(0.1))


class Records(unittest.TestCase):
    def setUp(self):
        self.report = records.records_of(usual())
        self.by_name = {r["name"]: r for r in self.report["results"]}

    def test_roofline_is_the_fastest_of_all_kernels(self):
        roof = self.report["roofline"]["cpu"]
        self.assertEqual(
            {k: round(v / 1e9, 6) for k, v in roof["bandwidth"].items()}, {"private": 100, "cache": 20, "memory": 10}
        )
        self.assertAlmostEqual(roof["peak"]["float32"] / 1e9, 50)

    def test_median_and_spread(self):
        record = self.by_name[GEMM]
        self.assertAlmostEqual(record["seconds"], 1e-6)
        self.assertAlmostEqual(record["seconds_min"], 0.98e-6)
        self.assertEqual(len(record["repetitions"]), 5)
        self.assertEqual(table.spread(record), "±6 %")
        self.assertAlmostEqual(record["flop_per_second"] / 1e9, 25)

    def test_share_of_the_roof(self):
        warm, cold, large = (self.by_name[n] for n in (GEMM, COLD, "relu/b/float32/cpu/forward/warm"))
        # 25000 operations take 500 ns at peak speed, and 4000 bytes 40 ns from private caches.
        self.assertEqual((warm["bound"], round(warm["roofline_percent"], 3)), ("compute", 50))
        # Cold, the bytes come from memory: 400 ns of 4002.
        self.assertEqual((cold["bound"], cold["level"]), ("memory", "memory"))
        self.assertAlmostEqual(cold["roofline_percent"], 100 * 400 / 4002)
        # Too large for any cache.
        self.assertEqual(large["level"], "memory")
        self.assertAlmostEqual(large["roofline_percent"], 100 * 200 / 102)

    def test_baselines(self):
        self.assertAlmostEqual(self.by_name[GEMM]["baselines"]["OpenBLAS"], 500e-9)
        records.add_torch(self.report, [f"{GEMM}\t2000.0", "PyTorch 1: done"])
        self.assertEqual(table.baselines(self.by_name[GEMM]), "OpenBLAS 0.50, PyTorch 2.00")
        self.assertEqual(self.by_name[COLD]["baselines"], {})

    def test_table(self):
        self.report["machine"] = {"processor": "P", "date": "D", "busy_cores": 0.1, "cores": 2}
        text = table.results_text(self.report)
        line = next(li for li in text.splitlines() if li.startswith("gemm/a") and "warm" in li)
        self.assertEqual(
            re.split(r"  +", line),
            [
                "gemm/a",
                "float32",
                "cpu",
                "forward",
                "warm",
                "1 µs",
                "±6 %",
                "4 k",
                "25 k",
                "4",
                "25",
                "50",
                "peak",
                "OpenBLAS 0.50",
            ],
        )
        self.assertIn("memory 10 GB/s", "\n".join(table.heading_lines(self.report)))


class Verdict(unittest.TestCase):
    def test_p_values(self):
        self.assertAlmostEqual(verdict.p_value([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252)
        self.assertAlmostEqual(verdict.p_value([6, 7, 8], [1, 2, 3]), 2 / 20)
        # U = 2 of 5 and 5: partitions of 0, 1 and 2 into at most 5 parts of at most 5: 1 + 1 + 2.
        self.assertAlmostEqual(verdict.p_value([1, 2, 3, 4, 7], [5, 6, 8, 9, 10]), 2 * 4 / 252)
        self.assertEqual(verdict.p_value([1, 1, 1], [1, 1, 1]), 1)

    def test_verdicts(self):
        old = [1.0, 1.01, 1.02, 1.03, 1.04]
        self.assertEqual(verdict.verdict(old, [t / 2 for t in old]), (2, "faster"))
        self.assertEqual(verdict.verdict(old, [t * 2 for t in old]), (0.5, "slower"))
        self.assertEqual(verdict.verdict(old, old)[1], "no difference")
        # Apart, but by too little; far, but one repetition among the others.
        self.assertEqual(verdict.verdict([1.0, 1.001, 1.002, 1.003, 1.004], [1.01] * 5)[1], "no difference")
        self.assertEqual(verdict.verdict(old, [2, 2, 2, 2, 1.03])[1], "no difference")
        # As much as the machine itself changed.
        self.assertEqual(verdict.verdict(old, [t * 1.2 for t in old], 0.25)[1], "no difference")
        self.assertEqual(verdict.verdict(old, [t * 1.3 for t in old], 0.25)[1], "slower")
        self.assertEqual(verdict.verdict(old, [t / 1.2 for t in old], 0.25)[1], "no difference")
        self.assertEqual(verdict.verdict([1, 1.1, 1.2], [2, 2.1, 2.2])[1], "too few repetitions")
        self.assertEqual(verdict.verdict([1, 1.1, 1.2, 1.3], [2, 2.1, 2.2, 2.3])[1], "too few repetitions")

    def test_the_roof_is_the_control(self):
        old, new = records.records_of(usual()), records.records_of(usual(factor=1.1))
        new["roofline"]["cpu"]["bandwidth"]["memory"] /= 1.2
        verdicts = {row[0]: row[4] for row in verdict.compare(old, new)[0]}
        self.assertEqual(verdicts.pop(GEMM), "no difference")  # one repetition is among the old ones
        self.assertEqual(set(verdicts.values()), {"no difference"})  # memory is slower by more
        new["roofline"]["cpu"]["bandwidth"]["memory"] *= 1.2
        verdicts = {row[0]: row[4] for row in verdict.compare(old, new)[0]}
        self.assertEqual(verdicts[COLD], "slower")
        new = records.records_of(usual(factor=1.3))
        new["roofline"]["cpu"]["peak"]["float32"] *= 1.4
        self.assertEqual(verdict.compare(old, new)[0][0][4], "no difference")
        new["roofline"] = {}
        self.assertEqual(verdict.compare(old, new)[0][0][4], "slower")


class Kernels(Scripts):
    def program(self, raw, status=0):
        """It acts as gnn_bench, and leaves the filter that it was given in the file `filter`."""
        (self.folder / "raw.json").write_text(json.dumps(raw))
        return write_program(
            self.folder / "gnn_bench",
            f"""#!{sys.executable} -IS
import json, pathlib, sys
raw = pathlib.Path({str(self.folder)!r}, "raw.json").read_text()
for argument in sys.argv[1:]:
    if argument == "--benchmark_list_tests":
        rows = json.loads(raw)["benchmarks"]
        print("\\n".join(dict.fromkeys(r["name"] for r in rows if r["run_type"] == "iteration")))
        sys.exit(0)
    if argument.startswith("--benchmark_out="):
        pathlib.Path(argument.split("=", 1)[1]).write_text(raw)
    if argument.startswith("--benchmark_filter="):
        pathlib.Path({str(self.folder)!r}, "filter").write_text(argument.split("=", 1)[1])
print("{GEMM}/manual_time  1000 ns")
sys.exit({status})
""",
        )

    def bench(self, *arguments, raw=None, **more):
        return self.run_script(kernels, "--program", self.program(raw or usual()), "--no-torch", *arguments, **more)

    def bench_fails(self, *arguments, raw=None, status=0):
        return self.fails(kernels, "--program", self.program(raw or usual(), status), "--no-torch", *arguments)

    def test_files_and_comparison(self):
        files = [self.folder / name for name in ("sub/old.json", "new.json", "page.html")]
        out = self.bench("--json", files[0])[0]
        self.assertIn("OpenBLAS 0.50", out)
        self.assertIn("0.5 of its cores busy: WALL TIMES MEAN LITTLE", out)
        changed = usual(factor=0.5)
        changed["benchmarks"] += rows("tanh/c/float32/cpu/forward/warm/manual_time", [1.0] * 5, bytes=1, working_set=1)
        out = self.bench("--compare", files[0], "--json", files[1], "--html", files[2], raw=changed)[0]
        self.assertIn("3 faster", out)
        self.assertIn("1 new", out)
        again = self.run_script(kernels, "--from", files[1], "--compare", files[1])[0]
        self.assertIn("4 no difference", again)
        self.assertEqual(json.loads(files[1].read_text())["machine"]["cores"], common.cores())
        html = files[2].read_text(encoding="utf-8")
        self.check_page(html)
        self.assertIn('<td class="text faster">faster</td>', html)

    def check_page(self, html):
        """Well-formed, and nothing is loaded from elsewhere."""
        document = xml.dom.minidom.parseString(html.removeprefix("<!DOCTYPE html>\n").encode())
        self.assertEqual(document.documentElement.tagName, "html")
        self.assertEqual(len(document.getElementsByTagName("svg")), 1)
        for tag in ("script", "link", "img", "iframe"):
            self.assertEqual(document.getElementsByTagName(tag).length, 0)
        self.assertEqual(set(re.findall(r"https?://[^\"< ]*", html)), {"http://www.w3.org/2000/svg"})
        return document

    def test_points_lie_under_their_roof(self):
        report = records.records_of(usual())
        axis = page.LogAxis(0.5, 200, 0, 300)
        self.assertEqual(axis.ticks(), [0.1, 1, 10, 100, 1000])
        self.assertAlmostEqual(axis(10), 150)
        plot = page.roofline_plot(report, "cpu", "float32")
        dots = [c for c in xml.dom.minidom.parseString(plot).getElementsByTagName("circle") if c.childNodes]
        self.assertEqual(len(dots), 2)  # relu counts no operations
        self.assertIn("50 % of roof", dots[0].firstChild.firstChild.data)
        self.assertIsNone(page.roofline_plot(report, "cpu", "float64"))

    def test_names_are_escaped(self):
        raw = google_benchmark(
            rows('op/<&"\x01>/float32/cpu/forward/warm/manual_time', [1] * 5, bytes=1, flops=1, working_set=1)
        )
        self.bench("--html", self.folder / "page.html", raw=raw)
        document = self.check_page((self.folder / "page.html").read_text(encoding="utf-8"))
        self.assertIn('op/<&"\ufffd>', [c.firstChild.data for c in document.getElementsByTagName("td") if c.firstChild])

    def test_filter(self):
        self.bench("--filter", "relu|cold")
        pattern = (self.folder / "filter").read_text()
        chosen = [r["name"] for r in usual()["benchmarks"] if re.search(pattern, r["name"])]
        self.assertEqual({n.split("/")[0] for n in chosen}, {"roofline", "gemm", "relu"})
        self.assertNotIn(f"{GEMM}/manual_time", chosen)
        self.assertEqual(self.bench("--list", "--filter", "^relu/")[0], "relu/b/float32/cpu/forward/warm\n")
        self.assertIn("--filter xyz: no benchmark has such a name", self.bench_fails("--filter", "xyz"))
        self.assertIn("--filter (: not a regular expression", self.bench_fails("--filter", "("))
        self.assertIn("no benchmark", self.bench_fails("--dtype", "float64", "--filter", "roofline"))

    def test_dtype_keeps_cases_that_have_one_only(self):
        raw = google_benchmark(
            *(
                rows(f"{n}/cpu/forward/warm/manual_time", [1.0] * 5)
                for n in ("a/x/float32", "a/x/float64", "b/y/float64", "c/y/float32")
            )
        )
        listed = [name.split("/cpu")[0] for name in self.bench("--list", raw=raw)[0].split()]
        self.assertEqual(listed, ["a/x/float32", "b/y/float64", "c/y/float32"])
        self.assertEqual(len(self.bench("--list", "--dtype", "all", raw=raw)[0].split()), 4)

    def test_a_wrong_result_fails(self):
        raw = usual()
        raw["benchmarks"].append(
            dict(
                row("elu/w/float32/cpu/forward/warm/manual_time", 0),
                error_occurred=True,
                error_message="wrong result: element 3",
            )
        )
        raw["benchmarks"][-1].pop("real_time")
        out, err = self.bench("--html", self.folder / "page.html", raw=raw, status=1)
        self.assertIn(GEMM.split("/warm")[0].split("/float")[0], out)  # the others are shown
        self.assertIn("elu/w/float32/cpu/forward/warm: wrong result: element 3", err)
        self.assertIn("dev bench: 1 benchmark(s) failed: elu/w/", err)
        self.assertIn("wrong result: element 3", (self.folder / "page.html").read_text())

    def test_errors(self):
        broken, other = self.folder / "broken.json", self.folder / "other.json"
        broken.write_text("{")
        other.write_text("[1, 2]")
        missing = self.folder / "missing.json"
        for option in ("--compare", "--from"):
            self.assertIn(f"cannot read {missing}: No such file", self.bench_fails(option, missing))
            self.assertIn(f"{broken} is not JSON", self.bench_fails(option, broken))
            self.assertIn("expected a file that ./dev bench --json wrote", self.bench_fails(option, other))
        self.assertIn("cannot write", self.bench_fails("--json", broken / "below"))
        self.assertIn("gnn_bench ended with status 3", self.bench_fails(status=3))
        self.assertIn("cannot start", self.fails(kernels, "--program", self.folder / "none", "--no-torch"))
        self.assertIn("expected at least 1, got 0", self.bench_fails("--repetitions", "0"))
        self.assertIn('a list "benchmarks"', str(self.error_of([])))
        self.assertIn("without a name", str(self.error_of({"benchmarks": [{}]})))
        self.assertIn("has no time", str(self.error_of({"benchmarks": [{"name": "a/b"}]})))
        self.assertIn("expected OP/CASE", str(self.error_of({"benchmarks": [row("a/b", 1)]})))

    def error_of(self, raw):
        with self.assertRaises(common.BenchmarkError) as raised:
            records.records_of(raw)
        return raised.exception


if __name__ == "__main__":
    unittest.main()
