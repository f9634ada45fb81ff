"""Certificates that hold, and each way in which one does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_notes import GitNotes
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import certificates, testing
from gitagent.core.certificates import Certificate, Place, Ran
from gitagent.errors import SandboxError
from gitagent.records import SandboxLimits
from gitagent.tree import Tree
from gitagent.verifying import Verification, Verifier
from tests.fakes import FakeSandbox, FakeWorker, Texts
from tests.proofs import lean_python
from tests.test_pipeline import GOOD, TASK, World, Writing

Git = Callable[..., str]


class Proven(World):
    """A repository with a proven commit, and its certificate."""

    def __init__(self, repo: Path, git: Git) -> None:
        super().__init__(repo, git)
        self.more = {"notes": GitNotes(GitRepository(str(repo)))}
        self.workers = [FakeWorker("templates", GOOD)]
        report = self.pursue()
        self.tip = report.commits[-1].oid
        self.text = self.more["notes"].read(self.tip)
        self.certificate = certificates.read(self.text)
        self.sandbox = FakeSandbox(lambda texts: "a + b" in texts["calc.py"])

    def verify(self, certificate: Certificate | str | None, *, commit: str = "", run: bool = True) -> Verification:
        text = certificates.text_of(certificate) if isinstance(certificate, Certificate) else certificate
        repository = GitRepository(str(self.root))
        verifier = Verifier(repository, self.sandbox, SandboxLimits(), configured="check")
        return verifier.verify(commit or self.tip, text, run=run)

    def judging(self, judge: Callable[[Texts], bool]) -> None:
        self.sandbox = FakeSandbox(judge)


@pytest.fixture
def proven(repo: Path, git: Git) -> Proven:
    return Proven(repo, git)


def test_it_holds_when_base_and_tip_say_the_same_again(proven: Proven, untouched: Callable[[Path], str]) -> None:
    before = untouched(proven.root)
    found = proven.verify(proven.text)
    assert (found.answer, found.commit) == ("holds", proven.tip)
    assert found.reasons[0].startswith("run again, all 1 tests came out as certified")
    assert set(found.runs or ()) == {"base", "tip", "base again", "tip again"}
    assert untouched(proven.root) == before
    assert all(workspace.closed for workspace in proven.sandbox.opened)


def test_without_a_run_nothing_is_confirmed(proven: Proven) -> None:
    found = proven.verify(proven.text, run=False)
    assert found.answer == "cannot tell" and "no test was run" in found.reasons[0]
    assert proven.sandbox.opened == []


def test_without_a_certificate_nothing_can_be_told(proven: Proven) -> None:
    assert proven.verify(None).answer == "cannot tell"


@pytest.mark.parametrize("run", [True, False])
def test_what_was_edited_moved_or_made_elsewhere_is_refused_before_any_run(proven: Proven, run: bool) -> None:
    made = proven.certificate
    other = proven.git(proven.root, "rev-parse", "HEAD~1")
    place = replace(made.tip, tree=made.base.tree)
    cases = [
        (proven.text.replace("check", "chock"), "", "it was edited"),
        (made, proven.base, f"it is for commit {proven.tip[:12]}, not for {proven.base[:12]}: it was moved"),
        (replace(made, tip=place), "", "the commit has"),
        (replace(made, base=replace(made.base, commit="e" * 40)), "", "is not in the history"),
        (replace(made, base=replace(made.base, commit=other)), "", "its base tree is"),
        (replace(made, environment="fake:sha256:1"), "", "the tests run in fake:sha256:0 here: another image"),
        (replace(made, command=("true",)), "", "another command"),
        (replace(made, state="failed", reason="no"), "", "the verdict was failed: no"),
        (replace(made, red=("other",)), "", "its own table of tests says inconclusive"),
        (replace(made, tests={"(whole suite)": ("failed", "failed")}), "", "its own table of tests says failed"),
        (replace(made, runs=()), "", "its own table of tests says inconclusive"),
    ]
    for certificate, commit, why in cases:
        found = proven.verify(certificate, commit=commit, run=run)
        assert found.answer == "does not hold" and why in " ".join(found.reasons), (why, found.reasons)
    assert proven.sandbox.opened == []


def test_a_forged_proof_is_found_out_by_running_it(proven: Proven) -> None:
    proven.judging(lambda texts: False)
    found = proven.verify(proven.text)
    assert found.answer == "does not hold"
    assert "run again, the verdict is failed: 1 red test still failing" in found.reasons[0]
    assert "(whole suite) is failed to failed, certified as failed to passed" in found.reasons


def test_a_proof_of_what_was_never_broken_is_found_out_too(proven: Proven) -> None:
    proven.judging(lambda texts: True)
    assert "passed to passed, certified as failed to passed" in proven.verify(proven.text).reasons[-1]


def test_tests_left_out_of_or_put_into_the_table_are_found(proven: Proven) -> None:
    more = {**proven.certificate.tests, "invented": ("passed", "passed")}
    found = proven.verify(replace(proven.certificate, tests=more))
    assert found.answer == "does not hold"
    assert found.reasons[1:] == ("invented is absent to absent, certified as passed to passed",)


def test_what_comes_out_differently_from_run_to_run_is_neither_held_nor_refused(proven: Proven) -> None:
    # The second run on base is the third sandbox.
    proven.judging(lambda texts: "a + b" in texts["calc.py"] or len(proven.sandbox.opened) > 2)
    found = proven.verify(proven.text)
    assert found.answer == "cannot tell"
    assert "came out differently when run again: (whole suite)" in found.reasons[0]


def test_tests_that_cannot_be_run_here_prove_nothing_either_way(proven: Proven) -> None:
    def broken(texts: Texts) -> bool:
        raise SandboxError("the engine went away")

    proven.judging(broken)
    with pytest.raises(SandboxError):
        proven.verify(proven.text)


def test_a_flaky_test_may_come_out_as_it_likes(proven: Proven) -> None:
    tests = {"(whole suite)": ("failed", "passed")}
    assert proven.verify(replace(proven.certificate, tests=tests, flaky=("moody",))).answer == "holds"


def test_what_is_called_flaky_to_hide_that_it_broke_is_brought_up(repo: Path, git: Git) -> None:
    (repo / "test_sums.py").write_text(
        "from pkg.deep.sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n\n\n"
        "def test_same():\n    assert add(3, 3) == 0\n"
    )
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "test")
    base = git(repo, "rev-parse", "HEAD")
    (repo / "pkg/deep/sums.py").write_text("def add(a, b):\n    return a + b\n")
    git(repo, "commit", "--quiet", "-am", "mend")
    repository, sandbox = GitRepository(str(repo)), UnsandboxedSandbox(lean_python())
    tip, red = git(repo, "rev-parse", "HEAD"), "test_sums.py::test_add"
    tree = Tree(repository, base)
    command = testing.detect(tree.entries, tree.on_base).argv
    log = "sha256:" + "0" * 64
    runs = [
        Ran(where=where, argv=command, state=state, exit_code=code, seconds=1.0, log=log)
        for where, state, code in (("base", "failed", 1), ("tip", "passed", 0))
    ]
    forged = Certificate(
        gitagent="1",
        state="passed",
        reason="",
        base=Place(commit=base, tree=repository.tree(base)),
        tip=Place(commit=tip, tree=repository.tree(tip)),
        environment=sandbox.identity(),
        command=command,
        scope=(),
        red=(red,),
        runs=tuple(runs),  # type: ignore[arg-type]
        tests={red: ("failed", "passed")},
        flaky=("test_sums.py::test_same",),
    )
    found = Verifier(repository, sandbox, SandboxLimits()).verify(tip, certificates.text_of(forged))
    assert found.answer == "cannot tell"
    assert found.reasons == (
        "test_sums.py::test_same is certified as flaky, but passed twice on base and failed twice on tip",
    )
    honest = replace(forged, flaky=())
    assert Verifier(repository, sandbox, SandboxLimits()).verify(tip, certificates.text_of(honest)).answer == (
        "does not hold"
    )


def test_tests_that_were_changed_on_the_way_are_pointed_at(repo: Path, git: Git) -> None:
    world = World(repo, git)
    (repo / "test_calc.py").write_text("def test_x():\n    assert True\n    assert 1\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "test")
    world.base = git(repo, "rev-parse", "HEAD")
    world.more = {"notes": GitNotes(GitRepository(str(repo)))}
    world.workers = [Writing("api", {"calc.py": GOOD, "test_calc.py": "def test_x():\n    assert True\n"})]
    world.planners.append(world.planned(TASK, replace(TASK, id="t2", path="test_calc.py", excerpt="")))
    tip = world.pursue(allow_test_changes=True).commits[-1].oid
    verifier = Verifier(GitRepository(str(repo)), world.sandbox, SandboxLimits(), configured="check")
    found = verifier.verify(tip, world.more["notes"].read(tip))
    assert found.answer == "holds" and "look closer: the change tampers with" in found.reasons[-1]
