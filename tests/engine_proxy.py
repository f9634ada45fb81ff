"""A container engine's socket that can be taken away in the middle of a run, with the real engine behind it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EngineProxy:
    """Listens at `path` and hands all bytes on to the engine, until it dies; `address` is for DOCKER_HOST."""

    def __init__(self, path: Path, engine: str) -> None:
        self.address = f"unix://{path}"
        self._path, self._engine = path, engine.removeprefix("unix://")
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)

    @contextmanager
    def listening(self) -> Iterator["EngineProxy"]:
        """Hand on until the block ends."""
        self._listener.bind(str(self._path))
        self._listener.listen()
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.die()
            thread.join()

    def die(self) -> None:
        """Break every connection and answer no more."""
        self._path.unlink(missing_ok=True)
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
