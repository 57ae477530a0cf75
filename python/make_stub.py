"""Writes the type stub of the extension: make_stub.py FOLDER OUTPUT, where FOLDER has the package libgnn.

The stub is nanobind's, with private names: the package's own files use them, and names like add_ count as private. Two
things are changed. Overloads that only refuse an argument are left out. Tensor has members float, int, dtype, device and
numpy, which in that class hide what annotations mean by these names, so annotations there name them in full; its == and
!= return tensors, which object's do not.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys


def in_full(line: str) -> str:
    """A line of class Tensor with annotations that its members do not hide."""
    if not re.match(r"    (def \w+\(|\w+: )", line):
        return line
    line = line.replace("def __hash__(self, /):", "def __hash__(self) -> int:")
    line = re.sub(r"(?<!def )(?<![\w.])(int|float)\b", r"builtins.\1", line)
    return re.sub(r"(?<=[:|>] )(dtype|device)\b", r"libgnn._core.\1", line)


def without_refusals(stub: str) -> str:
    """Without overloads that only raise, in good words: for a type checker what is not there is wrong."""
    overload = "    @overload\n    def "
    stub = re.sub(overload + r"__\w+__\(self, other: NDArray\[Any\]\) -> NoReturn: \.\.\.\n\n", "", stub)
    for name in set(re.findall(r"def (__r\w+__)\(", stub)):
        if stub.count(f"def {name}(") == 1:
            stub = stub.replace(f"{overload}{name}(", f"    def {name}(")
    return stub


def main() -> None:
    folder, output = sys.argv[1:]
    stubgen = [sys.executable, "-m", "nanobind.stubgen", "-q", "-P"]
    subprocess.run([*stubgen, "-i", folder, "-m", "libgnn._core", "-o", output], check=True)
    stub = pathlib.Path(output).read_text()
    stub = stub.replace("numpy.typing.NDArray", "NDArray")
    stub = stub.replace("import numpy.typing\n", "from numpy.typing import NDArray\n")
    lines = without_refusals(stub).split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("class Tensor"))
    last = next(i for i in range(first + 1, len(lines)) if re.match(r"\S", lines[i]))
    lines[first:last] = map(in_full, lines[first:last])
    for method in ("__eq__", "__ne__"):
        overload = next(i for i in range(first, last) if lines[i].startswith(f"    def {method}")) - 1
        lines[overload] += "  # type: ignore[override]"
    place = lines.index("from numpy.typing import NDArray")
    lines[place + 1 : place + 1] = ["", "import libgnn._core"]
    lines.insert(next(i for i, line in enumerate(lines) if line.startswith("from ")), "import builtins")
    pathlib.Path(output).write_text("\n".join(lines))


main()
