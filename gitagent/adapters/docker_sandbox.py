"""Sandboxes in containers, through the `docker` package; Podman's socket speaks the same language.

A container lives as long as its workspace: its main process waits for our end of its standard input, so it ends
with us even if we are killed, and the engine removes it then. Commands are `exec`s in it, as another user than
the main process, so that all they started can be killed and the container goes on.
"""

import contextlib
import io
import os
import re
import resource
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import IO, Any

import docker
import docker.errors
import requests.exceptions

from gitagent.adapters import docker_images, processes, workfiles
from gitagent.adapters import docker_streams as streams
from gitagent.adapters.engines import engines
from gitagent.core.images import Recipe
from gitagent.errors import SandboxError
from gitagent.records import Execution, SandboxLimits

LABEL = "gitagent.sandbox"
"""Every container of ours has it."""

_HINT = "start docker or podman, or choose another: --sandbox bubblewrap, --sandbox none"
_WORK = "/workspace"
_HOME = "/tmp/home"
_RUNNER, _KEEPER = "65534:65534", "65533:65533"
_HTTP_SECONDS = 60
_KILL_SECONDS = 10.0
# What bounds the container's processes is `pids_limit`; Podman's own defaults may be more than it may give.
_FILES, _PROCESSES = (
    min(resource.getrlimit(which)[1] % 2**63, most)
    for which, most in ((resource.RLIMIT_NOFILE, 16_384), (resource.RLIMIT_NPROC, 16_384))
)

# Each script waits for a line first: what an exec prints before we hold its raw stream could get lost in the
# HTTP client's buffer.
_KEEP = '(sleep "$1"; kill $$) & read line'
_RUN = """read go; umask 022; cap=$1 m=$2; shift 2; exec 3>&2 2>&1
(shift "$m"; exec 3>&-; exec "$@"); e=$?
kill -9 -1 2>/dev/null
i=0
while [ "$i" -lt "$m" ]; do
  if [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ]; then
    k=$(head -c "$cap" "$1" | wc -c); printf '%s %s\\n' "$i" "$((k))" >&3; head -c "$((k))" "$1" >&3
  fi
  shift; i=$((i+1))
done
exit "$e"
"""
_EXTRACT = """read go; umask 022; mkdir -p "$HOME"
if command -v tar >/dev/null 2>&1; then exec tar -xof -; fi
exec python3 -c 'import sys, tarfile; t = tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
t.extraction_filter = getattr(tarfile, "fully_trusted_filter", None); t.extractall()'
"""
_DELETE = "read go; xargs -0 rm -f --"
_KILL = "kill -9 -1 2>/dev/null; exit 0"


