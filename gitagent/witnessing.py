"""What the failing tests of a commit show: for whoever wants to know where to look, and changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitagent import finding, proving
from gitagent.core import localizing, testing
from gitagent.core.testing import lies_in, normal_id
from gitagent.errors import RequestError
from gitagent.ports import Repository, Sandbox, Workspace
from gitagent.records import Coverage, SandboxLimits, Shown, TestCommand, TestResult, TestRun
from gitagent.tree import Tree

OTHERWISE = "gitagent localize --tests runs the whole suite and takes what fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The tests that fail, the run that says so, what each traced test ran, and what all of it shows."""

    run: TestRun
    red: tuple[TestResult, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    shown: Shown = Shown()


class Witness:
    """Runs tests of one commit in a sandbox. `told` hears of each run as it ends."""

    def __init__(
        self,
        repository: Repository,
        sandbox: Sandbox,
        limits: SandboxLimits,
        *,
        configured: str = "",
        told: Callable[[TestRun], None] = lambda run: None,
    ) -> None:
        self._repository, self._sandbox, self._limits = repository, sandbox, limits
        self._configured, self._told = configured, told

    def asked(self, commit: str, tests: Sequence[str], text: str = "") -> Witnessed:
        """What these tests show, or with none of them all that fail; `text` is what is known to be wrong.

        Raises RequestError if the tests do not run, a named one is not there, or does not fail.
        """
        tree = Tree(self._repository, commit)
        command = testing.detect(tree.entries, tree.on_base, configured=self._configured)
        with self._sandbox.open(
            lambda directory: self._repository.checkout(commit, directory), self._limits
        ) as workspace:
            run = self._run(workspace, command, commit, tests)
            if tests and run.state == "inconclusive" and run.exit_code is not None and not _failing(run, tests):
                # A name that is no path, or no test at all: the whole suite knows which are meant, or come near.
                run = self._run(workspace, command, commit, ())
            red = _red(run, tests, commit)
            coverage: tuple[Coverage, ...] = ()
            if red:
                traced = finding.to_trace(run, red, tests)
                seconds = finding.trace_seconds(run, self._limits.timeout_seconds)
                coverage = proving.trace(workspace, command, tests=traced, timeout_seconds=seconds)
        if all(one.outcome not in ("failed", "error") for one in coverage):
            coverage = ()  # what is imported before a test fails says nothing about it
        coverage = localizing.about(coverage, [result.id for result in red])
        return Witnessed(run=run, red=red, coverage=coverage, shown=shown(tree, red, coverage, text))

    def _run(self, workspace: Workspace, command: TestCommand, commit: str, tests: Sequence[str]) -> TestRun:
        run = proving.run_tests(
            workspace,
            command,
            tests=tests,
            tree=self._repository.tree(commit),
            sandbox=self._sandbox.identity(),
            timeout_seconds=self._limits.timeout_seconds,
        )
        self._told(run)
        return run


def shown(tree: Tree, red: Sequence[TestResult], coverage: Sequence[Coverage], text: str = "") -> Shown:
    """What these failing tests say, and the lines they make suspicious."""
    own = finding.test_files(tree, red)
    files = [path for path in localizing.files_by_coverage(coverage, ()) if tree.is_source(path)]
    texts = {path: told for path in files[: finding.READ_FILES] if (told := tree.on_base(path)) is not None}
    suspects = localizing.rank(
        coverage, red, {**own, **texts}, text, test_paths=lambda path: not tree.is_source(path)
    )
    return Shown(suspects=suspects, words=finding.words(red, own))


def _failing(run: TestRun, tests: Sequence[str]) -> tuple[TestResult, ...]:
    """Those of a run's failing tests that are meant: all where none is named, and modules that cannot be loaded."""
    tidy = [normal_id(test)[0] for test in tests]
    return tuple(
        one
        for one in run.results
        if one.outcome in ("failed", "error")
        and one.id != testing.WHOLE_SUITE
        and (not tests or any(lies_in(test, one.id) or lies_in(one.id, test) for test in tidy))
    )


def _red(run: TestRun, tests: Sequence[str], commit: str) -> tuple[TestResult, ...]:
    if run.state == "inconclusive":
        # A module that cannot be loaded ends a run early, and its traceback says most of all why.
        red = _failing(run, tests)
        if red:
            return red
        slow = run.exit_code is None
        raise RequestError(
            f"the tests do not run at {commit[:12]}: {run.reason}. Nothing was ranked.",
            hint="GITAGENT_TESTS_TIMEOUT_SECONDS=900 gitagent localize …"
            if slow
            else 'gitagent localize --python VENV …, or --test-command "…"',
        )
    by_id = {result.id: result for result in run.results}
    names = proving.red_tests(run, tests, where=commit[:12], asker="gitagent localize", otherwise=OTHERWISE)
    return tuple(by_id.get(name, TestResult(id=name, outcome="failed")) for name in names)
