"""Model files on this machine: where they are kept, and fetching one with resume, checksum and progress."""

import hashlib
import http.client
import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gitagent.adapters.llama.header import Header, read_header
from gitagent.errors import ModelError

HUB = "https://huggingface.co"
CHUNK = 1 << 20
TIMEOUT_SECONDS = 30.0
Progress = Callable[[int, int], None]
"""Told the bytes there are and the bytes there will be (0 if the server does not say)."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_FILE = re.compile(r"(?:[\w.-]+/){0,3}[\w.-]{1,150}\.gguf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A model file in the store. `sha256` was checked when it was pulled, "" for files put there by hand."""

    path: str
    size: int
    origin: str
    sha256: str


def models_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where pulled models are: `$GITAGENT_MODELS`, else `gitagent/models` below the user's data directory."""
    chosen = environment.get("GITAGENT_MODELS")
    if chosen:
        return Path(chosen)
    home = environment.get("HOME") or os.path.expanduser("~")
    data = environment.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    return Path(data) / "gitagent" / "models"


def kept(directory: Path) -> tuple[Kept, ...]:
    """The model files in a store, by name."""
    found = []
    for path in sorted(directory.glob("*.gguf")):
        facts = _facts(path)
        found.append(
            Kept(
                path=str(path),
                size=path.stat().st_size,
                origin=facts.get("origin", ""),
                sha256=facts.get("sha256", ""),
            )
        )
    return tuple(found)


def named(directory: Path, name: str) -> Path:
    """The one model a name means: a path, a file of the store, or an unmistakable part of its name.

    Raises ModelError if it is none or several.
    """
    if os.sep in name or Path(name).is_file():
        return Path(name).absolute()
    matching = [Path(one.path) for one in kept(directory) if name.lower() in Path(one.path).name.lower()]
    exact = [path for path in matching if name in (path.name, path.stem)]
    if len(exact or matching) != 1:
        many = ", ".join(path.name for path in matching)
        raise ModelError(
            f"{name}: {'several models have this in their name: ' + many if many else 'no such model'}",
            hint="gitagent models list",
        )
    return (exact or matching)[0]


def pull(
    repository: str,
    file: str,
    *,
    directory: Path,
    hub: str = HUB,
    revision: str = "main",
    sha256: str = "",
    token: str = "",
    progress: Progress = lambda done, total: None,
) -> tuple[Path, Header]:
    """Fetch one GGUF file of a Hugging Face repository into a store.

    What an interrupted pull has fetched is kept beside it as `.part` and gone on with. The file gets its name
    only when its sha256 is the one given, or else the one the server names, and its header is sound. Raises
    ModelError, and then no file of that name was made or changed.
    """
    if (
        not _REPOSITORY.fullmatch(repository)
        or not _FILE.fullmatch(file)
        or ".." in f"{repository}{file}{revision}"
    ):
        raise ModelError(
            f"{repository} {file}: expected OWNER/NAME of a repository and the name of a .gguf file in it",
            hint="gitagent models pull OWNER/NAME-GGUF name-q4_k_m.gguf",
        )
    target = directory / Path(file).name
    if target.exists() and (not sha256 or _facts(target).get("sha256") == sha256):
        return target, read_header(str(target))
    url = f"{hub}/{repository}/resolve/{urllib.parse.quote(revision)}/{urllib.parse.quote(file)}"
    part = target.with_suffix(".gguf.part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        wanted = _fetch(url, part, token, sha256, progress)
        found = _sha256(part)
    except OSError as error:
        raise _unreachable(error, url, part) from error
    if wanted and found != wanted:
        part.unlink()
        raise ModelError(
            f"{file}: its sha256 is {found}, expected {wanted}. It was thrown away.",
            hint=f"gitagent models pull {repository} {file}",
        )
    try:
        header = read_header(str(part))
    except ModelError:
        part.unlink()
        raise
    part.replace(target)
    facts = {"origin": f"{repository} {file} {revision}", "sha256": found}
    target.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
    return target, header


def _fetch(url: str, part: Path, token: str, sha256: str, progress: Progress) -> str:
    """Fetch into the part file, from where it ends; returns the sha256 it should have, "" if nobody says."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "gitagent"})
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    named: list[str] = []
    opener = urllib.request.build_opener(_Redirects(named))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as reply:
            if reply.status != 206:
                have = 0  # the server sends all of it, whatever was asked
            total = have + int(reply.headers.get("Content-Length") or 0)
            named.append(reply.headers.get("X-Linked-Etag") or reply.headers.get("ETag") or "")
            _check_room(url, part.parent, total - have)
            with open(part, "ab" if have else "wb") as out:
                _copy(reply, out, have, total, progress)
    except urllib.error.HTTPError as error:
        named.append(error.headers.get("X-Linked-Etag") or error.headers.get("ETag") or "")
        error.close()
        if error.code != 416 or not have:  # 416: nothing is left to fetch
            raise
    digests = [etag.strip('W/"').lower() for etag in named]
    return sha256.lower() or next((etag for etag in digests if re.fullmatch(r"[0-9a-f]{64}", etag)), "")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as usual, and keeps the checksum that the hub names on the first of them."""

    def __init__(self, named: list[str]) -> None:
        self._named = named

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self._named.append(headers.get("X-Linked-Etag") or "")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_room(url: str, directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise ModelError(
            f"{url}: {needed:,} bytes are to come, and {directory} has room for {free:,}. Nothing was written.",
            hint="GITAGENT_MODELS=/a/larger/disk gitagent models pull REPOSITORY FILE",
        )


def _copy(reply: IO[bytes], out: IO[bytes], have: int, total: int, progress: Progress) -> None:
    progress(have, total)
    while chunk := reply.read(CHUNK):
        out.write(chunk)
        have += len(chunk)
        progress(have, total)
    if have < total:
        raise ConnectionError(f"the connection ended after {have:,} of {total:,} bytes")


def _unreachable(error: OSError, url: str, part: Path) -> ModelError:
    host = urllib.parse.urlsplit(url).netloc
    if isinstance(error, urllib.error.HTTPError):
        told = {401: "it wants a token", 403: "it does not allow this", 404: "it has no such file"}
        says = told.get(error.code, f"it answered {error.code}")
        hint = "export HF_TOKEN=…" if error.code in (401, 403) else "gitagent models list"
        return ModelError(f"{url}: {says}. Nothing was written.", hint=hint)
    reason = getattr(error, "reason", None) or error.strerror or error
    kept_bytes = part.stat().st_size if part.exists() else 0
    held = (
        f"{kept_bytes:,} bytes are kept; the same command goes on from there."
        if kept_bytes
        else "Nothing is kept."
    )
    if isinstance(error, (urllib.error.URLError, TimeoutError, ConnectionError)):
        return ModelError(
            f"{host} cannot be reached: {reason}. {held}",
            hint=f"put a .gguf file into {part.parent}, then: gitagent models use NAME",
        )
    return ModelError(f"{part}: cannot be written: {reason}. {held}")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _facts(path: Path) -> dict[str, str]:
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in facts.items()} if isinstance(facts, dict) else {}