class DockerSandbox:
    """Runs commands in containers of one image. `pull` allows fetching the image, once, if it is not there."""

    name = "docker"

    def __init__(
        self, image: str, *, base_url: str | None = None, pull: bool = True, lifetime_seconds: int = 6 * 3600
    ) -> None:
        self._image = image
        self._base_url = base_url
        self._pull = pull
        self._lifetime_seconds = lifetime_seconds

    def identity(self) -> str:
        """`docker:sha256:…`, the image's own digest. Raises SandboxError if the image is not there."""
        return f"docker:{self._image_id}"

    def built(self, recipe: Recipe, tell: Callable[[str], None]) -> "DockerSandbox":
        """A sandbox of the image that a recipe makes, built if it is not there. Raises SandboxError if it fails."""
        image = docker_images.ensure(self._api, recipe, pull=self._pull, tell=tell)
        return DockerSandbox(image, base_url=self._base_url, pull=False, lifetime_seconds=self._lifetime_seconds)

    def has_built(self, recipe: Recipe) -> bool:
        """Whether the image that a recipe makes is there."""
        return bool(docker_images.known(self._api, recipe))

    @contextlib.contextmanager
    def open(self, fill: Callable[[str], None], limits: SandboxLimits) -> Iterator["DockerWorkspace"]:
        """A fresh workspace in a container of its own."""
        image = self._image_id
        with tempfile.TemporaryFile(prefix="gitagent-tree-") as archive:
            with workfiles.temporary("gitagent-fill-") as directory:
                fill(directory)
                executable = streams.archive_of(directory, archive)
            workspace = DockerWorkspace(
                self._api, image, self._image, limits, self._lifetime_seconds, archive, executable
            )
            try:
                workspace.start()
                yield workspace
            finally:
                workspace.close()

    @cached_property
    def _api(self) -> Any:
        urls = (self._base_url,) if self._base_url else engines()
        reasons = []
        for url in urls:
            if url.startswith(("ssh://", "https://")) or (
                url.startswith("tcp://") and os.environ.get("DOCKER_TLS_VERIFY") and not self._base_url
            ):
                reasons.append(f"{url}: only local sockets and plain tcp are supported")
                continue
            try:
                if url.startswith("unix://"):
                    with socket.socket(socket.AF_UNIX) as knock:  # the package would leak its own
                        knock.settimeout(_KILL_SECONDS)
                        knock.connect(url.removeprefix("unix://"))
                api = docker.APIClient(base_url=url, timeout=_HTTP_SECONDS)
                api.ping()
                return api
            except (
                docker.errors.DockerException,
                requests.exceptions.RequestException,
                OSError,
                ValueError,
            ) as error:
                reasons.append(f"{url}: {_short(error)}")
        told = "; ".join(reasons) or "none of the usual sockets is there and DOCKER_HOST is not set"
        raise SandboxError(f"no container engine answers ({told}). Nothing was run.", hint=_HINT)

    @cached_property
    def _image_id(self) -> str:
        with _told(f"the image {self._image}"):
            try:
                return _digest(self._api.inspect_image(self._image))
            except docker.errors.ImageNotFound:
                if not self._pull:
                    raise SandboxError(
                        f"the image {self._image} is not there, and fetching it was not allowed. Nothing was run.",
                        hint=f"docker pull {self._image}",
                    ) from None
            try:
                for line in self._api.pull(_with_tag(self._image), stream=True, decode=True):
                    if "error" in line:
                        raise docker.errors.APIError(str(line["error"]))
                return _digest(self._api.inspect_image(self._image))
            except (docker.errors.APIError, requests.exceptions.RequestException) as error:
                raise SandboxError(
                    f"the image {self._image} is not there and cannot be fetched: {_short(error)}. "
                    "Nothing was run.",
                    hint=f"docker pull {self._image}, or set another: `image` under [sandbox] in .gitagent.toml",
                ) from error


