"""Files that decide what runs, where and how: not a bot's to change on the way."""

import configparser
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

_RULES = (
    (r"(^|/)(conftest\.py|pytest\.ini|\.pytest\.ini|pytest\.toml|\.pytest\.toml|\.coveragerc|noxfile\.py)$",
     "how the tests run is changed"),
    (r"(^|/)(sitecustomize|usercustomize)\.py$|\.pth$", "what every interpreter starts with is changed"),
    (r"^(src/)?(pytest|_pytest|unittest|pluggy)(\.py$|/)", "a module in place of the test runner"),
    (r"(^|/)(jest|vitest|vite|karma|playwright|cypress)\.config\.[cm]?[jt]s$|(^|/)\.mocharc(\.|$)|(^|/)phpunit\.xml",
     "how the tests run is changed"),
    (r"^\.(github|gitlab|circleci|buildkite|woodpecker|azure-pipelines|ci)/|^\.gitlab-ci\.yml$|^\.travis\.yml$"
     r"|^\.drone\.yml$|^\.cirrus\.yml$|^appveyor\.yml$|^\.appveyor\.yml$|^azure-pipelines\.ya?ml$|(^|/)Jenkinsfile$"
     r"|^bitbucket-pipelines\.yml$|(^|/)action\.ya?ml$", "continuous integration is changed"),
    (r"(^|/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock|uv\.lock"
     r"|pdm\.lock|Pipfile\.lock|Cargo\.lock|go\.sum|Gemfile\.lock|composer\.lock|gradle\.lockfile|pylock(\.[^/]*)?\.toml"
     r"|constraints[^/]*\.txt)$", "a lock file is changed"),
    (r"^\.(githooks|husky)/|^\.pre-commit-(config|hooks)\.yaml$|^lefthook\.ya?ml$"
     r"|^hooks/(applypatch-msg|commit-msg|post-(checkout|commit|merge)|pre-(commit|push))$", "a git hook is changed"),
    (r"(^|/)\.git(attributes|modules|config)$", "what git does with files is changed"),
    (r"^\.gitagent(\.|/|$)|^AGENTS\.md$", "what gitagent is told is changed"),
    (r"(^|/)__snapshots__/|\.snap$", "what tests compare with is changed"),
)  # fmt: skip


def machinery(path: str, old: str | None, new: str | None) -> str:
    """What is wrong with touching this path at all, in words; "" if nothing is."""
    said = next((words for pattern, words in _RULES if re.search(pattern, path, re.IGNORECASE)), "")
    if said:
        return said
    name = path.rpartition("/")[2]
    read = {"pyproject.toml": _pyproject, "setup.cfg": _ini, "tox.ini": _ini, "package.json": _package}.get(name)
    if read is not None and read(old or "") != read(new or ""):
        return "how the tests run is changed"
    return ""


def _pyproject(text: str) -> object:
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError:
        return text  # what cannot be read is the same only if it is the same
    return [tool.get(name) for name in ("pytest", "coverage", "tox", "nox", "gitagent")] if tool else [None] * 5


def _ini(text: str) -> object:
    reader = configparser.RawConfigParser(strict=False)
    try:
        reader.read_string(text)
    except configparser.Error:
        return text
    return {
        section: dict(reader[section])
        for section in reader.sections()
        if re.match(r"(tool:)?pytest|testenv|tox|coverage:", section)
    }


def _package(text: str) -> object:
    try:
        found: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    if not isinstance(found, Mapping):
        return text
    return [found.get(name) for name in ("scripts", "jest", "mocha", "vitest", "ava", "nyc", "c8")]
