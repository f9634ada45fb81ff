"""Which container image a project asks for, from its configuration and its files; text in, a choice out."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

DEVCONTAINERS = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""Where a devcontainer description may lie, the first one found counts."""

DOCKERFILES = (".gitagent/Dockerfile",)
"""Where a project may describe an image of its own."""

_NAME = re.compile(
    r"(?=.{1,512}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(?::[0-9]+)?(?:/[a-z0-9][a-z0-9._-]*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?\Z"
)

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
