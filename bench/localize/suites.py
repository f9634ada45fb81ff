"""The tests that a real fix turns green: those of the new release's source archive, run on the sources before it.

Source archives and what their tests need are fetched by name with pip (with uv, where that is installed, as it is
quicker), and kept in the cache. Strangers' tests run in bubblewrap, without a network.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.localize import releases
from bench.localize.cases import Case
from bench.repositories import git
from gitagent import proving
from gitagent.adapters import sandboxes
from gitagent.adapters.git import GitRepository
from gitagent.core import testing
from gitagent.errors import GitagentError
from gitagent.ports import Sandbox
from gitagent.records import SandboxLimits, TestRun
from gitagent.tree import Tree

LIMITS = SandboxLimits(timeout_seconds=120.0, memory_bytes=4 * 1024**3, processes=512)
MOST_TESTS = 10
_PIP = ("-m", "pip", "--no-input", "--disable-pip-version-check")
_WANTED = re.compile(r"^(?:unit)?(?:tests?|testing|dev|pytest)$", re.IGNORECASE)
_REQUIREMENTS = re.compile(
    r"^(?:requirements?[-_/.])?(?:tests?|testing|dev|pytest)(?:[-_]requirements?)?\.(?:txt|in)$|^requirements/[^/]*tests?[^/]*\.(?:txt|in)$"
    r"|^tests?/requirements[^/]*\.txt$",
    re.IGNORECASE,
)
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|tests?)\.py$")
_ODD = re.compile(r"(?:^|/)\.git|[\"\n\\]")
_IMPORT = re.compile(r"^\s*(?:from|import)\s+([A-Za-z_]\w*)", re.MULTILINE)
# What test suites import without always saying so, under the name it is installed by.
HELPERS = {
    "anyio": "anyio", "attr": "attrs", "flaky": "flaky", "freezegun": "freezegun", "httpbin": "httpbin", "hypothesis":
    "hypothesis", "mock": "mock", "pretend": "pretend", "pytest_asyncio": "pytest-asyncio", "pytest_httpbin":
    "pytest-httpbin", "pytest_mock": "pytest-mock", "requests": "requests", "trio": "trio", "trustme": "trustme",
    "uvicorn": "uvicorn", "yaml": "pyyaml", "simplejson": "simplejson", "pytz": "pytz", "sqlalchemy": "sqlalchemy",
    "testfixtures": "testfixtures", "time_machine": "time-machine", "webtest": "webtest", "babel": "babel",
    "tomli_w": "tomli-w", "ephemeral_port_reserve": "ephemeral-port-reserve", "sybil": "sybil", "six": "six",
    "docutils": "docutils", "lxml": "lxml", "jaraco": "jaraco.functools", "path": "path", "werkzeug": "werkzeug",
    "greenlet": "greenlet", "watchdog": "watchdog", "cryptography": "cryptography", "brotli": "brotli", "jwt": "pyjwt",
    "validators": "validators",
}  # fmt: skip
_PLUGIN = re.compile(r"\bpytest-(?!cov\b|xdist\b)[a-z][a-z-]*[a-z]\b")
_UNABLE = "its tests do not run here"
ALWAYS = ("pytest", "pytest-mock", "pytest-asyncio")


class FellOut(Exception):
    """Why a fix has no failing test to be measured with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A fix with its tests: `base` has the sources before it and the tests of the release that has it.

    `red` are tests that fail there and pass on the new sources.
    """

    case: Case
    base: str
    red: tuple[str, ...]
    sandbox: Sandbox


def archive(package: str, version: str, cache: Path) -> Path | None:
    """The release's source archive, or None if there is none to be had."""
    folder = cache / "archives" / f"{package}-{version}"
    if not folder.exists():
        folder.mkdir(parents=True)
        argv = [sys.executable, *_PIP, "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder)]
        subprocess.run([*argv, f"{package}=={version}"], capture_output=True, check=False, timeout=300)
    return next(iter(sorted(folder.glob("*.tar.gz"))), None)


def files(source: Path) -> dict[str, bytes]:
    """What is in a source archive, by path below its one folder."""
    found = {}
    with tarfile.open(source) as tar:
        for member in tar:
            opened = tar.extractfile(member) if member.isfile() and member.size < 4_000_000 else None
            if opened is not None:
                found[member.name.partition("/")[2]] = opened.read()
    return found


def suite(case: Case, cache: Path, old_version: str) -> Suite:
    """The fix's tests, known to fail before it and to pass after. Raises FellOut if there are none."""
    new, old = (archive(case.package, version, cache) for version in (case.version, old_version))
    if new is None or old is None:
        raise FellOut("no source archive")
    after, before = files(new), files(old)
    if not any(_TEST_FILE.search(path) for path in after):
        raise FellOut("its source archive holds no tests")
    changed = [path for path, data in after.items() if _TEST_FILE.search(path) and before.get(path) != data]
    if not changed:
        raise FellOut("the release changed no test")
    wheels = [releases.wheel(case.package, version, cache) for version in (old_version, case.version)]
    if any(wheel is None or not wheel.name.endswith("-none-any.whl") for wheel in wheels):
        raise FellOut("not pure Python")
    sources = [_contents(wheel) for wheel in wheels if wheel is not None]
    beside = {path: data for path, data in after.items() if not _is_packaged(path, sources[1])}
    changed = [path for path in changed if path in beside]
    trees = [{**own, **beside} for own in sources]
    base, tip = (
        _commit(case, parent, tree, name)
        for parent, tree, name in zip((case.base, case.tip), trees, ("base", "tip"), strict=True)
    )
    known = cache / "red" / f"{case.package}-{case.version}.json"
    if not known.exists():
        # What a release needed then may not run on this Python, and what there is now may not run the release.
        red, why, chosen = [], "", ""
        for day in (_made_on(new), ""):
            python = _environment(case, wheels[1], after, cache, day)
            red, why = _red(case, base, tip, changed, sandboxes.choose("bubblewrap", python=str(python)).sandbox)
            chosen = str(python.relative_to(cache))
            if not why.startswith(_UNABLE):
                break
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps([red, why, chosen]))
    red, why, chosen = json.loads(known.read_text())
    if not red:
        raise FellOut(why)
    sandbox = sandboxes.choose("bubblewrap", python=str(cache / chosen)).sandbox
    return Suite(case=case, base=base, red=tuple(red[:MOST_TESTS]), sandbox=sandbox)


