"""The host side of a workspace: a temporary directory that hostile code writes and that we must not be led out of.

Every path is walked one component at a time with O_NOFOLLOW, so a symlink planted by a test can neither make us
read a host file nor write one.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping

from gitagent.errors import SandboxError

COLLECT_BYTES = 32 * 1024 * 1024
"""The largest result file brought back."""

_STALE_SECONDS = 60.0
_INODE_BYTES = 1024
_MEMORY = "/dev/shm"
_PLENTY_BYTES = 4 * 1024**3
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Clock:
    """Gives each write a later whole second than the one before.

    Python and make compare sources and what was made of them by time, Python by whole seconds and size: two
    candidates of one size written within a second would otherwise be the same to a cached bytecode file.
    """

    def __init__(self) -> None:
        self._last = int(time.time())

    def tick(self) -> int:
        """The time, in whole seconds since the epoch, for the files of the next write."""
        self._last = max(int(time.time()), self._last + 1)
        return self._last


def parts(path: str) -> list[str]:
    """The components of a path from the tree's root. Raises SandboxError if it could lead out of the tree."""
    found = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in found) or found[0] == ".git":
        raise SandboxError(f"{path!r} is no path inside the tree. Nothing was written.")
    return found


@contextlib.contextmanager
def temporary(prefix: str) -> Iterator[str]:
    """A temporary directory only we can enter, removed at the end whatever was made of its permissions.

    It is locked while in use; those of a killed gitagent are not, and go when the next one is made.
    """
    place = _place()
    _sweep(place, prefix)
    directory = os.path.realpath(tempfile.mkdtemp(prefix=prefix, dir=place))
    lock = os.open(directory, _DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory
    finally:
        remove(directory)
        os.close(lock)


def _place() -> str:
    """Where workspaces are made: $TMPDIR if set, else memory if it is plentiful, else the disk.

    Thousands of small files are written for every fresh workspace, which some disks take seconds for.
    """
    disk = tempfile.gettempdir()
    if os.environ.get("TMPDIR") or disk not in ("/tmp", "/var/tmp"):
        return disk
    with contextlib.suppress(OSError, ValueError, StopIteration):
        found = os.statvfs(_MEMORY)
        with open("/proc/meminfo", encoding="ascii") as file:
            available = int(next(line for line in file if line.startswith("MemAvailable:")).split()[1]) * 1024
        room = min(found.f_bavail * found.f_frsize, available)
        if room >= _PLENTY_BYTES and not found.f_flag & os.ST_NOEXEC and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return disk


def _sweep(place: str, prefix: str) -> None:
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if not entry.name.startswith(prefix):
                continue
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if found.st_uid != os.geteuid() or found.st_mtime > time.time() - _STALE_SECONDS:
                    continue
                lock = os.open(entry.path, _DIRECTORY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove(entry.path)
                finally:
                    os.close(lock)


def remove(directory: str) -> None:
    """Remove a directory tree without following symlinks, also where permissions were taken away."""
    for _ in range(3):
        shutil.rmtree(directory, ignore_errors=True)
        if not os.path.lexists(directory):
            return
        for _, names, _, fd in os.fwalk(directory, follow_symlinks=False):
            with contextlib.suppress(OSError):
                os.fchmod(fd, 0o700)
            for name in names:
                with contextlib.suppress(OSError):
                    if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                        os.chmod(name, 0o700, dir_fd=fd)


def write(root: str, texts: Mapping[str, str | None], mtime: int, owner: int | None = None) -> None:
    """Replace files below `root`; None deletes. A file keeps its mode; a new one gets 0644.

    Whatever stands in a file's way (a symlink, a directory, a pipe) is replaced, never followed.
    """
    todo = [(parts(path), text) for path, text in texts.items()]
    for names, text in todo:
        fd = os.open(root, _DIRECTORY)
        try:
            for name in names[:-1]:
                below = _enter(name, fd, make=text is not None, owner=owner)
                os.close(fd)
                fd = below
                if fd < 0:
                    break
            if fd >= 0:
                _replace(names[-1], fd, text, mtime, owner)
        except OSError as error:
            raise SandboxError(f"{'/'.join(names)} cannot be written in the sandbox: {error.strerror}") from error
        finally:
            if fd >= 0:
                os.close(fd)


def _enter(name: str, fd: int, *, make: bool, owner: int | None) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        if not make:
            return -1
    except OSError:
        if not make:
            return -1
        os.unlink(name, dir_fd=fd)
    os.mkdir(name, 0o755, dir_fd=fd)
    below = os.open(name, _DIRECTORY, dir_fd=fd)
    if owner is not None:
        os.fchown(below, owner, owner)
    return below


def _replace(name: str, fd: int, text: str | None, mtime: int, owner: int | None) -> None:
    mode = 0o644
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        if text is None:
            return
    else:
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(21, "it is a directory there")
        if stat.S_ISREG(found.st_mode):
            mode = stat.S_IMODE(found.st_mode) & 0o777 | 0o600
        os.unlink(name, dir_fd=fd)  # never written through: it may be a hard link
    if text is None:
        return
    out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=fd)
    with open(out, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        if owner is not None:
            os.fchown(out, owner, owner)
        os.fchmod(out, mode)
        os.utime(out, (mtime, mtime))


def read(root: str, path: str) -> bytes | None:
    """A regular file below `root`, or None if it is none, lies behind a symlink, or is beyond COLLECT_BYTES."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or ".." in names:
        return None
    try:
        fd = os.open(root, _DIRECTORY)
        try:
            for name in names[:-1]:
                below = os.open(name, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
            # O_NONBLOCK: a named pipe in the file's place must not hold us up.
            file = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > COLLECT_BYTES:
            return None
        with open(file, "rb", closefd=False) as opened:
            return opened.read(COLLECT_BYTES)
    finally:
        os.close(file)


def give(root: str, owner: int) -> None:
    """Make everything below a fresh `root` belong to `owner`."""
    for _at, names, files, fd in os.fwalk(root, follow_symlinks=False):
        os.fchown(fd, owner, owner)
        for name in (*names, *files):
            os.chown(name, owner, owner, dir_fd=fd, follow_symlinks=False)


def disk_bytes(*roots: str) -> int:
    """What the files below some directories take on disk; each takes something, an empty one too."""
    total = 0
    waiting = list(roots)
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    total += _INODE_BYTES + entry.stat(follow_symlinks=False).st_blocks * 512
    return total
