"""Whether a certificate holds: what can be said at once, and what the tests say when they are run again."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal

from gitagent import proving
from gitagent.core import certificates, tampering, testing, verdicts
from gitagent.core.certificates import Certificate
from gitagent.errors import RepositoryError, RequestError
from gitagent.ports import Repository, Sandbox, Workspace
from gitagent.records import SandboxLimits, TestCommand, TestRun, Verdict
from gitagent.tree import Tree

Answer = Literal["holds", "does not hold", "cannot tell"]
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer about one commit's certificate, with every reason; `runs` are those made for it, by where."""

    commit: str
    answer: Answer
    reasons: tuple[str, ...]
    certificate: Certificate | None = None
    runs: Mapping[str, TestRun] | None = None


class Verifier:
    """Checks certificates of one repository in one environment. `told` hears of each run of tests as it ends."""

    def __init__(
        self,
        repository: Repository,
        sandbox: Sandbox,
        limits: SandboxLimits,
        *,
        configured: str = "",
        told: Callable[[str, TestRun], None] = lambda where, run: None,
    ) -> None:
        self._repository, self._sandbox, self._limits = repository, sandbox, limits
        self._configured, self._told = configured, told

    def verify(self, commit: str, text: str | None, *, run: bool = True) -> Verification:
        """Whether this certificate holds for a commit; without `run` it can only be refused, never confirmed.

        Base and tip are run again in fresh sandboxes, with the project's own command: what the certificate says of
        commands and outcomes is compared, not believed.
        """
        if text is None:
            return Verification(commit=commit, answer="cannot tell", reasons=("there is no certificate for it",))
        try:
            certificate = certificates.read(text)
        except RequestError as error:
            return Verification(commit=commit, answer="does not hold", reasons=(str(error),))
        base_tree = self._base_tree(certificate, commit)
        command = self._command(certificate.base.commit if base_tree else commit)
        problems = certificates.problems(
            certificate,
            commit=commit,
            tree=self._repository.tree(commit),
            base_tree=base_tree,
            environment=self._sandbox.identity(),
            command=command.argv,
        )
        told = verdicts.judge(
            certificates.as_run(certificate, "base"), certificates.as_run(certificate, "tip"), red=certificate.red
        )
        if not problems and told.state != "passed":
            problems = (f"its own table of tests says {told.state}: {told.reason}",)
        if problems:
            return Verification(commit=commit, answer="does not hold", reasons=problems, certificate=certificate)
        if not run:
            reasons = (
                "nothing speaks against it, but no test was run: whoever can write it could have made it up",
            )
            return Verification(commit=commit, answer="cannot tell", reasons=reasons, certificate=certificate)
        return self._run_again(certificate, command)

    def _base_tree(self, certificate: Certificate, commit: str) -> str | None:
        base = certificate.base.commit
        try:
            return self._repository.tree(base) if self._repository.is_ancestor(base, commit) else None
        except RepositoryError:
            return None

    def _command(self, base: str) -> TestCommand:
        tree = Tree(self._repository, base)
        return testing.detect(tree.entries, tree.on_base, configured=self._configured)

    def _run_again(self, certificate: Certificate, command: TestCommand) -> Verification:
        places = {"base": certificate.base, "tip": certificate.tip}
        runs: dict[str, TestRun] = {}

        def made(where: str, tests: Sequence[str], name: str) -> TestRun:
            with self._fresh(places[where].commit) as workspace:
                run = proving.run_tests(
                    workspace,
                    command,
                    tests=tests,
                    tree=places[where].tree,
                    sandbox=certificate.environment,
                    timeout_seconds=self._limits.timeout_seconds,
                )
            runs[name] = run
            self._told(name, run)
            return run

        base, tip = made("base", certificate.scope, "base"), made("tip", certificate.scope, "tip")
        differing = _differing(certificate, base, tip)
        doubtful = dict.fromkeys([*certificate.red, *differing, *certificate.flaky])
        if "inconclusive" not in (base.state, tip.state):
            for run in (base, tip):
                where = "base" if run is base else "tip"
                there = {one.id for one in run.results}
                if asked := [test for test in doubtful if test in there]:
                    made(where, asked, f"{where} again")
        again = (runs.get("base again"), runs.get("tip again"))
        whole = verdicts.judge(base, tip, red=certificate.red, base_again=again[0], tip_again=again[1])
        hidden = [test for test in certificate.flaky if test in whole.pass_to_fail]
        verdict = verdicts.judge(
            _without(base, certificate.flaky),
            _without(tip, certificate.flaky),
            red=certificate.red,
            base_again=again[0],
            tip_again=again[1],
        )
        unable = next((run.reason for run in runs.values() if run.state == "inconclusive"), "")
        answer, reasons = _answer(certificate, verdict, differing, unable)
        if answer == "holds" and hidden:
            answer, reasons = (
                "cannot tell",
                tuple(
                    f"{test} is certified as flaky, but passed twice on base and failed twice on tip"
                    for test in hidden
                ),
            )
        reasons += self._tampering(certificate)
        return Verification(
            commit=certificate.tip.commit, answer=answer, reasons=reasons, certificate=certificate, runs=runs
        )

    def _tampering(self, certificate: Certificate) -> tuple[str, ...]:
        """What became of the tests between base and tip, where it is more than an addition."""
        base, tip = (Tree(self._repository, place.commit) for place in (certificate.base, certificate.tip))
        paths = {path for path in (*base.entries, *tip.entries) if base.entries.get(path) != tip.entries.get(path)}
        files = dict.fromkeys(test.split("::")[0] for test in certificate.red)
        found = tampering.find(
            {path: base.on_base(path) for path in paths},
            {path: tip.on_base(path) for path in paths},
            is_test=testing.is_test_path,
            red=certificate.red,
            tests={path: text for path in files if (text := base.on_base(path)) is not None},
        )
        return (f"look closer: {tampering.told(found)}",) if found else ()

    def _fresh(self, commit: str) -> AbstractContextManager[Workspace]:
        return self._sandbox.open(lambda directory: self._repository.checkout(commit, directory), self._limits)


