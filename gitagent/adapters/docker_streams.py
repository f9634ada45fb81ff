"""What goes in and out of an exec: the engine's framed streams, archives of trees, collected files."""

import os
import selectors
import socket
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from gitagent.adapters import processes, workfiles

_CHUNK = 64 * 1024


@dataclass(slots=True)
class Ended:
    """An exec that ended: `out` is what it printed, `side` what it said beside that, both bounded."""

    out: processes.Clipped
    side: bytearray = field(default_factory=bytearray)
    exit_code: int | None = None
    timed_out: bool = False


def converse(raw: socket.socket, stdin: IO[bytes], ended: Ended, side_bytes: int, deadline: float) -> bool:
    """Write `stdin` and read both streams until they end; False if the deadline came first.

    The stream's frames: one byte says which (1 stdout, 2 stderr), bytes 4 to 8 how long (API, "Attach").
    """
    waiting = memoryview(b"\n")
    header, left, kind = b"", 0, 0
    raw.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(raw, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0:
                return False
            for _, events in selector.select(left_seconds):
                if events & selectors.EVENT_WRITE:
                    try:
                        waiting = waiting[raw.send(waiting) :]
                        waiting = waiting or memoryview(stdin.read(_CHUNK))
                        if not waiting:
                            selector.modify(raw, selectors.EVENT_READ)
                            raw.shutdown(socket.SHUT_WR)
                    except BlockingIOError:
                        pass
                    except OSError:  # it reads no more; what it says still counts
                        selector.modify(raw, selectors.EVENT_READ)
                if events & selectors.EVENT_READ:
                    try:
                        data = raw.recv(min(left, _CHUNK) if left else 8 - len(header))
                    except BlockingIOError:
                        continue
                    except ConnectionResetError:  # Podman's way to end where not all of `stdin` was read
                        return True
                    if not data:
                        return True
                    if not left:
                        header += data
                        if len(header) == 8:
                            kind, left = header[0], int.from_bytes(header[4:], "big")
                            header = b""
                        continue
                    left -= len(data)
                    if kind != 2 or not side_bytes:
                        ended.out.add(data)
                    elif len(ended.side) < side_bytes:
                        ended.side += data


def collected(side: bytes, paths: Sequence[str]) -> dict[str, bytes]:
    """Reads `INDEX SIZE`, newline, the file's bytes, and so on, as far as it makes sense."""
    found: dict[str, bytes] = {}
    at = 0
    while (end := side.find(b"\n", at, at + 40)) >= 0:
        words = side[at:end].split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            break
        index, size = int(words[0]), int(words[1])
        data = side[end + 1 : end + 1 + size]
        if index < len(paths) and len(data) == size and size <= workfiles.COLLECT_BYTES:
            found[paths[index]] = data
        at = end + 1 + size
    return found


def new_tar(file: IO[bytes]) -> tarfile.TarFile:
    # GNU's format holds names as the bytes they are.
    return tarfile.open(
        fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    )


def new_member(path: str, mode: int, mtime: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mode, info.mtime, info.type = mode, mtime, kind
    info.uid = info.gid = 65534
    return info


def archive_of(directory: str, file: IO[bytes]) -> set[str]:
    """Write all below a directory as an archive without the host's owners; the paths of executable files."""
    executable = set()
    now = int(time.time())
    waiting = [""]
    with new_tar(file) as tar:
        while waiting:
            at = waiting.pop()
            with os.scandir(os.path.join(directory, at)) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    path = os.path.join(at, entry.name)
                    if entry.is_symlink():
                        info = new_member(path, 0o777, now, tarfile.SYMTYPE)
                        info.linkname = os.readlink(entry.path)
                        tar.addfile(info)
                    elif entry.is_dir():
                        tar.addfile(new_member(path, 0o755, now, tarfile.DIRTYPE))
                        waiting.append(path)
                    elif entry.is_file():
                        found = entry.stat()
                        if found.st_mode & 0o100:
                            executable.add(path)
                        info = new_member(path, 0o755 if found.st_mode & 0o100 else 0o644, now)
                        info.size = found.st_size
                        with open(entry.path, "rb") as source:
                            tar.addfile(info, source)
    return executable
