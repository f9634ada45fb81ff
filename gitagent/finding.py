"""What is known before planning: the red tests, the lines they make suspicious, the files worth reading."""

import re
from collections.abc import Callable, Mapping, Sequence

from gitagent import proving, remembering
from gitagent.certifying import Certifier
from gitagent.core import localizing, testing
from gitagent.core.retrieval.suspected import rescored
from gitagent.errors import RequestError
from gitagent.ports import Index, Steps, Workspace
from gitagent.records import Coverage, Findings, Place, Request, Shown, TestResult, TestRun
from gitagent.tree import Tree

TRACED_SECONDS = 20.0
READ_FILES = 60
MOST_SYMBOLS = 500
SAID_CHARACTERS = 4_000
MOST_HEARD = 5
"""Tests whose words are read; more of them say the same again."""

_FAILED = re.compile(r"^E(?: {2,}|$)(.*)$", re.MULTILINE)


def red_tests(request: Request, base_run: TestRun) -> tuple[TestResult, ...]:
    """The tests to be mended. Raises RequestError if base cannot tell, or those asked for do not fail there."""
    if base_run.state == "inconclusive":
        slow = base_run.exit_code is None
        raise RequestError(
            f"the tests do not run on base {request.base[:12]}: {base_run.reason}. Nothing was committed.",
            hint="GITAGENT_TESTS_TIMEOUT_SECONDS=900 gitagent fix …"
            if slow
            else 'gitagent fix --python VENV …, or --test-command "…"',
        )
    by_id = {result.id: result for result in base_run.results}
    names = proving.red_tests(base_run, request.tests)
    return tuple(by_id.get(name, TestResult(id=name, outcome="failed")) for name in names)


def findings(
    request: Request,
    tree: Tree,
    workspace: Workspace,
    certifier: Certifier,
    base_run: TestRun,
    red: tuple[TestResult, ...],
    leaves_alone: Callable[[str], bool],
    index: Index | None = None,
    steps: Steps | None = None,
) -> Findings:
    """Trace the red tests and rank what they ran. `leaves_alone` says of a path, and tells, that it may not change.

    The index is asked where no test shows what it ran, and where the request has words of its own beside the tests.
    """
    coverage: tuple[Coverage, ...] = ()
    if red:
        tests = to_trace(base_run, red, request.tests)
        seconds = trace_seconds(base_run, certifier.timeout_seconds)
        asked = (base_run.tree, base_run.sandbox, certifier.command.argv, tests)
        known = steps.known("trace", *asked) if steps else None
        if known is None:
            coverage = proving.trace(workspace, certifier.command, tests=tests, timeout_seconds=seconds)
            if steps:
                steps.keep("trace", *asked, answer=remembering.coverage_to(coverage))
        else:
            coverage = remembering.coverage_of(known)
        coverage = localizing.about(coverage, [result.id for result in red])
    of_tests = test_files(tree, red)
    # A test may start what it tests as a script, which no coverage sees: its own words lead there.
    said = [request.text, *(localizing.test_source(result.id, of_tests) for result in red)]
    places: tuple[Place, ...] = ()
    if index is not None and not coverage:
        messages = (result.message[:SAID_CHARACTERS] for result in red[:3])
        found = index.places(request.base, "\n\n".join([*said, *messages]))
        places = tuple(place for place in found if tree.is_source(place.path))
    spoken = [place.path for place in places] or localizing.files_by_words("\n".join(said), tree.entries)
    named = [path for path in spoken if tree.is_source(path)]
    files = [path for path in localizing.files_by_coverage(coverage, named) if tree.is_source(path)]
    texts = {path: text for path in files[:READ_FILES] if (text := tree.on_base(path)) is not None}
    ran = {path for one in coverage for path in one.lines}
    for path in [path for path in texts if tree.refusal(path)]:
        if path in ran:
            leaves_alone(path)
        del texts[path]
    suspects = localizing.rank(
        coverage, red, {**of_tests, **texts}, request.text, test_paths=lambda path: not tree.is_source(path)
    )
    if index is not None and coverage and request.source != "test":
        # What a test runs and what a request says err in different ways: together they find more than either.
        shown = Shown(suspects=suspects, words=words(red, of_tests))
        joined = index.places(request.base, request.text, shown=shown)
        places = tuple(place for place in joined if tree.is_source(place.path))
        suspects = rescored(suspects, index.symbols(request.base, request.text, most=MOST_SYMBOLS, shown=shown))
    best = dict.fromkeys([suspect.path for suspect in suspects] + list(texts))
    sizes = {path: text.count("\n") for path, text in texts.items()}
    return Findings(red=red, suspects=suspects, files=tuple(best), sizes=sizes, places=places, coverage=coverage)


def to_trace(run: TestRun, red: Sequence[TestResult], asked: Sequence[str]) -> tuple[str, ...]:
    """What to run again for its coverage, () for the whole suite.

    The whole suite tells lines apart best; where it is slow, or was not run, the red tests' files do.
    """
    if run.seconds < TRACED_SECONDS and not asked:
        return ()
    return tuple(dict.fromkeys(result.id.split("::")[0] for result in red))


def trace_seconds(run: TestRun, timeout_seconds: float) -> float:
    """How long tests that took so long by themselves may take when they are traced."""
    return min(timeout_seconds, 30 + 20 * run.seconds)


def test_files(tree: Tree, red: Sequence[TestResult]) -> dict[str, str]:
    """The texts of the files that hold these tests, by path."""
    paths = dict.fromkeys(result.id.split("::")[0] for result in red)
    return {path: text for path in paths if (text := tree.on_base(path)) is not None}


def words(red: Sequence[TestResult], texts: Mapping[str, str]) -> str:
    """What the tests say of themselves: names, texts, where they failed and of what."""
    said: list[str] = []
    for result in red[:MOST_HEARD]:
        message = result.message[: SAID_CHARACTERS * 4]
        failed = [match.strip() for match in _FAILED.findall(message)]
        frames = [
            f'File "{path}", line {line}, in {name}'
            for path, line, name in localizing.frames(message)
            if not testing.is_test_path(path)
        ]
        told = [*frames, *failed] if failed else [message[:SAID_CHARACTERS]]
        said += [result.id.rpartition("::")[2], localizing.test_source(result.id, texts), *told]
    return "\n".join(said)


def by_words(request: Request, tree: Tree, index: Index | None) -> Findings:
    """What the request's words alone lead to, nothing run."""
    found = index.places(request.base, request.text) if index is not None else ()
    places = tuple(place for place in found if tree.is_source(place.path))
    named = [place.path for place in places] or localizing.files_by_words(request.text, tree.entries)
    files = tuple(path for path in named if tree.is_source(path))
    sizes = {path: text.count("\n") for path in files[:READ_FILES] if (text := tree.on_base(path)) is not None}
    return Findings(files=files, sizes=sizes, places=places)
