"""Chooses where tests run: in a container, else in bubblewrap, and on the bare host only when asked to."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from gitagent.adapters import toolchains
from gitagent.adapters.bubblewrap import BubblewrapSandbox
from gitagent.adapters.engines import engines
from gitagent.adapters.pythons import find_python
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import images
from gitagent.errors import RequestError, SandboxError
from gitagent.ports import Sandbox, Workspace
from gitagent.records import SandboxLimits

if TYPE_CHECKING:
    from gitagent.adapters.docker_sandbox import DockerSandbox

__all__ = ["Choice", "choose", "find_python"]

Name = Literal["auto", "docker", "bubblewrap", "none"]

_HINT = (
    "install docker or podman, or bubblewrap (apt install bubblewrap), "
    "or run the tests on this machine as they are: --sandbox none"
)
_SMALL = SandboxLimits(
    timeout_seconds=30.0, memory_bytes=512 * 1024**2, disk_bytes=64 * 1024**2, output_bytes=10_000
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A sandbox and what the user should know about why it is this one."""

    sandbox: Sandbox
    notes: tuple[str, ...] = ()


def choose(
    name: str,
    *,
    image: str | None = None,
    python: str | None = None,
    repository: str | None = None,
    paths: Collection[str] = (),
    devcontainer: str | None = None,
    needs: Sequence[str] = (),
    read_only: Sequence[str] = (),
    pull: bool = True,
    read: Callable[[str], bytes | None] = lambda path: None,
    base: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
    build: bool = True,
) -> Choice:
    """The sandbox of this name ("auto", "docker", "bubblewrap", "none"), known to work.

    `image` is the configured one; without it `paths` (the tree's files) and `devcontainer` (its text) decide.
    `python` is the configured interpreter, else `find_python(repository)`. `needs` is a command that must
    succeed inside for "auto" to take a sandbox, such as importing pytest: an image guessed by language often
    has none of the project's dependencies, and the host's environment has. `read` gives a file of the tree, to
    build an image from, which begins with `base` where no Dockerfile says; `tell` hears the build. Without
    `build` an image that would have to be built is only told of, and its sandbox opens nothing.
    Raises RequestError for an unknown name, SandboxError naming the choices if nothing works.
    """
    chooser = _Chooser(
        image=image,
        python=python,
        repository=repository,
        paths=paths,
        devcontainer=devcontainer,
        needs=tuple(needs),
        read_only=tuple(read_only),
        pull=pull,
        read=read,
        base=base,
        tell=tell,
        build=build,
    )
    if name == "docker":
        return chooser.docker()
    if name == "bubblewrap":
        return chooser.bubblewrap()
    if name == "none":
        return Choice(
            sandbox=UnsandboxedSandbox(chooser.host_python, repository=repository, toolchains=chooser.toolchains),
            notes=("the tests run on this machine without a sandbox, as you said",),
        )
    if name == "auto":
        return chooser.auto()
    raise RequestError(
        f"{name!r} is no sandbox; there are auto, docker, bubblewrap and none.", hint="gitagent fix --sandbox auto"
    )


class _Unbuilt:
    """A container whose image is yet to be built."""

    name = "docker"

    def identity(self) -> str:
        return "no image yet"

    def open(self, fill: Callable[[str], None], limits: SandboxLimits) -> AbstractContextManager[Workspace]:
        raise SandboxError("the image was not built. Nothing was run.", hint="gitagent fix")


