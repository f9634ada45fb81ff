"""Brings the index up to a tree: reads the blobs it does not know yet, in several processes where that pays."""

import os
from collections.abc import Callable, Collection, Sequence

from gitagent.adapters.index.extracting import extracted
from gitagent.adapters.index.store import Batch, Store, batch_of
from gitagent.errors import RepositoryError
from gitagent.records import FileEntry

MOST_FILES = 100_000
IN_ONE_PROCESS = 600
"""Fewer new files than this are read here: a second process takes a while to begin."""

_BATCH = 250
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
    work = list(missing.items())
    parts = [work[first : first + _BATCH] for first in range(0, len(work), _BATCH)]
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES, len(parts))
    batches: Sequence[Batch] | None = None
    if len(work) >= IN_ONE_PROCESS and processes > 1:
        batches = _in_processes(parts, directory, processes)
    if batches is None:
        batches = [_batch(part, read) for part in parts]
    store.add(batches, {entry.oid for entry in entries})
    return len(work)


def _in_processes(
    parts: Sequence[Sequence[tuple[str, str]]], directory: str, processes: int
) -> Sequence[Batch] | None:
    """None where no processes can be started (a sandbox, a main module that cannot be imported again)."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    try:
        # Not forked: a copy of a process with threads may hang.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            return list(pool.map(_batch_of_repository, parts, [directory] * len(parts)))
    except (BrokenProcessPool, OSError):
        return None


def _batch_of_repository(part: Sequence[tuple[str, str]], directory: str) -> Batch:
    from gitagent.adapters.git import GitRepository

    return _batch(part, GitRepository(directory).read)


def _batch(part: Sequence[tuple[str, str]], read: Callable[[str], bytes]) -> Batch:
    found = []
    for oid, path in part:
        try:
            found.append((oid, extracted(path, read(oid))))
        except RepositoryError:
            continue  # a partial clone lacks it; it may be there next time
    return batch_of(found)
