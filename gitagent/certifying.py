"""Verdicts on changed trees, from test runs in fresh sandboxes; each run and verdict is told as an event."""

from collections.abc import Mapping
from dataclasses import replace

from gitagent import proving
from gitagent.core import verdicts
from gitagent.core.testing import file_of, selected_argv
from gitagent.events import Noted, TestsFinished, TestsStarted, VerdictReached
from gitagent.ports import Ports, Scratch, Workspace
from gitagent.records import Request, SandboxLimits, TestCommand, TestRun, Verdict
from gitagent.searching import Budget
from gitagent.workspaces import Workspaces

MOST_FLAKY = 20


class Certifier:
    """What the tests say of a request's base and of changes to it. `suite` is the whole suite's run on base."""

    def __init__(
        self,
        ports: Ports,
        request: Request,
        command: TestCommand,
        workspaces: Workspaces,
        budget: Budget,
        limits: SandboxLimits,
        *,
        run: str = "",
    ) -> None:
        self.command = command
        self.suite: TestRun | None = None
        self._ports, self._request, self._workspaces = ports, request, workspaces
        self._budget, self._limits, self._run = budget, limits, run

    @property
    def timeout_seconds(self) -> float:
        """What one run of the tests may take now."""
        return self._budget.cap(self._limits.timeout_seconds)

    def tests(
        self, workspace: Workspace, where: str, tests: tuple[str, ...] = (), *, tree: str = "", turn: int = 0
    ) -> TestRun:
        """One run of these tests, or of the whole suite; `turn` is 1 for a second run of the same.

        A first run on base may be one that was paid for before; any other was made by this run of ours, of this very
        tree, if it is not made now. Raises OutOfBudget if the run's limit stopped it.
        """
        sandbox = self._ports.sandbox.identity()
        tree = tree or self._ports.repository.tree(self._request.base)
        self._ports.stream(TestsStarted(where=where, argv=self.command.argv, sandbox=sandbox, tests=len(tests)))
        run = self._known(where, tests, tree, sandbox, turn)
        took_seconds = 0.0
        if run is None:
            run = proving.run_tests(
                workspace,
                self.command,
                tests=tests,
                tree=tree,
                sandbox=sandbox,
                timeout_seconds=self.timeout_seconds,
                planted=where == "tip" and turn > 0,
            )
            took_seconds = run.seconds
            if self._ports.verdicts is not None:
                self._ports.verdicts.put(run, turn=turn, maker=self._run)
        elif where == "base" and not turn:
            told = "the tests on base are known from an earlier run of this tree, and were not run again"
            self._ports.stream(Noted(level="info", text=told))
        self._ports.stream(
            TestsFinished(
                where=where,
                state=run.state,
                passed=len(run.having("passed")),
                failed=len(run.having("failed", "error")),
                skipped=len(run.having("skipped")),
                reason=run.reason,
                took_seconds=round(took_seconds, 3),
            )
        )
        if run.exit_code is None:
            self._budget.check()  # stopped by the run's limit, not by its own: that says nothing about the tests
        return run

    def _known(self, where: str, tests: tuple[str, ...], tree: str, sandbox: str, turn: int) -> TestRun | None:
        """A run that need not be paid for again, None if it must be made."""
        if self._ports.verdicts is None:
            return None
        # The host's own state is in no digest of the sandbox "none", and what a flaky test said once proves nothing.
        ours_alone = where != "base" or turn > 0 or sandbox.startswith("none:")
        if ours_alone and not self._run:
            return None
        argv = selected_argv(self.command, tests)
        maker = self._run if ours_alone else ""
        return self._ports.verdicts.get(tree, sandbox, argv, turn=turn, maker=maker)

    def certify(self, scratch: Scratch, texts: Mapping[str, str | None], red: tuple[str, ...]) -> Verdict:
        """The whole suite on base and on the changed tree, each in a fresh sandbox and interpreter."""
        base, scope = self._on_base(red)
        with self._workspaces.fresh() as fresh:
            fresh.write(texts)
            self._workspaces.prepare()  # for the second run on base
            return self._judged(base, scope, fresh, scratch.tree_of(texts), red)

    def certify_commit(self, workspace: Workspace, tree: str, red: tuple[str, ...]) -> Verdict:
        """The same for a commit that is made already, in a fresh sandbox that holds its tree."""
        base, scope = self._on_base(red)
        return self._judged(base, scope, workspace, tree, red)

    def _judged(
        self, base: TestRun, scope: tuple[str, ...], fresh: Workspace, tree: str, red: tuple[str, ...]
    ) -> Verdict:
        tip = self.tests(fresh, "tip", scope, tree=tree)
        broken = verdicts.judge(base, tip, red=red).pass_to_fail
        doubtful = tuple(dict.fromkeys([*red, *broken]))

        def again(where: str) -> TestRun:
            if where == "tip":
                return self.tests(fresh, where, doubtful, tree=tip.tree, turn=1)
            with self._workspaces.fresh() as untouched:
                return self.tests(untouched, where, doubtful, turn=1)

        # So many do not break by chance.
        rerun = again if len(broken) <= MOST_FLAKY else None
        verdict = proving.verdict(base, tip, red=red, rerun=rerun)
        verdict = replace(verdict, command=self.command.argv, scope=scope)
        if scope and self.suite is not None and self.suite.state == "inconclusive":
            verdict = replace(verdict, reason=f"{verdict.reason}; only {', '.join(scope)}: {self.suite.reason}")
        self._ports.stream(
            VerdictReached(
                state=verdict.state,
                reason=verdict.reason,
                fail_to_pass=verdict.fail_to_pass,
                pass_to_fail=verdict.pass_to_fail,
                pass_to_pass=len(verdict.pass_to_pass),
                flaky=verdict.flaky,
            )
        )
        return verdict

    def _on_base(self, red: tuple[str, ...]) -> tuple[TestRun, tuple[str, ...]]:
        """The widest run on base that can speak, and the tests it was asked for; () for the whole suite.

        Where the suite as a whole cannot speak, the files of the red tests can, or else the red tests by themselves.
        """
        if self.suite is None:
            with self._workspaces.fresh() as fresh:
                self.suite = self.tests(fresh, "base")
        base, scope = self.suite, tuple[str, ...]()
        for narrower in (tuple(dict.fromkeys(map(file_of, red))), red):
            if base.state != "inconclusive" and all(verdicts.outcome_of(base, test) is not None for test in red):
                break
            if narrower != scope:
                scope = narrower
                with self._workspaces.fresh() as fresh:
                    base = self.tests(fresh, "base", scope)
        return base, scope