@dataclass(frozen=True, kw_only=True)
class _Chooser:
    image: str | None
    python: str | None
    repository: str | None
    paths: Collection[str]
    devcontainer: str | None
    needs: tuple[str, ...]
    read_only: tuple[str, ...]
    pull: bool
    read: Callable[[str], bytes | None]
    base: str | None
    tell: Callable[[str], None]
    build: bool

    @cached_property
    def host_python(self) -> str:
        return self.python or find_python(self.repository or os.getcwd(), tracked=self.paths)

    @cached_property
    def toolchains(self) -> toolchains.Toolchains:
        return toolchains.find(self.paths, self.repository)

    @cached_property
    def image_choice(self) -> tuple[images.ImageChoice | None, tuple[str, ...]]:
        return images.choose(self.image, self.paths, self.devcontainer)

    def docker(self) -> Choice:
        choice, notes = self.image_choice
        if choice is None:
            raise SandboxError(
                "no image for the tests: nothing says which image to use. Nothing was run.",
                hint="set `image` under [sandbox] in .gitagent.toml",
            )
        if self.base and not choice.stated:
            choice = replace(choice, image=self.base, why="set as the base")
        recipe = images.recipe(choice, self.paths, self.read)
        if recipe is not None:
            if not self.build and not _docker(choice.image, self.pull).has_built(recipe):
                would = f"an image would be built from {recipe.why}" + (
                    f" on {recipe.base}" if recipe.base else ""
                )
                return Choice(sandbox=_Unbuilt(), notes=(*notes, would))
            built = _docker(choice.image, self.pull).built(recipe, self.tell)
            base = f" on {recipe.base}" if recipe.base else ""
            return Choice(sandbox=built, notes=(*notes, f"an image built from {recipe.why}{base}"))
        sandbox = _docker(choice.image, self.pull)
        sandbox.identity()
        return Choice(sandbox=sandbox, notes=(*notes, f"image {choice.image}, {choice.why}"))

    def bubblewrap(self) -> Choice:
        sandbox = self._bubblewrap_sandbox()
        if reason := sandbox.probe():
            raise SandboxError(f"bubblewrap does not work here: {reason}. Nothing was run.", hint=_HINT)
        return Choice(sandbox=sandbox)

    def auto(self) -> Choice:
        choice, notes = self.image_choice
        against: list[str] = [*notes]
        if choice and choice.dockerfile and engines():
            return self.docker()
        container = self._container(choice, against, pull=self.pull and bool(choice and choice.stated))
        if container:
            return Choice(sandbox=container, notes=tuple(against))
        boxed = self._bubblewrap_sandbox()
        if reason := boxed.probe():
            against.append(f"not bubblewrap: {reason}")
        elif not self._lacks(boxed, against):
            return Choice(sandbox=boxed, notes=tuple(against))
        if self.pull and choice and not choice.stated:
            # A guess worth a download only when nothing that is here already will do.
            container = self._container(choice, against, pull=True)
            if container:
                return Choice(sandbox=container, notes=tuple(against))
        told = "; ".join(dict.fromkeys(against))
        raise SandboxError(f"nothing is there to run the tests in: {told}. Nothing was run.", hint=_HINT)

    def _container(self, choice: images.ImageChoice | None, against: list[str], *, pull: bool) -> "Sandbox | None":
        if choice is None or choice.dockerfile:
            why = f"{choice.dockerfile} would have to be built" if choice else "nothing says which image to use"
            against.append(f"not docker: {why}")
            return None
        if not engines():
            against.append("not docker: no container engine answers")
            return None
        sandbox = _docker(choice.image, pull)
        try:
            sandbox.identity()
            if self._lacks(sandbox, against):
                return None
        except SandboxError as error:
            against.append(f"not docker: {error}".removesuffix(" Nothing was run.").rstrip("."))
            return None
        against.append(f"image {choice.image}, {choice.why}")
        return sandbox

    def _bubblewrap_sandbox(self) -> BubblewrapSandbox:
        return BubblewrapSandbox(
            self.host_python, repository=self.repository, read_only=self.read_only, toolchains=self.toolchains
        )

    def _lacks(self, sandbox: Sandbox, against: list[str]) -> bool:
        if not self.needs:
            return False
        with sandbox.open(lambda directory: None, _SMALL) as workspace:
            tried = workspace.run(self.needs, timeout_seconds=_SMALL.timeout_seconds)
        if tried.exit_code:
            said = tried.output.strip().rpartition("\n")[2][:200]
            against.append(f"not {sandbox.name}: what the tests need is not there ({said})")
        return tried.exit_code != 0


def _docker(image: str, pull: bool) -> "DockerSandbox":
    from gitagent.adapters.docker_sandbox import DockerSandbox  # a tenth of a second, for containers only

    return DockerSandbox(image, pull=pull)
