"""Which container image a project asks for, from its configuration and its files; text in, a choice out."""

import configparser
import hashlib
import json
import posixpath
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

    `dockerfile` is the path of a description to build the image from, and `image` is then "". `context` is the
    folder whose files it may copy, "" for none; `arguments` and `target` are its build arguments and stage.
    """

    image: str
    why: str
    stated: bool
    dockerfile: str = ""
    context: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    target: str = ""


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
        notes += _uncounted(devcontainer)
        if image:
            return ImageChoice(image=image, why="from the devcontainer", stated=True), tuple(notes)
        built, told = _devcontainer_build(devcontainer, devcontainer_of(paths) or DEVCONTAINERS[0], paths)
        if built:
            return built, (*notes, *told)
        notes.append(f"the devcontainer was passed over: {'; '.join(told) or problem}")
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
        return "", "it builds an image"
    if "dockerComposeFile" in described:
        return "", "it uses a compose file"
    return "", "it names no image"


_UNCOUNTED = (
    *("runArgs", "mounts", "workspaceMount", "privileged", "capAdd", "securityOpt", "features", "containerEnv"),
    *("remoteEnv", "remoteUser", "containerUser", "initializeCommand", "onCreateCommand", "postCreateCommand"),
)
_ARGUMENTS, _ARGUMENT_CHARACTERS = 32, 1_000
_CONTEXT_FILES, _CONTEXT_BYTES = 200, 10_000_000
_CREDENTIAL = re.compile(
    r"(^|/)(\.env[^/]*|\.npmrc|\.pypirc|\.netrc|\.git-credentials|id_[a-z0-9]+|credentials[^/]*|[^/]*\.(pem|key|p12|pfx))$"
)


def _described(text: str) -> dict[str, object]:
    try:
        described = json.loads(without_comments(text))
    except (ValueError, RecursionError):
        return {}
    return described if isinstance(described, dict) else {}


def _uncounted(text: str) -> list[str]:
    """What a devcontainer says beside its image: mounts, privileges, network and commands do not count."""
    found = [name for name in _UNCOUNTED if name in _described(text)]
    return [f"of the devcontainer only the image counts, not {', '.join(found)}"] if found else []


def _devcontainer_build(
    text: str, where: str, paths: Collection[str]
) -> tuple[ImageChoice | None, tuple[str, ...]]:
    """The Dockerfile a devcontainer builds its image from, and notes: why not, or what of it is left out.

    Its context is kept to the folder of the description; one that lies at the root gives the Dockerfile alone.
    """
    described = _described(text)
    build = described.get("build")
    build = build if isinstance(build, dict) else {}
    named = build.get("dockerfile", build.get("dockerFile", described.get("dockerFile")))
    if not isinstance(named, str) or not named:
        return None, ()
    folder = where.rpartition("/")[0]
    path = posixpath.normpath(posixpath.join(folder, named))
    if path not in paths:
        return None, (f"its Dockerfile {named[:80]!r} is not in the repository",)
    if folder and not path.startswith(folder + "/"):
        return None, (f"its Dockerfile {path[:80]!r} lies outside {folder}",)
    notes = []
    context = build.get("context", described.get("context", "."))
    if context != ".":
        notes.append(
            f"the devcontainer's context {str(context)[:80]!r} does not count, only {folder or 'its Dockerfile'}"
        )
    given = build.get("args")
    arguments = sorted(given.items())[:_ARGUMENTS] if isinstance(given, dict) else []
    kept = tuple((name, value) for name, value in arguments if _is_argument(name, value))
    if isinstance(given, dict) and len(kept) < len(given):
        notes.append(
            "build arguments of the devcontainer that are too long, too many or take variables are left out"
        )
    target = build.get("target")
    choice = ImageChoice(
        image="",
        why=f"from {path}",
        stated=True,
        dockerfile=path,
        context=folder,
        arguments=kept,
        target=target if isinstance(target, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,100}", target) else "",
    )
    return choice, tuple(notes)


def _is_argument(name: str, value: object) -> bool:
    return (
        bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name))
        and isinstance(value, str)
        and len(value) <= _ARGUMENT_CHARACTERS
        and value.isprintable()
        and "${" not in value
    )


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

    `base` is "" where the project's own Dockerfile names it. `why` says in words what it is made from. `arguments`
    are build arguments, `target` is the stage to stop at, "" for the last.
    """

    base: str
    dockerfile: str
    files: Mapping[str, bytes] = field(hash=False)
    why: str
    arguments: tuple[tuple[str, str], ...] = ()
    target: str = ""

    def digest(self, base_id: str) -> str:
        """The sha256 hex over all files and the base image's id: the name such an image is found again by."""
        found = hashlib.sha256(f"{base_id}\0{self.dockerfile}\0".encode())
        if self.arguments or self.target:
            found.update(f"{self.arguments!r}\0{self.target}\0".encode())
        for path, data in sorted(self.files.items()):
            found.update(f"{path}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
        return found.hexdigest()


def recipe(choice: ImageChoice, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe | None:
    """How to build what a choice asks for: a project's Dockerfile, or the usual image with its dependencies.

    `read` gives a file's bytes. None if there is nothing to build. Files that look like credentials, and
    all but dependency files, are never among the recipe's.
    """
    if choice.dockerfile and choice.context:
        return _of_folder(choice, paths, read)
    if choice.dockerfile:
        own = read(choice.dockerfile) or b""
        return Recipe(
            base="",
            dockerfile="Dockerfile",
            files={"Dockerfile": own},
            why=choice.dockerfile,
            arguments=choice.arguments,
            target=choice.target,
        )
    if not choice.stated and not _speaks_python(paths):
        for manifest, made in (
            ("package.json", _npm),
            ("Cargo.toml", _cargo),
            ("go.mod", _go),
            ("pom.xml", _maven),
        ):
            if manifest in paths:
                return made(choice.image, paths, read)
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


def _speaks_python(paths: Collection[str]) -> bool:
    return any(mark in paths for mark in _DEFAULTS[0][0])


def _of_folder(choice: ImageChoice, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe:
    files: dict[str, bytes] = {}
    left = _CONTEXT_BYTES
    inside = choice.context + "/"
    # The Dockerfile first, whatever else there is no room for.
    for path in sorted(
        (path for path in paths if path.startswith(inside)), key=lambda path: path != choice.dockerfile
    ):
        if len(files) < _CONTEXT_FILES and not _CREDENTIAL.search(path) and (data := read(path)) is not None:
            left -= len(data)
            if left >= 0:
                files[path.removeprefix(inside)] = data
    return Recipe(
        base="",
        dockerfile=choice.dockerfile.removeprefix(inside),
        files=files,
        why=choice.dockerfile,
        arguments=choice.arguments,
        target=choice.target,
    )


_PLACE = "/opt/gitagent-environment"


def _fetched(image: str, files: dict[str, bytes], lines: str, why: str) -> Recipe:
    files["Dockerfile"] = f"FROM {image}\nWORKDIR {_PLACE}\nCOPY . .\n{lines}WORKDIR /\n".encode()
    return Recipe(base=image, dockerfile="Dockerfile", files=files, why=why)


def _named(
    paths: Collection[str], names: Collection[str], read: Callable[[str], bytes | None]
) -> dict[str, bytes]:
    """The files of these names anywhere in the tree but below other people's code, in bounds."""
    found: dict[str, bytes] = {}
    for path in sorted(paths):
        outside = re.search(r"(^|/)(node_modules|vendor|target|third_party|testdata|fixtures?)/", path)
        if path.rpartition("/")[2] in names and not outside and len(found) < _CONTEXT_FILES:
            data = read(path)
            if data is not None and len(data) <= _DEPENDENCY_BYTES:
                found[path] = data
    return found


_NPM_KEYS = ("name", "version", "type", "dependencies", "devDependencies", "optionalDependencies", "peerDependencies",
             "overrides", "engines")  # fmt: skip


def _npm(image: str, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe | None:
    """`npm ci` where there is a lock file of npm's, else `npm install`.

    The project's own scripts are not taken along, as its sources are not there for them, nor packages that are
    paths. Packages are then found from everywhere below the root, since that is where a link to them lies.
    """
    try:
        told = json.loads((read("package.json") or b"")[:_DEPENDENCY_BYTES])
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    kept = {name: told[name] for name in _NPM_KEYS if name in told}
    whole = "workspaces" not in told
    for name in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        group = kept.get(name)
        if isinstance(group, dict):
            kept[name] = {
                package: version
                for package, version in group.items()
                if not re.match(r"(file|link|workspace|portal):|[./~]", str(version))
            }
            whole = whole and len(kept[name]) == len(group)
    files = {"package.json": json.dumps(kept, indent=1).encode()}
    lock = next((name for name in ("npm-shrinkwrap.json", "package-lock.json") if name in paths), "")
    data = read(lock) if lock and whole else None
    command = "install"
    if data is not None and len(data) <= 16 * _DEPENDENCY_BYTES:
        files[lock], command = data, "ci"
    lines = (
        f"RUN npm {command} --no-audit --no-fund --include=dev && mkdir -p node_modules && "
        f"ln -s {_PLACE}/node_modules /node_modules && npm cache clean --force\n"
    )
    why = f"the dependencies in {lock if command == 'ci' else 'package.json'}"
    return _fetched(image, files, lines, why)


def _cargo(image: str, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe:
    files = _named(paths, ("Cargo.toml", "Cargo.lock"), read)
    # Cargo wants to see something to build in each package before it fetches what that needs.
    stubs = "find . -name Cargo.toml -execdir sh -c 'mkdir -p src && touch src/lib.rs && touch src/main.rs' \\;"
    lines = f'RUN {stubs} && cargo fetch && chmod -R a+rX "${{CARGO_HOME:-$HOME/.cargo}}"\n'
    return _fetched(
        image, files, lines, f"the dependencies in {'Cargo.lock' if 'Cargo.lock' in files else 'Cargo.toml'}"
    )


def _go(image: str, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe:
    files = {name: data for name, data in _named(paths, ("go.mod", "go.sum"), read).items() if "/" not in name}
    lines = "ENV GOTOOLCHAIN=local\nRUN go mod download\nENV GOPROXY=off\n"
    return _fetched(image, files, lines, "the dependencies in go.mod")


def _maven(image: str, paths: Collection[str], read: Callable[[str], bytes | None]) -> Recipe:
    files = _named(paths, ("pom.xml",), read)
    # What runs the tests is fetched only when there is a class to look for tests in.
    files["gitagent-stub/GitagentStubTest.java"] = b"class GitagentStubTest {}\n"
    lines = (
        f"ENV MAVEN_OPTS=-Dmaven.repo.local={_PLACE}/repository\n"
        "RUN mkdir -p src/test/java && cp gitagent-stub/*.java src/test/java && "
        "mvn --batch-mode --fail-at-end dependency:go-offline && mvn --batch-mode --fail-at-end test\n"
    )
    return _fetched(image, files, lines, "the dependencies in pom.xml")


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
