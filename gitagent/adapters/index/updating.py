"""Brings the index up to a tree: reads the blobs it does not know yet, in several processes where that pays."""

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence

from gitagent.adapters.index.extracting import extracted
from gitagent.adapters.index.store import Batch, Store, batch_of, joined
from gitagent.core.retrieval.facts import Facts
from gitagent.errors import RepositoryError
from gitagent.records import FileEntry

MOST_FILES = 100_000
IN_ONE_PROCESS = 300
"""Fewer new files than this are read here: a second process takes a while to begin."""

_MOST_AT_ONCE = 10_000
"""Files that are read before any of them is stored: what is read takes memory, some 40 kB each."""

_BATCH = 150
_MOST_PROCESSES = 8
_NEVER_TEXT = """
    png jpg jpeg gif ico webp bmp tif tiff psd svg pdf eps zip gz tgz bz2 xz zst 7z tar jar war whl egg so dll dylib
    exe a o obj lib pyc pyd class woff woff2 ttf otf eot mp3 mp4 mov avi webm wav ogg flac bin dat db sqlite pack idx
    npy npz pkl pickle parquet h5 hdf5 onnx pt pth gguf mo lock map
    """
_NO_TEXT = frozenset(_NEVER_TEXT.split())
_REGULAR = (0o100644, 0o100755)


def readable(entries: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
    """The files whose text may lead somewhere: regular, and of no kind that is never text."""
    return tuple(
        entry
        for entry in entries
        if entry.mode in _REGULAR and entry.path.rpartition(".")[2].lower() not in _NO_TEXT
    )[:MOST_FILES]


def update(
    store: Store,
    entries: Sequence[FileEntry],
    read: Callable[[str], bytes],
    directory: str,
    known: Collection[str],
) -> int:
    """Index the blobs that are not in `known`; how many those were. `directory` is where git finds the repository."""
    missing = {entry.oid: entry.path for entry in entries if entry.oid not in known}
    if not missing:
        return 0
    work, used = list(missing.items()), {entry.oid for entry in entries}
    for first in range(0, len(work), _MOST_AT_ONCE):
        part = work[first : first + _MOST_AT_ONCE]
        processes = 1 if len(part) < IN_ONE_PROCESS else min(os.cpu_count() or 1, _MOST_PROCESSES)
        store.add(_in_processes(part, read, directory, processes), used)
    return len(work)


def _in_processes(
    work: Sequence[tuple[str, str]], read: Callable[[str], bytes], directory: str, processes: int
) -> Sequence[Batch]:
    """Share the work out among processes, this one among them; what a broken one leaves is done here."""
    shares, first = [], 1
    for number in range(processes):
        shares.append((work[number::processes], first))
        first += len(shares[-1][0])
    helpers = [_Helper(share, directory) for share in shares[1:]]
    try:
        own = _batch(*shares[0], read)
        return [own, *(helper.batch() or _batch(*helper.share, read) for helper in helpers)]
    finally:
        for helper in helpers:
            helper.stop()


class _Helper:
    """A process of ours that reads some of the blobs.

    Not forked, as a copy of a process with threads may hang, and not by multiprocessing, which would run the main
    module of whoever embeds us again.
    """

    def __init__(self, share: tuple[Sequence[tuple[str, str]], int], directory: str) -> None:
        self.share = share
        self._asked = pickle.dumps((share, directory, os.getpid()))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
            )
            into, self._process.stdin = self._process.stdin, None
            assert into is not None
            with into:
                into.write(self._asked)
        except OSError:
            self.stop()

    def batch(self) -> Batch | None:
        """What it read, None if it could not."""
        if self._process is None:
            return None
        data, _ = self._process.communicate()
        if self._process.returncode:
            return None
        found: Batch = pickle.loads(data)  # from our own process, through its pipe
        return found

    def stop(self) -> None:
        """End it, if it has not, and let go of its pipe."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


def serve() -> None:
    """Answer one question of a process that indexes: its share, a directory and its own number in, a batch out."""
    gc.disable()  # nothing here is a cycle, and it ends soon
    (work, first), directory, asking = pickle.loads(sys.stdin.buffer.read())
    from gitagent.adapters.git import GitRepository

    repository = GitRepository(directory)

    def read(oid: str) -> bytes:
        if os.getppid() != asking:
            sys.exit("whoever asked was killed")
        return repository.read(oid)

    sys.stdout.buffer.write(pickle.dumps(_batch(work, first, read)))


def _batch(work: Sequence[tuple[str, str]], first: int, read: Callable[[str], bytes]) -> Batch:
    """The facts of blobs by oid and path, numbered from `first` on."""
    parts: list[Batch] = []
    for begin in range(0, len(work), _BATCH):
        parts.append(batch_of(_found(work[begin : begin + _BATCH], read), first))
        first += len(parts[-1].oids)
    return joined(parts)


def _found(work: Sequence[tuple[str, str]], read: Callable[[str], bytes]) -> Iterator[tuple[str, Facts | None]]:
    for oid, path in work:
        try:
            yield oid, extracted(path, read(oid))
        except RepositoryError:
            continue  # a partial clone lacks it; it may be there next time
