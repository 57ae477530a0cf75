"""Faster, slower or no difference: two runs of a benchmark, each with its repetitions.

The rule is the exact two-sided test of Mann and Whitney ("On a test of whether one of two random variables is
stochastically larger than the other", Annals of Mathematical Statistics 18, 1947) on the repetitions' times. It assumes
no distribution, which times do not have in common but for being skewed. A difference counts when it would come about by
chance in fewer than 1 of 100 comparisons (hundreds are made at a time) and the medians differ by more than 3 %, about
what code alignment and memory layout alone can do (Mytkowicz et al., "Producing wrong data without doing anything
obviously wrong!", ASPLOS 2009). Repetitions of one run know nothing of what differs between two: so the medians must
also differ by more than the machine did, by the roof that bounds the benchmark, which both runs have measured. With
five repetitions on each side the test means that the two ranges do not overlap; four on each side can never tell.
"""

import functools
import statistics

SIGNIFICANCE = 0.01
LEAST_DIFFERENCE = 0.03


@functools.lru_cache(maxsize=None)
def orders(m, n, u):
    """In how many of the orders of m and n different values U is u (Mann and Whitney's recurrence)."""
    if u < 0 or u > m * n:
        return 0
    if m == 0 or n == 0:
        return 1
    return orders(m - 1, n, u - n) + orders(m, n - 1, u)


def p_value(a, b):
    """That of the test. Ties count half, and are rounded towards no difference."""
    u = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
    u = min(u, len(a) * len(b) - u)
    least = int(u + 0.5)
    total = sum(orders(len(a), len(b), k) for k in range(len(a) * len(b) + 1))
    return min(1.0, 2 * sum(orders(len(a), len(b), k) for k in range(least + 1)) / total)


def verdict(old, new, least=LEAST_DIFFERENCE):
    """(speed-up by the medians, verdict) of lists of times. A speed-up, or slow-down, of up to 1 + least is none."""
    ratio = statistics.median(old) / statistics.median(new)
    # What two ranges apart would give.
    if p_value(range(len(old)), range(len(old), len(old) + len(new))) > SIGNIFICANCE:
        return ratio, "too few repetitions"
    if p_value(old, new) > SIGNIFICANCE or max(ratio, 1 / ratio) <= 1 + least:
        return ratio, "no difference"
    return ratio, "faster" if ratio > 1 else "slower"


def machine_change(old, new, record):
    """By how much the roof over a benchmark differs between the reports, 0.25 for a quarter; 0 where it is not known."""
    roofs = [report["roofline"].get(record["device"], {}) for report in (old, new)]
    if record["bound"] == "compute":
        speeds = [roof.get("peak", {}).get(record["dtype"]) for roof in roofs]
    else:
        speeds = [roof.get("bandwidth", {}).get(record["level"]) for roof in roofs]
    return max(speeds) / min(speeds) - 1 if all(speeds) else 0


def compare(old, new):
    """Rows (name, old seconds, new seconds, ratio, verdict) of what both reports have; and names of only one."""
    before = {r["name"]: r for r in old["results"]}
    rows = []
    for record in new["results"]:
        other = before.pop(record["name"], None)
        if other is not None:
            least = max(LEAST_DIFFERENCE, machine_change(old, new, record))
            ratio, what = verdict(other["repetitions"], record["repetitions"], least)
            rows.append((record["name"], other["seconds"], record["seconds"], ratio, what))
    both = {row[0] for row in rows}
    return rows, [r["name"] for r in new["results"] if r["name"] not in both], sorted(before)
