"""How a project runs its tests, found by convention from its files, and what counts as a test."""

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence

from gitagent.core.secrets import redacted
from gitagent.errors import RequestError
from gitagent.records import Runner, TestCommand

Read = Callable[[str], str | None]

# Outside the tree, so that no run leaves a file in it. A run puts a fresh name in its place (see `proving`).
RESULTS = "/tmp/gitagent-results.xml"
SUREFIRE = "./*/surefire-reports/TEST-*.xml"
GRADLE = "./*/test-results/*/TEST-*.xml"
WHOLE_SUITE = "(whole suite)"

_SETTING = 'gitagent fix --test-command "…", or set `command` under [tests] in .gitagent.toml'
_SHELL_WORDS = {"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"}

# Options of plugins that report, spread or measure; they change no outcome, and break where the plugin is absent.
_NEEDLESS = re.compile(
    r"""--(no-)?cov(-[a-z-]+)?$|-n$|-n(\d+|auto|logical)$|--numprocesses$|--dist$|--tx$|--maxprocesses$
    |--maxfail$|-x$|--exitfirst$|--lf$|--last-failed$|--ff$|--failed-first$|--nf$|--new-first$|--sw$|--stepwise$
    |--sw-skip$|--stepwise-skip$|--lfnf$|--last-failed-no-failures$|--cache-clear$|--cache-show$
    |--html$|--self-contained-html$|--css$|--json-report(-[a-z-]+)?$|--junit-?xml$|--color$|--tb$|--pdb$|--trace$
    |--flake8$|--mypy$|--mypy-[a-z-]+$|--black$|--isort$|--pylint(-[a-z-]+)?$|--ruff(-[a-z-]+)?$|--pycodestyle$
    |--pydocstyle$|--pep8$|--flakes$|--codestyle$|--docstyle$|--instafail$|--sugar$|--reruns(-[a-z-]+)?$
    |--spec$|--picked$|--testmon(-[a-z-]+)?$|--looponfail$|-f$|--memray$|--profile(-[a-z-]+)?$|--emoji$""",
    re.VERBOSE,
)
_WITH_VALUE = re.compile(
    r"""--cov(-report|-config|-fail-under|-context)?$|-n$|--numprocesses$|--dist$|--tx$|--maxprocesses$|--maxfail$
    |--html$|--css$|--lfnf$|--junit-?xml$|--color$|--tb$|--reruns(-delay)?$|--last-failed-no-failures$
    |--mypy-[a-z-]+$|--pylint-[a-z-]+$|--json-report-file$""",
    re.VERBOSE,
)

_TEST_FILES = re.compile(
    r"""(^|/)(test_[^/]*|[^/]*_tests?|tests?|conftest)\.py$
    |\.(test|spec)\.[cm]?[jt]sx?$|(^|/)test[-_.]?[^/]*\.[cm]?js$|(^|/)[^/]*[-_.]test\.[cm]?js$
    |_test\.go$
    |(^|/)[^/]*_test\.rs$|(^|/)tests?\.rs$
    |(^|/)(Test[^/]*|[^/]*(Tests?|IT|TestCase|Spec))\.(java|kt|kts|groovy|scala)$
    |(^|/)(pytest\.ini|\.pytest\.ini|pytest\.toml|\.pytest\.toml)$""",
    re.VERBOSE,
)
_TEST_FOLDERS = re.compile(r"(^|/)(tests?|testing|__tests__|__mocks__|__snapshots__|spec|testdata)/")
_PYTEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")


def is_test_path(path: str) -> bool:
    """Whether a file belongs to the tests rather than to what is tested, by its language's convention."""
    return bool(_TEST_FILES.search(path) or _TEST_FOLDERS.search(path))


def detect(paths: Collection[str], read: Read, *, configured: str = "") -> TestCommand:
    """The project's test command, with the evidence in `why`.

    `paths` are all files of the tree, `read` gives the text of one. `configured` is a command line split
    without a shell; it wins. Raises RequestError if nothing is found, or the configured line needs a shell.
    """
    if configured.strip():
        return _configured(configured, paths, read)
    found = _strong_python(paths, read) or _by_manifest(paths, read) or _weak_python(paths, read)
    if found is None:
        raise RequestError(
            "no tests found: no test files or test script of a known kind. Nothing was run.", hint=_SETTING
        )
    return found


