"""Real vocabularies: the vocabulary-only GGUF files in the published source archive of llama-cpp-python.

The archive is fetched by package name the first time, and what is used of it kept in the user's cache.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

# Looked up on import: tests run with a home of their own.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"))


def vocabulary(name: str) -> Path:
    """The file `ggml-vocab-NAME.gguf`. Raises OSError, or what its subprocess raises, if it cannot be had."""
    release = version("llama-cpp-python")
    directory = CACHE / "gitagent" / "vocabularies" / release
    file = directory / f"ggml-vocab-{name}.gguf"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _fetch(release, directory)
    return file


def _fetch(release: str, directory: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fetched = [
            "--no-deps",
            "--no-binary",
            "llama-cpp-python",
            "--dest",
            folder,
            f"llama-cpp-python=={release}",
        ]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *fetched], check=True, timeout=900)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            for member in archive:
                name = Path(member.name).name
                if not (member.isfile() and name.startswith("ggml-vocab-") and name.endswith(".gguf")):
                    continue
                held = archive.extractfile(member)
                if held is not None:
                    part = directory / f"{name}.{os.getpid()}.part"
                    part.write_bytes(held.read())
                    part.replace(directory / name)