def _made_on(source: Path) -> str:
    """The day a source archive was made and two months, as its newest file tells."""
    with tarfile.open(source) as tar:
        newest = max((member.mtime for member in tar if member.isfile()), default=0)
    return (datetime.fromtimestamp(newest, UTC) + timedelta(days=60)).date().isoformat()


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {
            info.filename: opened.read(info)
            for info in opened.infolist()
            if not info.is_dir() and ".dist-info/" not in info.filename and info.file_size < 4_000_000
        }


def _is_packaged(path: str, packaged: Mapping[str, bytes]) -> bool:
    """Whether a file of the archive is one the wheel has too, wherever the archive keeps its sources."""
    return any(
        path.partition(prefix)[2] in packaged for prefix in ("src/", "lib/", "py/") if path.startswith(prefix)
    ) or (path in packaged and not _TEST_FILE.search(path))


def _commit(case: Case, parent: str, tree: Mapping[str, bytes], name: str) -> str:
    """A commit with these files, one above the release's own."""
    ref = f"refs/heads/tested-{name}-{case.version}"
    stream = [b"commit %s\ncommitter Bench <bench@localhost> 1600000000 +0000\n" % ref.encode()]
    stream.append(b"data 0\nfrom %s\ndeleteall\n" % parent.encode())
    for path, data in tree.items():
        if not _ODD.search(path):
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    git(case.repository, "fast-import", "--quiet", "--force", stdin=b"".join(stream))
    return git(case.repository, "rev-parse", ref)