class DockerWorkspace:
    """One tree in one container. If only a new container can stop a command, the tree is sent there again."""

    def __init__(
        self,
        api: Any,
        image: str,
        image_name: str,
        limits: SandboxLimits,
        lifetime_seconds: int,
        archive: IO[bytes],
        executable: set[str],
    ) -> None:
        self._api = api
        self._image = image
        self._image_name = image_name
        self._limits = limits
        self._lifetime_seconds = lifetime_seconds
        self._archive = archive
        self._executable = executable
        self._written: dict[str, tuple[str | None, int]] = {}
        self._clock = workfiles.Clock()
        self._container = ""
        self._lifeline: Any = None

    def start(self) -> None:
        """Create the container and send the tree."""
        with _told("starting the container"):
            self._container = self._create()
            # The main process reads this; the engine closes it when we are gone.
            self._lifeline = self._api.attach_socket(self._container, params={"stdin": 1, "stream": 1})
            self._api.start(self._container)
        self._archive.seek(0)
        self._send(self._archive)
        if self._written:
            self._apply(self._written)

    def close(self) -> None:
        """Kill and remove the container, if it is still there."""
        container, self._container = self._container, ""
        if container:
            # Whatever goes wrong here must not hide what went wrong before; the container ends by itself.
            with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException, OSError):
                try:
                    self._api.remove_container(container, force=True, v=True)
                except docker.errors.APIError as error:
                    if error.status_code == 409:  # the engine is at it already
                        self._api.wait(container, timeout=_KILL_SECONDS, condition="removed")
        if self._lifeline is not None:
            _hang_up(self._lifeline)
            self._lifeline = None
        self._api.close()  # only the connections at rest; others are made when needed

    def write(self, texts: Mapping[str, str | None]) -> None:
        """Replace files by whole new texts, keyed by path; None deletes. Only these files are sent."""
        for path in texts:
            workfiles.parts(path)
        now = self._clock.tick()
        batch = {path: (text, now) for path, text in texts.items()}
        self._written |= batch
        self._apply(batch)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run a command at the tree's root; when it ends, whatever else it started is killed."""
        started = time.monotonic()
        ended = self._exec(
            ["sh", "-c", _RUN, "sh", str(workfiles.COLLECT_BYTES + 1), str(len(collect)), *collect, *argv],
            io.BytesIO(stdin),
            timeout_seconds,
            side_bytes=len(collect) * (workfiles.COLLECT_BYTES + 64),
        )
        seconds = time.monotonic() - started
        files = streams.collected(bytes(ended.side), collect)
        if ended.timed_out and collect:
            again = self._exec(
                ["sh", "-c", _RUN, "sh", str(workfiles.COLLECT_BYTES + 1), str(len(collect)), *collect, "true"],
                io.BytesIO(),
                _KILL_SECONDS,
                side_bytes=len(collect) * (workfiles.COLLECT_BYTES + 64),
            )
            files = streams.collected(bytes(again.side), collect)
        return Execution(
            argv=tuple(argv),
            exit_code=ended.exit_code,
            output=ended.out.text(),
            seconds=seconds,
            timed_out=ended.timed_out,
            files=files,
        )

    def _create(self) -> str:
        limits = self._limits
        mount = "rw,exec,nosuid,nodev,size={},nr_inodes={},mode={}"
        owner = ",uid=65534,gid=65534"  # where the image has such a directory, its mode wins over ours
        sixteenth = max(limits.disk_bytes // 16, 4096)
        options: dict[str, Any] = {
            "network_mode": "none",
            "read_only": True,
            "auto_remove": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "mem_limit": limits.memory_bytes,
            "memswap_limit": limits.memory_bytes,
            "nano_cpus": int(min(limits.cpus, os.cpu_count() or 1) * 1e9),
            "pids_limit": limits.processes,
            "init": True,
            # Together these are disk_bytes: nothing else in the container can be written.
            "tmpfs": {
                _WORK: mount.format(11 * sixteenth, _inodes(11 * sixteenth), "0777") + owner,
                "/tmp": mount.format(4 * sixteenth, _inodes(4 * sixteenth), "1777"),
            },
            "shm_size": sixteenth,
            "log_config": {"Type": "none", "Config": {}},
            "dns": ["127.0.0.1"],
            "dns_search": ["."],
            "ulimits": [
                docker.types.Ulimit(name="core", soft=0, hard=0),
                docker.types.Ulimit(name="nofile", soft=_FILES, hard=_FILES),
                docker.types.Ulimit(name="nproc", soft=_PROCESSES, hard=_PROCESSES),
            ],
        }
        if any(part.get("Name") == "Podman Engine" for part in self._api.version().get("Components") or ()):
            options["tmpfs"]["/var/tmp"] = "ro"  # where Podman makes a directory that anybody may write to
        while True:
            try:
                return str(self._create_with(options))
            except docker.errors.APIError as error:
                # Podman may lack its init program, and knows no owner or number of files of a tmpfs; it does without.
                said = str(error.explanation or "")
                if "init" in said and options.pop("init", None):
                    continue
                odd = next((name for name in ("nr_inodes", "uid", "gid") if f"{name}=" in said), "")
                plainer = {
                    path: re.sub(f",{odd}=[0-9]+", "", told) if odd else told
                    for path, told in options["tmpfs"].items()
                }
                if plainer != options["tmpfs"]:
                    options["tmpfs"] = plainer
                    continue
                raise

    def _create_with(self, options: dict[str, Any]) -> str:
        answer = self._api.create_container(
            self._image,
            command=["-c", _KEEP, "sh", str(self._lifetime_seconds)],
            entrypoint=["sh"],
            user=_KEEPER,
            hostname="sandbox",
            stdin_open=True,
            environment=processes.environment(_HOME, self._path),
            labels={LABEL: str(os.getpid())},
            healthcheck={"test": ["NONE"]},
            use_config_proxy=False,  # the user's proxy settings may hold a password
            host_config=self._api.create_host_config(**options),
        )
        return str(answer["Id"])

    @cached_property
    def _path(self) -> str:
        config = self._api.inspect_image(self._image).get("Config") or {}
        for pair in config.get("Env") or ():
            if pair.startswith("PATH="):
                return str(pair[5:])
        return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def _apply(self, batch: Mapping[str, tuple[str | None, int]]) -> None:
        if gone := [path for path, (text, _) in batch.items() if text is None]:
            names = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in gone)
            self._manage(_DELETE, io.BytesIO(names), "removing files")
        if any(text is not None for text, _ in batch.values()):
            archive = io.BytesIO()
            with streams.new_tar(archive) as tar:
                for path, (text, mtime) in batch.items():
                    if text is not None:
                        data = text.encode("utf-8", "surrogateescape")
                        info = streams.new_member(path, 0o755 if path in self._executable else 0o644, mtime)
                        info.size = len(data)
                        tar.addfile(info, io.BytesIO(data))
            archive.seek(0)
            self._send(archive)

    def _send(self, archive: IO[bytes]) -> None:
        self._manage(_EXTRACT, archive, "sending the tree")

    def _manage(self, script: str, stdin: IO[bytes], what: str) -> None:
        ended = self._exec(["sh", "-c", script], stdin, max(self._limits.timeout_seconds, 60.0))
        if ended.exit_code:
            raise SandboxError(
                f"{what} in {self._image_name} failed: {ended.out.text().strip()[-300:] or ended.exit_code}",
                hint="the image needs sh, tar, head, wc, rm and xargs, and the tree must fit the sandbox's disk",
            )
        if ended.timed_out:
            raise SandboxError(f"{what} in {self._image_name} took too long.")

    def _exec(
        self, argv: Sequence[str], stdin: IO[bytes], timeout_seconds: float, *, side_bytes: int = 0
    ) -> streams.Ended:
        ended = streams.Ended(processes.Clipped(self._limits.output_bytes))
        deadline = time.monotonic() + timeout_seconds
        with _told(f"the container of {self._image_name}"):
            made = self._api.exec_create(self._container, list(argv), stdin=True, user=_RUNNER, workdir=_WORK)[
                "Id"
            ]
            stream = self._api.exec_start(made, socket=True)
            try:
                raw: socket.socket = stream._sock
                ended.timed_out = not streams.converse(raw, stdin, ended, side_bytes, deadline)
                if ended.timed_out:
                    self._kill_everything(raw, ended, side_bytes)
                else:
                    ended.exit_code = self._exit_code(made)
            finally:
                _hang_up(stream)
        return ended

    def _exit_code(self, made: str) -> int:
        patience = time.monotonic() + _KILL_SECONDS
        while True:
            try:
                found = self._api.exec_inspect(made)
            except docker.errors.APIError:
                if self._is_alive():
                    raise
                break  # Podman forgets a command with its container
            if not found["Running"] and found["ExitCode"] is not None:
                if found["ExitCode"] == 137 and not self._answers():
                    break
                return int(found["ExitCode"])
            if time.monotonic() > patience or not self._is_alive():
                break
            time.sleep(0.01)
        raise SandboxError(f"the container of {self._image_name} ended in the middle of a command.", hint=_HINT)

    def _answers(self) -> bool:
        """Whether commands still run inside; the engine's own word comes a moment late when a container dies."""
        try:
            made = self._api.exec_create(self._container, ["true"], user=_RUNNER)["Id"]
            self._api.exec_start(made)
            return bool(self._api.exec_inspect(made)["ExitCode"] == 0)
        except docker.errors.APIError:
            return False

    def _is_alive(self) -> bool:
        try:
            return bool(self._api.inspect_container(self._container)["State"]["Running"])
        except docker.errors.NotFound:
            return False

    def _kill_everything(self, raw: socket.socket, ended: streams.Ended, side_bytes: int) -> None:
        """Kill all processes but the main one, which is another user's; if that fails, take a new container."""
        with contextlib.suppress(docker.errors.APIError):
            made = self._api.exec_create(self._container, ["sh", "-c", _KILL], user=_RUNNER)["Id"]
            self._api.exec_start(made)
            if self._api.exec_inspect(made)["ExitCode"] == 0 and streams.converse(
                raw, io.BytesIO(), ended, side_bytes, time.monotonic() + _KILL_SECONDS
            ):
                return
        self.close()
        self.start()


def _inodes(disk: int) -> int:
    """How many files a bounded directory may have: empty ones take memory of the kernel's."""
    return max(disk // 2048, 1024)


def _hang_up(stream: Any) -> None:
    """Close what `exec_start` and `attach_socket` gave: a wrapper, the socket in it and the response around it."""
    for part in (getattr(stream, "_response", None), getattr(stream, "_sock", None), stream):
        if part is not None:
            with contextlib.suppress(OSError, ValueError):  # ValueError: closed already with another part
                part.close()


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns whatever the engine or the way to it throws into a SandboxError."""
    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise SandboxError(f"{what}: {_short(error)}", hint=_HINT) from error


def _short(error: Exception) -> str:
    text = str(getattr(error, "explanation", "") or error).strip().split("\n")[0]
    return text if len(text) <= 300 else text[:299] + "…"


def _digest(image: Mapping[str, Any]) -> str:
    found = str(image["Id"])
    return found if found.startswith("sha256:") else f"sha256:{found}"


def _with_tag(image: str) -> str:
    last = image.rsplit("/", 1)[-1]
    return image if ":" in last or "@" in last else f"{image}:latest"
