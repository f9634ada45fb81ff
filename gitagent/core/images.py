"""Which container image a project asks for, from its configuration and its files; text in, a choice out."""

import configparser
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

DEVCONTAINERS = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""Where a devcontainer description may lie, the first one found counts."""

DOCKERFILES = (".gitagent/Dockerfile",)
"""Where a project may describe an image of its own."""

_NAME = re.compile(
    r"(?=.{1,512}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(?::[0-9]+)?(?:/[a-z0-9][a-z0-9._-]*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?\Z"
)

_REQUIREMENTS = re.compile(
    r"((test|dev)[-_])?requirements([-_](test|tests|dev))?\.txt|requirements/[\w-]+\.txt|constraints\.txt"
)
_TEST_GROUPS = ("test", "tests", "testing", "dev")
_DEPENDENCY_BYTES = 1_000_000

_DEFAULTS = (
    (("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "tox.ini"), "python:3.12-slim"),
    (("package.json",), "node:22-slim"),
    (("Cargo.toml",), "rust:1-slim"),
    (("go.mod",), "golang:1"),
    (("pom.xml",), "maven:3-eclipse-temurin-21"),
    (("build.gradle", "build.gradle.kts"), "gradle:8-jdk21"),
)


def devcontainer_of(paths: Collection[str]) -> str | None:
    """The devcontainer description that counts among a tree's files, None if there is none."""
    return next((path for path in DEVCONTAINERS if path in paths), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChoice:
    """An image and why. `stated`: the project or user named it; otherwise it is our guess by language.

    `dockerfile` is the path of a description to build the image from, and `image` is then "".
    """

    image: str
    why: str
    stated: bool
    dockerfile: str = ""


def choose(
    configured: str | None, paths: Collection[str], devcontainer: str | None = None
) -> tuple[ImageChoice | None, tuple[str, ...]]:
    """The image for a project with these files, or None if nothing tells; and notes about what was passed over.

    `configured` is the user's own setting, `devcontainer` the text of the first of DEVCONTAINERS. Raises nothing:
    a description that cannot be used is a note.
    """
    notes: list[str] = []
    if configured:
        return ImageChoice(image=configured, why="set under [sandbox]", stated=True), ()
    if devcontainer is not None:
        image, problem = devcontainer_image(devcontainer)
        if image:
            return ImageChoice(image=image, why="from the devcontainer", stated=True), ()
        notes.append(f"the devcontainer was passed over: {problem}")
    for path in DOCKERFILES:
        if path in paths:
            return ImageChoice(image="", why=f"from {path}", stated=True, dockerfile=path), tuple(notes)
    for marks, image in _DEFAULTS:
        if mark := next((mark for mark in marks if mark in paths), None):
            return ImageChoice(image=image, why=f"the usual one for {mark}", stated=False), tuple(notes)
    if any(path.endswith(".py") for path in paths):
        return ImageChoice(image="python:3.12-slim", why="the usual one for Python", stated=False), tuple(notes)
    return None, tuple(notes)


def devcontainer_image(text: str) -> tuple[str, str]:
    """The image a devcontainer.json names, or "" and why there is none to use."""
    try:
        described = json.loads(without_comments(text))
    except (ValueError, RecursionError):
        return "", "it is not JSON with comments"
    if not isinstance(described, dict):
        return "", "it is not an object"
    image = described.get("image")
    if isinstance(image, str) and image:
        return (image, "") if is_image_name(image) else ("", f"{image[:80]!r} is no image name")
    if "build" in described or "dockerFile" in described:
        return "", "it builds an image, which is not done yet"
    if "dockerComposeFile" in described:
        return "", "it uses a compose file"
    return "", "it names no image"


def is_image_name(text: str) -> bool:
    """Whether a text is a name an engine can look up: no option, no variable, no space."""
    return bool(_NAME.match(text))


def without_comments(text: str) -> str:
    """JSON without `//` and `/* */` comments and commas before a closing bracket; strings stay as they are."""
    out: list[str] = []
    at = 0
    token = re.compile(
        r'"(?:[^"\\]|\\.)*"?|//[^\n]*|/\*.*?(?:\*/|\Z)|,(?=(?:\s|//[^\n]*+|/\*(?>(?:(?!\*/).)*)\*/)*+[}\]])',
        re.DOTALL,
    )
    for match in token.finditer(text):
        out.append(text[at : match.start()])
        found = match.group()
        if found.startswith('"'):
            out.append(found)
        elif found != ",":
            out.append(" ")
        at = match.end()
    return "".join([*out, text[at:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to build an image: the files of its context by path, which of them is the Dockerfile, and the base image.

    `base` is "" where the project's own Dockerfile names it. `why` says in words what it is made from.
    """

    base: str
    dockerfile: str
    files: Mapping[str, bytes] = field(hash=False)
    why: str

    def digest(self, base_id: str) -> str:
        """The sha256 hex over all files and the base image's id: the name such an image is found again by."""
        found = hashlib.sha256(f"{base_id}\0{self.dockerfile}\0".encode())
        for path, data in sorted(self.files.items()):
            found.update(f"{path}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
        return found.hexdigest()


def recipe(choice: ImageChoice, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe | None:
    """How to build what a choice asks for: a project's Dockerfile, or the usual image with its Python dependencies.

    `read` gives a file's bytes. None if there is nothing to build. Files that look like credentials, and
    all but dependency files, are never among the recipe's.
    """
    if choice.dockerfile:
        own = read(choice.dockerfile) or b""
        return Recipe(base="", dockerfile="Dockerfile", files={"Dockerfile": own}, why=choice.dockerfile)
    if choice.stated or not any(path.endswith(".py") for path in paths):
        return None
    files = {
        path: data
        for path in sorted(paths)
        if _REQUIREMENTS.fullmatch(path) and (data := read(path)) is not None and len(data) <= _DEPENDENCY_BYTES
    }
    wanted = [f"{'-c' if path == 'constraints.txt' else '-r'} {path}" for path in files]
    sources = list(files)
    for path, names in (("pyproject.toml", _of_pyproject), ("setup.cfg", _of_setup_cfg)):
        if path in paths and (
            declared := names((read(path) or b"")[:_DEPENDENCY_BYTES].decode("utf-8", "replace"))
        ):
            wanted += declared
            sources.append(path)
    if not any(re.match(r"pytest\b", line, re.IGNORECASE) for line in wanted):
        wanted.append("pytest")
    files["gitagent-dependencies.txt"] = "".join(f"{line}\n" for line in wanted).encode()
    files["Dockerfile"] = (
        f"FROM {choice.image}\nWORKDIR /opt/gitagent-environment\nCOPY . .\n"
        "RUN PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore python3 -m pip install "
        "--no-cache-dir --disable-pip-version-check -r gitagent-dependencies.txt\nWORKDIR /\n"
    ).encode()
    why = f"the dependencies in {', '.join(sources)}" if sources else "pytest alone, no dependency file was found"
    return Recipe(base=choice.image, dockerfile="Dockerfile", files=files, why=why)


def _of_pyproject(text: str) -> list[str]:
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    project = told.get("project")
    project = project if isinstance(project, dict) else {}
    found = [project.get("dependencies")]
    for groups in (project.get("optional-dependencies"), told.get("dependency-groups")):
        if isinstance(groups, dict):
            found += [groups.get(name) for name in _TEST_GROUPS]
    return [line for lines in found if isinstance(lines, list) for line in lines if _is_requirement(line)]


def _of_setup_cfg(text: str) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    told = [parser.get("options", "install_requires", fallback="")]
    told += [parser.get("options.extras_require", name, fallback="") for name in _TEST_GROUPS]
    return [line.strip() for lines in told for line in lines.split("\n") if _is_requirement(line.strip())]


def _is_requirement(line: object) -> bool:
    """Whether a line names a package: no option of pip, no path, no address, nothing over several lines."""
    return isinstance(line, str) and bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*[^\n\r@:/\\]{0,300}", line))
