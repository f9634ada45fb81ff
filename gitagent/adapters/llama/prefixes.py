"""The evaluated beginnings of prompts, kept in memory and on disk, so that a head is evaluated once.

A head is always evaluated by itself, whether it was kept or not: the rest of the prompt then starts from the
same numbers in either case, and an answer does not depend on what was cached.
"""

import hashlib
import json
import os
from collections.abc import Sequence

from gitagent.adapters.llama.engine import Engine
from gitagent.adapters.llama.resident import cache_directory

KEPT_ON_DISK = 8
LEAST_TOKENS = 16


class Prefixes:
    """Heads of prompts for one loaded model. `digest` is the model file's."""

    def __init__(self, engine: Engine, digest: str) -> None:
        self._engine = engine
        self._digest = digest
        self._held: dict[str, bytes] = {}

    def begin(self, head: Sequence[int]) -> None:
        """Leave exactly the head in sequence 0 of an otherwise empty cache."""
        engine = self._engine
        engine.forget()
        if not head:
            return
        if len(head) < LEAST_TOKENS:
            engine.feed([(0, 0, head)])
            return
        key = self._key(head)
        state = self._held.get(key) or self._read(key)
        if state is not None and engine.restore(state):
            self._held[key] = state
            return
        engine.forget()
        engine.feed([(0, 0, head)])
        state = engine.saved()
        self._held = {key: state}
        self._write(key, state)

    def _key(self, head: Sequence[int]) -> str:
        facts = [self._digest, self._engine.build, self._engine.cells, self._engine.parallel, list(head)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _read(self, key: str) -> bytes | None:
        try:
            data = (cache_directory() / "prefixes" / key).read_bytes()
        except OSError:
            return None
        digest, state = data[:32], data[32:]
        return state if hashlib.sha256(state).digest() == digest else None

    def _write(self, key: str, state: bytes) -> None:
        directory = cache_directory() / "prefixes"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            part = directory / f"{key}.{os.getpid()}.part"
            part.write_bytes(hashlib.sha256(state).digest() + state)
            part.replace(directory / key)
            oldest_first = sorted(directory.iterdir(), key=lambda file: file.stat().st_mtime)
            for file in oldest_first[:-KEPT_ON_DISK]:
                file.unlink(missing_ok=True)
        except OSError:
            pass  # a cache that cannot be written costs time only
