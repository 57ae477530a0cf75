"""A page of the kernel benchmarks: a roofline plot for each device and dtype, and the tables. Nothing is loaded."""

import html as escaping
import math

import table
from svg import Picture, clean

STYLE = """
body { font: 14px/1.45 Helvetica, Arial, sans-serif; color: #1f2933; max-width: 1240px; }
body { margin: 24px auto; padding: 0 16px; }
table { border-collapse: collapse; font-size: 12px; margin: 12px 0; }
th, td { padding: 3px 8px; border-bottom: 1px solid #e4e7eb; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
th { background: #f5f7fa; position: sticky; top: 0; }
.slower, .error { color: #b42318; font-weight: bold; } .faster { color: #0f766e; font-weight: bold; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
"""


def text(content):
    return escaping.escape(clean(content))


class LogAxis:
    """Maps [low, high], widened to powers of ten, to pixels."""

    def __init__(self, low, high, begin, end):
        self.low, self.high = math.floor(math.log10(low)), math.ceil(math.log10(high))
        self.high = max(self.high, self.low + 1)
        self.begin, self.end = begin, end

    def __call__(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def roofline_plot(report, device, dtype):
    """Speed over arithmetic intensity; None without a roof or benchmarks that count operations."""
    roof = report["roofline"].get(device, {})
    peak = roof.get("peak", {}).get(dtype)
    speeds = roof.get("bandwidth", {})
    points = [
        r for r in report["results"] if (r["device"], r["dtype"]) == (device, dtype) and r["flops"] and r["bytes"]
    ]
    if not peak or not speeds or not points:
        return None
    width, height, left, right, top, bottom = 1080, 560, 70, 250, 50, 60
    intensities = [r["flops"] / r["bytes"] for r in points] + [peak / s for s in speeds.values()]
    achieved = [r["flop_per_second"] / 1e9 for r in points] + [peak / 1e9]
    x = LogAxis(min(intensities) / 1.5, max(intensities) * 1.5, left, width - right)
    y = LogAxis(min(achieved) / 1.5, max(achieved) * 1.5, height - bottom, top)
    image = Picture(width, height)
    image.text(left, 26, f"{device}, {dtype}: speed against arithmetic intensity", size=16, bold=True)
    for tick in x.ticks():
        image.line(x(tick), top, x(tick), height - bottom, "#e4e7eb")
        image.text(x(tick), height - bottom + 18, f"{tick:g}", size=11, anchor="middle", color="#52606d")
    for tick in y.ticks():
        image.line(left, y(tick), width - right, y(tick), "#e4e7eb")
        image.text(left - 8, y(tick) + 4, f"{tick:g}", size=11, anchor="end", color="#52606d")
    image.text((left + width - right) / 2, height - 16, "operations per byte that must move", anchor="middle")
    image.text(20, (top + height - bottom) / 2, "GFLOP/s", anchor="middle", rotate=-90)
    draw_roofs(image, x, y, peak, speeds)
    draw_points(image, x, y, points, width - right + 24, top)
    return image.svg()


def draw_roofs(image, x, y, peak, speeds):
    lowest, highest = 10.0**x.low, 10.0**x.high
    knees = []
    levels = sorted(speeds.items(), key=lambda item: -item[1])
    # Speeds may be close: labels lie at different places, the last one below its line.
    for (level, speed), dash, share, lift in zip(levels, ("", "7 4", "2 4"), (0.25, 0.55, 0.25), (-6, -6, 14)):
        knee = min(max(peak / speed, lowest), highest)
        knees.append(knee)
        # The line leaves the plot at the bottom where the intensity is too low for it.
        begin = max(lowest, 10.0**y.low * 1e9 / speed)
        image.line(x(begin), y(begin * speed / 1e9), x(knee), y(knee * speed / 1e9), "#1f2933", 1.5, dash)
        name = {"private": "cores' own caches", "cache": "last-level cache"}.get(level, level)
        at = begin * (knee / begin) ** share
        slope = math.degrees(math.atan2(y(10.0**y.low) - y(10.0 ** (y.low + 1)), x(10.0 ** (x.low + 1)) - x(lowest)))
        label = f"{name} {speed / 1e9:.3g} GB/s"
        image.text(x(at), y(at * speed / 1e9) + lift, label, size=11, color="#52606d", rotate=-slope)
    image.line(x(min(knees)), y(peak / 1e9), x(highest), y(peak / 1e9), "#1f2933", 1.5)
    image.text(
        x(highest) - 4, y(peak / 1e9) - 7, f"peak {peak / 1e9:.4g} GFLOP/s", size=11, anchor="end", color="#52606d"
    )


def color_of(index, count):
    """Hues around the circle, alternately dark and light."""
    return f"hsl({360 * index / count:.0f}, 70%, {30 if index % 2 else 48}%)"


def draw_points(image, x, y, points, legend_x, legend_y):
    ops = list(dict.fromkeys(r["op"] for r in points))
    for r in points:
        color = color_of(ops.index(r["op"]), len(ops))
        roof = "" if r["roofline_percent"] is None else f", {r['roofline_percent']:.0f} % of roof"
        title = f"{r['name']}: {table.duration(r['seconds'])}, {r['flop_per_second'] / 1e9:.3g} GFLOP/s{roof}"
        image.circle(
            x(r["flops"] / r["bytes"]), y(r["flop_per_second"] / 1e9), 4.5, color, title, hollow=r["cache"] == "cold"
        )
    for index, op in enumerate(ops):
        image.circle(legend_x, legend_y + 20 * index, 4.5, color_of(index, len(ops)))
        image.text(legend_x + 12, legend_y + 20 * index + 4, op)
    below = legend_y + 20 * len(ops) + 10
    image.circle(legend_x, below, 4.5, "#52606d", hollow=True)
    image.text(legend_x + 12, below + 4, "cold caches (full: warm)", size=11, color="#52606d")


def html_table(header, rows, left=(), classes=None):
    """`classes`: a function from a cell to its class."""

    def cell(tag, index, content):
        names = ["text"] if index in left else []
        if tag == "td" and classes and classes(content):
            names.append(classes(content))
        attribute = f' class="{" ".join(names)}"' if names else ""
        return f"<{tag}{attribute}>{text(content)}</{tag}>"

    lines = ["<tr>" + "".join(cell("th", i, c) for i, c in enumerate(header)) + "</tr>"]
    lines += ["<tr>" + "".join(cell("td", i, c) for i, c in enumerate(row)) + "</tr>" for row in rows]
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def html(report, compared=None):
    parts = ["<h1>libgnn: kernel benchmarks</h1>"]
    parts += [f"<p>{text(line)}</p>" for line in table.heading_lines(report)]
    if report["errors"]:
        parts.append('<p class="error">Failed; their figures are missing:</p>')
        parts.append(html_table(["benchmark", "error"], report["errors"].items(), left=(0, 1)))
    for device in report["roofline"]:
        for dtype in ("float32", "float64"):
            plot = roofline_plot(report, device, dtype)
            if plot:
                parts.append(plot)
    if compared:
        rows, only_new, only_old = compared
        parts.append("<h2>Compared with the run before</h2>")
        body = [
            [n, table.duration(a), table.duration(b), f"{ratio:.2f}", what]
            for n, a, b, ratio, what in sorted(rows, key=lambda row: row[3])
        ]
        verdicts = {"faster": "faster", "slower": "slower"}
        parts.append(html_table(["benchmark", "before", "now", "before/now", "verdict"], body, (4,), verdicts.get))
        parts.append(f"<p>{len(only_new)} new, {len(only_old)} gone or not asked for.</p>")
    parts.append("<h2>Results</h2>")
    header = [name for name, _ in table.COLUMNS]
    parts.append(html_table(header, table.cells(report["results"]), (0, 1, 2, 3, 4, 12, 13)))
    parts.append(f"<p>{text(table.LEGEND)}</p>")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"/><title>libgnn: kernel benchmarks</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )
