"""Downloading MNIST."""

from __future__ import annotations

import hashlib
import http.client
import importlib.resources
import os
import pathlib
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from libgnn import _core

__all__ = ["download_mnist"]

# Mirrors are tried side by side, so this is also how long it takes to find out that none can be
# reached. A connection that stalls for so long is given up, a slow one is not.
_SECONDS = 8


def _listed(what: str) -> list[list[str]]:
    """What the lines of mnist.txt that start with `what` say."""
    text = importlib.resources.files("libgnn.utils").joinpath("mnist.txt").read_text()
    lines = [line.split() for line in text.splitlines()]
    return [line[1:] for line in lines if line[:1] == [what]]


def _fetch(mirror: str, name: str, sha256: str) -> bytes | str:
    """The content of the file, or why the mirror does not have it."""
    try:
        with urllib.request.urlopen(f"{mirror}/{name}.gz", timeout=_SECONDS) as response:
            content: bytes = response.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{mirror}: {error}"
    if hashlib.sha256(content).hexdigest() != sha256:
        return f"{mirror}: its {name}.gz is not MNIST's (wrong SHA-256)"
    return content


def download_mnist(folder: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """The folder with MNIST's four files, which are downloaded where they are not there.

    The files get their names when the SHA-256 of all is right. $GNN_MNIST_MIRRORS lists other
    places to get them from, separated by spaces.

    Args:
        folder: by default the one where MNIST is found, else the cache folder's mnist.

    Raises:
        DataError: when no mirror has them, with the reason of each.
        OSError: when the folder cannot be written.
    """
    found = _core.find_dataset("mnist") if folder is None else folder
    target = pathlib.Path(found or os.path.join(_core.data_cache_folder(), "mnist"))
    if _core.has_mnist_files(target):
        return target
    mirrors = os.environ.get("GNN_MNIST_MIRRORS", "").split() or [url for (url,) in _listed("mirror")]
    files = _listed("file")
    with ThreadPoolExecutor(len(mirrors)) as pool:
        tries = list(pool.map(lambda mirror: _fetch(mirror, *files[0]), mirrors))
    usable = [mirror for mirror, result in zip(mirrors, tries) if isinstance(result, bytes)]
    problems = [result for result in tries if isinstance(result, str)]
    contents = {}
    for name, sha256 in files:
        for mirror in usable:
            result = _fetch(mirror, name, sha256)
            if isinstance(result, bytes):
                contents[name] = result
                break
            problems.append(result)
        if name not in contents:
            raise _core.DataError(
                f"MNIST cannot be downloaded: {'; '.join(problems)}. Put its four files into '{target}', "
                "or name another mirror in GNN_MNIST_MIRRORS"
            )
    target.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that moving a file into place is atomic.
    with tempfile.TemporaryDirectory(prefix=".download.", dir=target) as work:
        for name, content in contents.items():
            pathlib.Path(work, name).write_bytes(content)
        for name in contents:
            os.replace(pathlib.Path(work, name), target / f"{name}.gz")
    return target
