"""Tables and the picture of `./dev bench train`."""

import textwrap

from common import ROOT, BenchmarkError, busy_text, write_text
from svg import Picture

NAMES = {"lenet": "LeNet (Caffe)", "lenet5": "LeNet-5", "mlp": "MLP 784-512-256-10", "cifar": "CIFAR net"}
MODES = {"train": "training", "inference": "inference"}
BEGIN, END = "<!-- ./dev bench train --readme: begin -->", "<!-- end -->"


def heading(facts):
    return (
        f"libgnn {facts['libgnn_version']} and PyTorch {facts['pytorch_version']} on {facts['machine']}, "
        f"{facts['date']}; {facts['rounds']} rounds in turn; {busy_text(facts['busy_cores'])}\n\n"
        f"{'net':<20}{'batch':>6}{'threads':>8}  {'mode':<10}{'PyTorch layout':<15}{'clock':<6}"
        f"{'libgnn img/s':>13}{'PyTorch img/s':>14}{'ratio':>8}  min … max"
    )


def line(r):
    return (
        f"{NAMES[r['net']]:<20}{r['batch']:>6}{r['threads']:>8}  {MODES[r['mode']]:<10}{r['layout']:<15}{r['clock']:<6}"
        f"{r['libgnn_images_per_second']:>13,.0f}{r['pytorch_images_per_second']:>14,.0f}{r['ratio']:>8.2f}"
        f"  {r['ratio_min']:.2f} … {r['ratio_max']:.2f}"
    )


def size(count):
    return "not known" if count is None else f"{count / 1e6:,.1f} MB"


def facts_rows(facts):
    """What, libgnn's, PyTorch's."""
    yield (
        "start to ready (import torch)",
        f"{facts['libgnn_start_seconds'] * 1e3:.0f} ms",
        f"{facts['pytorch_start_seconds'] * 1e3:.0f} ms",
    )
    yield (
        "start to the end of the first training step (LeNet, batch 64)",
        f"{facts['libgnn_first_step_seconds'] * 1e3:.0f} ms",
        f"{facts['pytorch_first_step_seconds'] * 1e3:.0f} ms",
    )
    yield (
        "peak memory of that process",
        size(facts["libgnn_first_step_peak_memory"]),
        size(facts["pytorch_first_step_peak_memory"]),
    )
    library = f", library {size(facts['libgnn_library_bytes'])}" if facts["libgnn_library_bytes"] else ""
    yield (
        "size of the program / of the package torch",
        f"{size(facts['libgnn_program_bytes'])}{library}",
        size(facts["pytorch_bytes"]),
    )
    mnist = facts.get("mnist")
    for entry in mnist if isinstance(mnist, list) else ():
        what = f"LeNet on MNIST, batch 64, {entry['threads']} thread" + ("s" if entry["threads"] > 1 else "")
        for key, label in (("epoch_seconds", "an epoch"), ("seconds_to_98", "to 98 %"), ("seconds_to_99", "to 99 %")):
            if f"libgnn_{key}" in entry:
                values = (entry[f"{name}_{key}"] for name in ("libgnn", "pytorch"))
                yield (f"{what}: {label}", *("not reached" if v is None else f"{v:.1f} s" for v in values))


def facts_text(facts):
    rows = [("", "libgnn", "PyTorch"), *facts_rows(facts)]
    widths = [max(len(row[i]) for row in rows) + 2 for i in range(3)]
    text = "\n" + "\n".join("".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)
    if isinstance(facts.get("mnist"), str):
        text += f"\nMNIST: {facts['mnist']}"
    return text


def shown(records):
    """By processor time on one thread, where other programs disturb least, and by wall time on several."""
    return [r for r in records if r["clock"] == ("cpu" if r["threads"] == 1 else "wall")]


