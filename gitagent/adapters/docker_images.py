"""Images of a project's dependencies, built once and found again by a label with the digest of what they come from.

The context holds the dependency files (or the one Dockerfile) and nothing else of the repository or the user.
Building may use the network, as installing packages must; what is built is then run without one.
"""

import contextlib
import fcntl
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitagent.core.images import Recipe
from gitagent.errors import SandboxError

LABEL = "gitagent.environment"
"""Every image we build has it, with the recipe's digest."""

BUILD_SECONDS, SILENT_SECONDS = 1_200.0, 300
IMAGE_BYTES = 12 * 1024**3
_TOLD_LINES = 12
_HINT = "mend the dependency files, or name an image that has what the tests need: `image` under [sandbox]"


def known(api: Any, recipe: Recipe) -> str:
    """The id of the image for a recipe, "" if it would have to be built, or its base be fetched."""
    import docker.errors

    try:
        return _found(api, recipe.digest(_base_id(api, recipe, False)))
    except docker.errors.ImageNotFound:
        return ""


def ensure(
    api: Any,
    recipe: Recipe,
    *,
    pull: bool,
    tell: Callable[[str], None] = lambda line: None,
    silent_seconds: int = SILENT_SECONDS,
    most_bytes: int = IMAGE_BYTES,
) -> str:
    """The id of the image for a recipe; built if it is not there, once however many ask at the same time.

    A build that says nothing for `silent_seconds`, or makes an image of more than `most_bytes`, has failed. Raises
    SandboxError with the build's last lines if it fails, and then no image is left behind.
    """
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions  # requests lets it through where the answer comes in pieces

    try:
        base = _base_id(api, recipe, pull)
        key = recipe.digest(base)
        if found := _found(api, key):
            return found
        with _alone(key):
            if found := _found(api, key):
                return found  # somebody else has built it meanwhile
            tell(f"building an image for {recipe.why}")
            _build(api, recipe, key, tell, silent_seconds)
            if found := _found(api, key):
                size = int(api.inspect_image(found)["Size"])
                if size > most_bytes:
                    api.remove_image(found, force=True)
                    raise SandboxError(
                        f"the image for {recipe.why} takes {size / 1e9:.1f} GB, more than {most_bytes / 1e9:.1f}. "
                        "It was removed, nothing was run.",
                        hint=_HINT,
                    )
                return found
    except urllib3.exceptions.ReadTimeoutError as error:
        raise SandboxError(
            f"building the image for {recipe.why} said nothing for {silent_seconds} s. Nothing was run.",
            hint=_HINT,
        ) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        said = str(getattr(error, "explanation", "") or error).strip().split("\n")[0][:300]
        raise SandboxError(
            f"the image for {recipe.why} cannot be built: {said}. Nothing was run.", hint=_HINT
        ) from error
    raise SandboxError(f"the image for {recipe.why} was built and is not there. Nothing was run.", hint=_HINT)


def _base_id(api: Any, recipe: Recipe, pull: bool) -> str:
    import docker.errors

    try:
        return str(api.inspect_image(recipe.base)["Id"]) if recipe.base else ""
    except docker.errors.ImageNotFound:
        if not pull:
            raise
        for line in api.pull(
            recipe.base if ":" in recipe.base else f"{recipe.base}:latest", stream=True, decode=True
        ):
            if "error" in line:
                raise docker.errors.APIError(str(line["error"])) from None
        return str(api.inspect_image(recipe.base)["Id"])


def _found(api: Any, key: str) -> str:
    images = api.images(filters={"label": f"{LABEL}={key}"})
    return str(images[0]["Id"]) if images else ""


@contextlib.contextmanager
def _alone(key: str) -> Iterator[None]:
    """One build of a digest at a time on this machine; the lock ends with the process that holds it."""
    path = os.path.join(tempfile.gettempdir(), f"gitagent-build-{os.getuid()}-{key[:16]}.lock")
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(handle)


def _build(api: Any, recipe: Recipe, key: str, tell: Callable[[str], None], silent_seconds: int) -> None:
    lines: list[str] = []
    deadline = time.monotonic() + BUILD_SECONDS
    answer = api.build(
        fileobj=_context(recipe.files),
        custom_context=True,
        dockerfile=recipe.dockerfile,
        labels={LABEL: key},
        network_mode=os.environ.get("GITAGENT_BUILD_NETWORK") or None,
        buildargs=dict(recipe.arguments),
        target=recipe.target or None,
        timeout=silent_seconds,  # from one line to the next; hanging up ends the build
        rm=True,
        forcerm=True,
        decode=True,
        use_config_proxy=False,  # the user's proxy settings may hold a password
        container_limits={"memory": 4 * 1024**3, "memswap": 4 * 1024**3},
    )
    try:
        for event in answer:
            text = str(event.get("stream") or event.get("error") or "")
            for line in (part.strip() for part in text.split("\n")):
                if line:
                    lines = [*lines[-_TOLD_LINES:], line[:300]]
                    tell(line[:300])
            if "error" in event:
                told = "\n".join(lines)
                raise SandboxError(
                    f"building the image for {recipe.why} failed:\n{told}\nNothing was run.", hint=_HINT
                )
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"building the image for {recipe.why} took more than {BUILD_SECONDS:.0f} s. Nothing was run.",
                    hint=_HINT,
                )
    finally:
        answer.close()


def _context(files: Mapping[str, bytes]) -> io.BytesIO:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    archive.seek(0)
    return archive