def _environment(case: Case, wheel: Path | None, after: Mapping[str, bytes], cache: Path, day: str) -> Path:
    """The interpreter of an environment with the release and whatever it says its tests need.

    With a `day` nothing newer goes in, which only uv can do.
    """
    folder = cache / "environments" / f"{case.package}-{case.version}{'-then' if day else ''}"
    python = folder / "bin" / "python"
    if (folder / "made").exists():
        return python
    uv = shutil.which("uv")
    subprocess.run(
        [uv, "venv", "-q", "--python", sys.executable, str(folder)]
        if uv
        else [sys.executable, "-m", "venv", str(folder)],
        capture_output=True,
        check=True,
    )
    install = (
        [uv, "pip", "install", "-q", "--python", str(python)] if uv else [str(python), *_PIP, "install", "-q"]
    )
    install += ["--exclude-newer", day] if uv and day else []
    extras, wanted = _needs(wheel, after)
    own = f"{case.package}[{','.join(extras)}]=={case.version}" if extras else f"{case.package}=={case.version}"
    plain = f"{case.package}=={case.version}"
    for attempt in ([own, *ALWAYS, *wanted], [own, *ALWAYS], [plain, *ALWAYS]):
        done = subprocess.run([*install, *attempt], capture_output=True, check=False, timeout=600)
        if done.returncode == 0:
            break
    else:
        return python  # without the release in it, so that its tests do not run
    for path, data in after.items():
        if _REQUIREMENTS.search(path):
            written = folder / hashlib.sha256(path.encode()).hexdigest()[:8]
            lines = [
                line for line in data.decode("utf-8", "replace").split("\n") if not line.strip().startswith("-")
            ]
            written.write_text("\n".join(lines))
            subprocess.run([*install, plain, "-r", str(written)], capture_output=True, check=False, timeout=600)
    (folder / "made").write_text("")
    return python


def _needs(wheel: Path | None, after: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    """Extras for tests that the wheel offers, and what else the archive says or its tests import."""
    extras: list[str] = []
    if wheel is not None:
        with zipfile.ZipFile(wheel) as opened:
            name = next(one for one in opened.namelist() if one.endswith(".dist-info/METADATA"))
            offered = re.findall(
                r"^Provides-Extra: (\S+)", opened.read(name).decode("utf-8", "replace"), re.MULTILINE
            )
        extras = [extra for extra in offered if _WANTED.search(extra)]
    wanted: list[str] = []
    try:
        project = tomllib.loads(after.get("pyproject.toml", b"").decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        project = {}
    for group, items in project.get("dependency-groups", {}).items():
        if _WANTED.search(group):
            wanted += [item for item in items if isinstance(item, str)]
    imported = {
        name
        for path, data in after.items()
        if _TEST_FILE.search(path) or path.endswith("conftest.py")
        for name in _IMPORT.findall(data.decode("utf-8", "replace"))
    }
    for path in ("pyproject.toml", "setup.cfg", "tox.ini", "pytest.ini"):
        wanted += _PLUGIN.findall(after.get(path, b"").decode("utf-8", "replace"))
    return extras, [*wanted, *sorted(HELPERS[name] for name in imported & HELPERS.keys())]


def _red(case: Case, base: str, tip: str, changed: Sequence[str], sandbox: Sandbox) -> tuple[list[str], str]:
    """The tests that fail before the fix and pass after, and why there are none."""
    repository = GitRepository(str(case.repository))
    try:
        after = _run(repository, tip, changed, sandbox)
        passed = set(after.having("passed"))
        if not passed:
            return [], f"{_UNABLE} on the new sources ({after.reason[:60]})"
        before = _run(repository, base, changed, sandbox)
    except GitagentError as error:
        return [], f"{_UNABLE} ({str(error)[:60]})"
    failing = before.having("failed", "error")
    red = [test for test in failing if test in passed]
    # A module that cannot be loaded without the fix fails as a whole.
    red += [test for test in failing if test not in passed and any(testing.lies_in(one, test) for one in passed)]
    return red, "" if red else "no test fails without the fix"


def _run(repository: GitRepository, commit: str, tests: Sequence[str], sandbox: Sandbox) -> TestRun:
    tree = Tree(repository, commit)
    command = testing.detect(tree.entries, tree.on_base)
    with sandbox.open(lambda directory: repository.checkout(commit, directory), LIMITS) as workspace:
        return proving.run_tests(
            workspace,
            command,
            tests=tests,
            tree=repository.tree(commit),
            sandbox=sandbox.identity(),
            timeout_seconds=LIMITS.timeout_seconds,
        )