def markdown(records, facts):
    rows = {}
    for r in shown(records):
        key = (r["net"], r["batch"], r["threads"], r["mode"])
        rows.setdefault(key, {})[r["layout"]] = r
    about = (
        f"{facts['machine']}; libgnn {facts['libgnn_version']}, PyTorch {facts['pytorch_version']}, {facts['date']}; "
        f"{busy_text(facts['busy_cores'])}. Images/s by processor time on one thread, by wall time on more; ratio of "
        f"libgnn's to PyTorch's, median of {facts['rounds']} rounds (least … largest)."
    )
    lines = [
        *textwrap.wrap(about, 120),
        "",
        "| net | batch | threads | | libgnn, images/s | PyTorch, images/s | ratio | channels_last: ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (net, batch, threads, mode), layouts in rows.items():
        r = layouts["default"]
        last = ratio_text(layouts["channels_last"]) if "channels_last" in layouts else ""
        lines.append(
            f"| {NAMES[net]} | {batch} | {threads} | {MODES[mode]} | {r['libgnn_images_per_second']:,.0f} "
            f"| {r['pytorch_images_per_second']:,.0f} | {ratio_text(r)} | {last} |"
        )
    lines += ["", "| | libgnn | PyTorch |", "|---|---|---|"]
    lines += [f"| {what} | {a} | {b} |" for what, a, b in facts_rows(facts)]
    return "\n".join(lines)


def ratio_text(r):
    return f"**{r['ratio']:.2f}** ({r['ratio_min']:.2f} … {r['ratio_max']:.2f})"


def update_readme(records, facts, path=ROOT / "README.md"):
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or END not in text.split(BEGIN)[1]:
        raise BenchmarkError(f'{path} has no place for the table: the lines "{BEGIN}" and "{END}"')
    before, rest = text.split(BEGIN)
    after = rest.split(END, 1)[1]
    write_text(path, f"{before}{BEGIN}\n{markdown(records, facts)}\n{END}{after}")


def picture(records, facts):
    """Bars of the ratios with whiskers from the least to the largest round; a line at 1."""
    rows = shown(records)
    left, right, top, row_height = 330, 70, 74, 22
    width = 900
    image = Picture(width, top + row_height * len(rows) + 46)
    image.text(20, 28, "libgnn's images/s over PyTorch's", size=17, bold=True)
    image.text(
        20,
        48,
        f"{facts['machine']}; PyTorch {facts['pytorch_version']}; {facts['date']}; median, least and largest of "
        f"{facts['rounds']} rounds",
        size=11,
        color="#52606d",
    )
    most = max([1.0, *(r["ratio_max"] for r in rows)]) * 1.05
    scale = (width - left - right) / most
    bottom = top + row_height * len(rows)
    step = next(s for s in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if most / s <= 10)
    for tick in range(int(most / step) + 1):
        x = left + tick * step * scale
        image.line(x, top - 6, x, bottom, "#e4e7eb")
        image.text(x, bottom + 18, f"{tick * step:g}", size=11, anchor="middle", color="#52606d")
    for index, r in enumerate(rows):
        y = top + index * row_height
        middle = y + row_height / 2
        threads = f"{r['threads']} thread" + ("s" if r["threads"] > 1 else "")
        layout = " (channels_last)" if r["layout"] == "channels_last" else ""
        label = f"{NAMES[r['net']]}, {r['batch']}, {threads}, {MODES[r['mode']]}{layout}"
        image.text(left - 8, middle + 4, label, size=11, anchor="end")
        color = "#0f766e" if r["mode"] == "train" else "#7c9a2c"
        image.rectangle(left, y + 4, r["ratio"] * scale, row_height - 8, color)
        image.line(left + r["ratio_min"] * scale, middle, left + r["ratio_max"] * scale, middle, "#1f2933", 1.5)
        for end in ("ratio_min", "ratio_max"):
            x = left + r[end] * scale
            image.line(x, middle - 4, x, middle + 4, "#1f2933", 1.5)
        x = left + r["ratio_max"] * scale + 8
        if x - 4 < left + scale < x + 30:
            x = left + scale + 8  # not on the line
        image.text(x, middle + 4, f"{r['ratio']:.2f}", size=11, bold=True)
    image.line(left + scale, top - 10, left + scale, bottom, "#b42318", 2)
    image.text(left + scale, top - 14, "1: as fast as PyTorch", size=11, anchor="middle", color="#b42318")
    clock = "by processor time on 1 thread, by wall time on more; dark: training, light: inference"
    image.text(left, bottom + 38, clock, size=11, color="#52606d")
    return image.svg()