def selected_argv(command: TestCommand, tests: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs only these tests; all of them where the runner cannot choose.

    Raises RequestError if an id could be taken for an option.
    """
    as_pattern = command.runner == "npm"  # no id is then a word of its own
    for test in tests:
        if not test or "\0" in test or (not as_pattern and (test[0] in "-@" or "\n" in test)):
            raise RequestError(f"{test!r} is no test id. No test was run.", hint="gitagent fix --test FILE::TEST")
    if not tests or command.select is None or WHOLE_SUITE in tests:
        return command.argv
    if command.runner == "go":
        names = sorted({re.escape(test.rpartition(".")[2].split("/")[0]) for test in tests})
        return (*command.argv, *command.select, f"^({'|'.join(names)})$")
    if command.runner == "maven":
        chosen = ",".join("#".join(test.rsplit(".", 1)) for test in tests)
        return (*command.argv, *command.select, f"-Dtest={chosen}")
    if command.runner == "gradle":
        return (*command.argv, *(word for test in tests for word in (*command.select, test)))
    if command.runner == "npm":
        return _npm_selected(command.argv, command.select, tests)
    return (*command.argv, *command.select, *tests)


def _npm_selected(argv: tuple[str, ...], select: tuple[str, ...], tests: Sequence[str]) -> tuple[str, ...]:
    """Runners of npm's world take a pattern of titles, and some of them files.

    Titles come in ids as `file > suite > test`, by mocha with the suites' titles in one; runners put them together
    with spaces. node's own gives no files, and before version 22 compares the innermost title alone.
    """
    if select[0] == "--test-name-pattern":
        titles = sorted({_title_pattern(test.rpartition(" > ")[2]) for test in tests})
        # Its options come before the files.
        return (*argv[:2], f"{select[0]}=(^|\\s)({'|'.join(titles)})$", *argv[2:])
    apart = [test.partition(" > ") if _JS_FILE.match(test) else ("", "", test) for test in tests]
    files = sorted({file for file, _, _ in apart})
    chosen = list(argv)
    if all(title for _, _, title in apart):
        titles = sorted({_title_pattern(title) for _, _, title in apart})
        chosen += [select[0], f"^({'|'.join(titles)})$"]
    if select[0] == "-t" and all(files) and not any(file.startswith("-") for file in files):
        chosen += [*select[1:], *files]
    return tuple(chosen)


_JS_FILE = re.compile(r"[^\n]*?\.[cm]?[jt]sx?($| > )")


def _title_pattern(title: str) -> str:
    parts = [r"\s+".join(re.escape(word) for word in part.split()) for part in title.split(" > ")]
    return r"(\s+>)?\s+".join(parts)


def normal_id(asked: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """The test ids somebody means by `tests/test_x.py::TestA::test_b`, `test_b` or `tests/test_x.py`.

    Those of `known` that are the one named, lie in it (a file, a class, a parametrized test), or end in it;
    in the order of `known`. Without `known`, the name itself, tidied up.
    """
    name = asked.strip().replace("\\", "/") if "::" in asked or ".py" in asked else asked.strip()
    while name.startswith("./"):
        name = name[2:]
    if not known:
        return (name,)
    if name in known:
        return (name,)
    inside = tuple(test for test in known if lies_in(test, name))
    if inside:
        return inside
    tail = re.compile(rf"(^|::|/|\.|#|\s){re.escape(name)}($|::|\[| > )")
    ending = tuple(test for test in known if tail.search(test))
    if ending or "." not in name or "/" in name:
        return ending
    dotted = name.replace("::", ".")
    return tuple(test for test in known if f".{_dotted(test)}.".find(f".{dotted}.") >= 0)


def lies_in(test: str, place: str) -> bool:
    """Whether a test id is below another: in that file, folder or class, or one set of parameters of it."""
    if not test.startswith(place):
        return False
    rest = test[len(place) :]
    inside = "::" in rest or " > " in rest
    return rest.startswith(("::", "[", " > ")) or ((place.endswith("/") or rest.startswith("/")) and inside)


def file_of(test: str) -> str:
    """The file a test id begins with, in the runner's own notation; an id without one as it is."""
    return re.split("::| > ", test, maxsplit=1)[0]


def _dotted(test: str) -> str:
    path, _, rest = test.partition("::")
    return path.removesuffix(".py").replace("/", ".") + "." + rest.split("[")[0].replace("::", ".")


def _configured(line: str, paths: Collection[str], read: Read) -> TestCommand:
    if redacted(line) != line:  # it is in every verdict, and in the certificate that others run again
        raise RequestError(
            "the test command holds what looks like a credential, and would be written down. Nothing was run.",
            hint="let the command be a script of the project's own that finds the credential itself",
        )
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise RequestError(
            f"tests.command = {line!r} cannot be split into words: {error}.", hint=_SETTING
        ) from error
    if not words:
        raise RequestError("tests.command is empty.", hint=_SETTING)
    if _SHELL_WORDS & set(words):
        hint = f"gitagent fix --test-command {shlex.quote('sh -c ' + shlex.quote(line))}"
        raise RequestError(f"tests.command = {line!r} needs a shell, and none is used.", hint=hint)
    why = "the configured test command"
    if words == ["npm", "test"] and "package.json" in paths and (npm := _npm(read)):
        return npm
    at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] in ("pytest", "py.test")), None)
    if at is not None:
        options, notes = _pytest_options(paths, read)
        argv = (*words[: at + 1], *options, *words[at + 1 :])
        return TestCommand(
            runner="pytest", argv=argv, select=(), reader="junit", results=RESULTS, why=_joined(why, notes)
        )
    runner: Runner = "custom"
    select: tuple[str, ...] | None = None
    if "unittest" in words and words[0].rpartition("/")[2].startswith("python"):
        runner = "unittest"
        select = () if words[-1].startswith("-") or words[-1] == "unittest" else None
    elif words[:2] == ["cargo", "test"]:
        runner = "cargo"
        select = None if "--" in words else ("--", "--exact")
    elif words[:2] == ["go", "test"] and "-json" in words:
        runner = "go"
        select = None if "-run" in words else ("-run",)
    return TestCommand(runner=runner, argv=tuple(words), select=select, reader="exit", why=why)