def _without(run: TestRun, flaky: Sequence[str]) -> TestRun:
    return replace(run, results=tuple(one for one in run.results if one.id not in flaky))


def _differing(certificate: Certificate, base: TestRun, tip: TestRun) -> dict[str, str]:
    """Tests that came out otherwise than certified, each with how; flaky ones were never certified."""
    now = certificates.table(base, tip, without=certificate.flaky)
    found: dict[str, str] = {}
    for test in dict.fromkeys((*certificate.tests, *now)):
        absent = (certificates.ABSENT, certificates.ABSENT)
        said, says = certificate.tests.get(test, absent), now.get(test, absent)
        if said != says:
            found[test] = f"{test} is {' to '.join(says)}, certified as {' to '.join(said)}"
    return found


def _answer(
    certificate: Certificate, verdict: Verdict, differing: Mapping[str, str], unable: str
) -> tuple[Answer, tuple[str, ...]]:
    if unable:
        return "cannot tell", (f"run again: {unable}",)
    steady = [how for test, how in differing.items() if test not in verdict.flaky]
    if steady or verdict.state == "failed":
        return "does not hold", (f"run again, the verdict is {verdict.state}: {verdict.reason}", *_some(steady))
    if verdict.state == "inconclusive":
        return "cannot tell", (f"run again: {verdict.reason}",)
    if differing:
        return "cannot tell", _some([f"{test} comes out differently from run to run" for test in differing])
    narrow = f", only {', '.join(certificate.scope[:_NAMED])} asked" if certificate.scope else ""
    told = f"run again, all {len(certificate.tests)} tests came out as certified{narrow}: {verdict.reason}"
    return "holds", (told,)


def _some(lines: Sequence[str]) -> tuple[str, ...]:
    more = (f"and {len(lines) - _NAMED} more",) if len(lines) > _NAMED else ()
    return (*lines[:_NAMED], *more)
