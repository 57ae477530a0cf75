"""`python -m libgnn`: trains a model, or says what this libgnn can do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import libgnn
from libgnn import _train_command


def info(arguments: argparse.Namespace) -> int:
    """Prints the version and what there is to compute on."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    print(f"libgnn {libgnn.__version__}, Python {python}")
    print(f"CPU: {libgnn.get_num_threads()} threads")
    if libgnn.cuda.is_available():
        for index in range(libgnn.cuda.device_count()):
            print(f"CUDA: cuda:{index}, {libgnn.cuda.get_device_name(index)}")
    else:
        print(f"CUDA: not available: {libgnn.cuda.reason()}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m libgnn", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _train_command.add_parser(commands)
    say = commands.add_parser("info", help="version, CUDA or why there is none, threads")
    say.set_defaults(run=info)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = make_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (libgnn.Error, OSError) as error:
        sys.stdout.flush()
        print(f"libgnn: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
