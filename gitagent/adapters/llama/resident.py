"""Which model is in memory: one at a time, loaded when first asked, really freed when another is."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gitagent.adapters.llama.engine import Engine

_lock = threading.RLock()
_held: dict[tuple[str, int, int, int], Engine] = {}


def resident(
    path: str, *, window: int, spare: int, parallel: int, threads: int | None, starting: Callable[[], None]
) -> Engine:
    """The engine for a model file, loaded now if it is not the one in memory; `starting` is called before.

    It has room for `window` tokens of one answer's sequence and `spare` more for the others. With `threads`
    None or 0 their number is measured.
    """
    key = (os.path.realpath(path), window + spare, parallel, threads or 0)
    with _lock:
        engine = _held.get(key)
        if engine is None:
            release()
            starting()
            engine = Engine(path, window=window, cells=window + spare, parallel=parallel, threads=threads or 1)
            if not threads:
                engine.use_threads(fastest_threads(engine))
            _held[key] = engine
        return engine


def release() -> None:
    """Free the model in memory, if there is one."""
    with _lock:
        for engine in _held.values():
            engine.close()
        _held.clear()


def fastest_threads(engine: Engine, *, most: int | None = None) -> int:
    """The number of threads with which one token takes least time, right now.

    Measured, since more threads than idle cores make a small model many times slower, not faster.
    """
    cores = most or len(os.sched_getaffinity(0))
    best, best_seconds = 1, float("inf")
    threads = 1
    while threads <= cores:
        engine.use_threads(threads)
        seconds = _seconds_per_token(engine)
        if seconds < best_seconds * 0.95:
            best, best_seconds = threads, seconds
        elif threads > 2:
            break
        threads = threads + 1 if threads < 4 else threads * 2
    engine.forget()
    return best


def _seconds_per_token(engine: Engine) -> float:
    token = max(engine.bos, 0)
    spans = []
    for turn in range(4):
        engine.forget()
        start = time.perf_counter()
        engine.feed([(0, 0, [token])])
        if turn:  # the first one wakes the threads up and pages the weights in
            spans.append(time.perf_counter() - start)
    return sorted(spans)[1]


def cache_directory() -> Path:
    """Where what may be deleted at any time is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "gitagent"


def digest_of(path: str) -> str:
    """The sha256 hex of a model file, remembered for as long as its size, time and inode stay the same."""
    stat = os.stat(path)
    facts = [os.path.realpath(path), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    memory = cache_directory() / "digests" / hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    try:
        held = memory.read_text(encoding="ascii")
        if len(held) == 64:
            return held
    except (OSError, UnicodeDecodeError):
        pass
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(digest, encoding="ascii")
    except OSError:
        pass  # a cache that cannot be written costs time only
    return digest