def _strong_python(paths: Collection[str], read: Read) -> TestCommand | None:
    settings = pytest_settings(paths, read)
    if settings is not None:
        return _pytest(paths, read, f"{settings[0]} configures pytest")
    tests = _pytest_files(paths)
    manifest = next((name for name in ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini") if name in paths), "")
    if tests and manifest:
        return _pytest(paths, read, f"{manifest} and {tests[0]}")
    conftest = next(
        (path for path in ("conftest.py", "tests/conftest.py", "test/conftest.py") if path in paths), ""
    )
    return _pytest(paths, read, conftest) if tests and conftest else None


def _weak_python(paths: Collection[str], read: Read) -> TestCommand | None:
    tests = _pytest_files(paths)
    if tests:
        return _pytest(paths, read, tests[0])
    # Files that pytest would not look into, but unittest discovery does (`test*.py`) or is pointed to.
    for path in sorted(path for path in paths if re.search(r"(^|/)tests?[^/]*\.py$", path)):
        text = read(path) or ""
        if re.search(r"^\s*(import unittest|from unittest|from django\.test)", text, re.MULTILINE):
            argv = ("python3", "-B", "-m", "unittest", "-v")
            return TestCommand(runner="unittest", argv=argv, select=(), reader="exit", why=f"{path} uses unittest")
    return None


def _by_manifest(paths: Collection[str], read: Read) -> TestCommand | None:
    if "package.json" in paths and (npm := _npm(read)):
        return npm
    if "Cargo.toml" in paths:
        argv: tuple[str, ...] = ("cargo", "test", "--offline", "--no-fail-fast", "--color", "never")
        return TestCommand(runner="cargo", argv=argv, select=("--", "--exact"), reader="exit", why="Cargo.toml")
    if "go.mod" in paths and any(path.endswith("_test.go") for path in paths):
        argv = ("go", "test", "-json", "./...")
        return TestCommand(runner="go", argv=argv, select=("-run",), reader="exit", why="go.mod")
    if "pom.xml" in paths:
        argv = ("mvn", "--batch-mode", "--offline", "--fail-at-end", "test")
        select = ("-DfailIfNoTests=false", "-Dsurefire.failIfNoSpecifiedTests=false")
        return TestCommand(
            runner="maven", argv=argv, select=select, reader="junit", results=SUREFIRE, why="pom.xml"
        )
    script = next((name for name in ("build.gradle", "build.gradle.kts") if name in paths), "")
    if script:
        start = ("sh", "./gradlew") if "gradlew" in paths else ("gradle",)
        argv = (*start, "--offline", "--console=plain", "--continue", "test")
        return TestCommand(
            runner="gradle", argv=argv, select=("--tests",), reader="junit", results=GRADLE, why=script
        )
    return None


def _npm(read: Read) -> TestCommand | None:
    try:
        manifest = json.loads(read("package.json") or "")
    except (ValueError, RecursionError):
        return None
    scripts = manifest.get("scripts") if isinstance(manifest, dict) else None
    script = scripts.get("test") if isinstance(scripts, dict) else None
    if not isinstance(script, str) or not script.strip() or "no test specified" in script:
        return None
    why = f'package.json: "test": {json.dumps(script)}'
    runner, rest = _script_runner(script)
    if runner == "node":
        argv: tuple[str, ...] = ("node", "--test", "--test-reporter=tap", f"--test-reporter-destination={RESULTS}")
        select: tuple[str, ...] = ("--test-name-pattern",)
        return TestCommand(
            runner="npm", argv=(*argv, *rest), select=select, reader="tap", results=RESULTS, why=why
        )
    # Files may be named where the script names none itself: those would be run beside them.
    name = "-t" if all(word.startswith("-") for word in rest if word != "run") else "--testNamePattern"
    argv = ("npm", "test", "--silent", "--")
    if runner == "vitest":
        argv = (*argv, *(() if "run" in rest else ("--run",)), "--reporter=junit", f"--outputFile={RESULTS}")
        return TestCommand(runner="npm", argv=argv, select=(name,), reader="junit", results=RESULTS, why=why)
    if runner == "jest":
        argv = (*argv, "--json", f"--outputFile={RESULTS}")
        select = (name, "--runTestsByPath") if name == "-t" else (name,)
        return TestCommand(runner="npm", argv=argv, select=select, reader="jest", results=RESULTS, why=why)
    if runner == "mocha":
        argv = (*argv, "--reporter", "xunit", "--reporter-option", f"output={RESULTS}")
        return TestCommand(runner="npm", argv=argv, select=("--grep",), reader="junit", results=RESULTS, why=why)
    return TestCommand(runner="npm", argv=("npm", "test", "--silent"), select=None, reader="exit", why=why)


def _script_runner(script: str) -> tuple[str, list[str]]:
    """The runner that a script starts and the words after it; "" if it is none we know, or does more than that."""
    try:
        words = [] if re.search(r"[&|;<>$`\n]", script) else shlex.split(script)
    except ValueError:
        words = []
    while words and (words[0] in ("cross-env", "npx", "nyc", "c8") or re.match(r"[A-Z_]+=", words[0])):
        del words[0]
    if words[:2] == ["node", "--test"]:
        # Run without npm and its shell, since options have to come before the files.
        odd = words != shlex.split(script) or any("--test-reporter" in word for word in words)
        return ("", []) if odd or re.search(r"[*?]", script) else ("node", words[2:])
    if words[:1] == ["node"]:  # node --experimental-vm-modules node_modules/jest/bin/jest.js
        while words[1:] and words[1].startswith("--"):
            del words[1]
        words = words[1:]
    name = words[0].rpartition("/")[2].removesuffix(".js") if words else ""
    watches = any(word.startswith("--watch") or word == "watch" for word in words)
    return (name, words[1:]) if name in ("vitest", "jest", "mocha") and not watches else ("", [])


def _pytest(paths: Collection[str], read: Read, why: str) -> TestCommand:
    options, notes = _pytest_options(paths, read)
    # -B: bytecode is matched by the source's time in whole seconds and its size, and a one-character fix within
    # the same second would be answered by the old bytecode.
    argv = ("python3", "-B", "-m", "pytest", *options)
    return TestCommand(
        runner="pytest", argv=argv, select=(), reader="junit", results=RESULTS, why=_joined(why, notes)
    )


def _joined(why: str, notes: Sequence[str]) -> str:
    return "; ".join((why, *notes))


def _pytest_options(paths: Collection[str], read: Read) -> tuple[tuple[str, ...], list[str]]:
    """Our options for pytest, and what about the project's own ones was changed, in words."""
    _, settings = pytest_settings(paths, read) or ("", {})
    notes: list[str] = []
    cache = ("-o", "cache_dir=/tmp/gitagent-cache") if "cache_dir" in settings else ("-p", "no:cacheprovider")
    options = ["-q", "--color=no", "--tb=short", "--rootdir=.", "--continue-on-collection-errors", *cache]
    options += ["-o", "junit_family=xunit1", f"--junitxml={RESULTS}"]
    kept, dropped = _without_needless(_words(settings.get("addopts", "")))
    if dropped:
        options += ["-o", f"addopts={shlex.join(kept)}"]
        notes.append(f"left out of addopts: {' '.join(dropped)}")
    if "pythonpath" not in settings and _has_src_layout(paths):
        options += ["-o", "pythonpath=src ."]
        notes.append("src/ put on the import path")
    return tuple(options), notes


def _has_src_layout(paths: Collection[str]) -> bool:
    if "src/__init__.py" in paths:
        return False
    return any(re.fullmatch(r"src/([^/]+/__init__|[^/]+)\.py", path) for path in paths)


def _words(addopts: object) -> list[str]:
    if isinstance(addopts, list):
        return [str(word) for word in addopts]
    try:
        return shlex.split(str(addopts))
    except ValueError:
        return []


def _without_needless(words: Iterable[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    dropped: list[str] = []
    takes_value = False
    for word in words:
        if takes_value and not word.startswith("-"):
            dropped.append(word)
            takes_value = False
            continue
        name, equals, _ = word.partition("=")
        takes_value = False
        if _NEEDLESS.match(name):
            dropped.append(word)
            takes_value = not equals and bool(_WITH_VALUE.match(name))
        else:
            kept.append(word)
    return kept, dropped


def pytest_settings(paths: Collection[str], read: Read) -> tuple[str, dict[str, object]] | None:
    """The file that configures pytest at the root, and its settings; None if there is none.

    In pytest's own order of preference. A file that cannot be parsed counts as not there.
    """
    for name in ("pytest.toml", ".pytest.toml"):
        if name in paths and (table := _table(read(name), "pytest")) is not None:
            return name, table
    for name in ("pytest.ini", ".pytest.ini"):
        if name in paths:
            return name, _section(read(name), "pytest") or {}
    if "pyproject.toml" in paths:
        table = _table(read("pyproject.toml"), "tool", "pytest")
        if table is not None:
            options = table.get("ini_options", table)
            return "pyproject.toml", options if isinstance(options, dict) else {}
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        if name in paths and (found := _section(read(name), section)) is not None:
            return name, found
    return None


def _table(text: str | None, *keys: str) -> dict[str, object] | None:
    try:
        here: object = tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return None
    for key in keys:
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else None


def _section(text: str | None, section: str) -> dict[str, object] | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text or "")
    except configparser.Error:
        return None
    return {key: value or "" for key, value in parser[section].items()} if section in parser else None


def _pytest_files(paths: Collection[str]) -> list[str]:
    outside = re.compile(r"(^|/)(node_modules|\.venv|venv|site-packages|vendor|third_party)/")
    return sorted(path for path in paths if _PYTEST_FILE.search(path) and not outside.search(path))
