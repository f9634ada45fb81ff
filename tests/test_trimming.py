"""A model's answer is cut down to what the tests need, and laid out by the project's own tool."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from gitagent import trimming
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.core import diffs
from gitagent.records import Candidate, Execution, Limits, SandboxLimits
from gitagent.searching import Budget
from tests.fakes import FakeSandbox, FakeWorker, FakeWorkspace
from tests.test_pipeline import BASE, GOOD, World

Git = Callable[..., str]
LARGE = (
    '"""Sums."""\nimport os\nimport sys\n\n\ndef add(a, b):\n    total = a + b\n    print(total)\n    return a + b\n'
    "\n\ndef extra():\n    return 1\n"
)


def answer(texts: Mapping[str, str | None], before: Mapping[str, str | None]) -> Candidate:
    diff = diffs.between({path: (before.get(path), text) for path, text in texts.items()})
    return Candidate(task="t", worker="api", diff=diff, texts=texts)


def passing(needle: str) -> Callable[[Sequence[Candidate]], Candidate | None]:
    def first(tries: Sequence[Candidate]) -> Candidate | None:
        return next((one for one in tries if needle in (one.texts.get("calc.py") or "")), None)

    return first


def test_what_the_tests_do_not_need_is_taken_out() -> None:
    large = answer({"calc.py": LARGE, "notes.txt": "new\n"}, {"calc.py": BASE})
    small = trimming.trimmed(
        large, read={"calc.py": BASE}.get, first_passing=passing("return a + b"), budget=Budget(Limits())
    )
    assert list(small.texts) == ["calc.py"] and "extra" not in (small.texts["calc.py"] or "")
    assert "import" not in (small.texts["calc.py"] or "") and small.diff.added == 1


@pytest.mark.parametrize("lines", [2, trimming.MOST_EDITS + 2])
def test_what_is_small_already_or_very_large_is_taken_as_it_is(lines: int) -> None:
    before, text = {"calc.py": "0\n"}, "".join(f"{number}\n" for number in range(1, lines))
    given = answer({"calc.py": text}, before)
    assert trimming.trimmed(given, read=before.get, first_passing=_never, budget=Budget(Limits())) is given


def test_a_run_without_time_left_keeps_what_it_has() -> None:
    large = answer({"calc.py": LARGE}, {"calc.py": BASE})
    spent = Budget(Limits(minutes=0.0))
    assert trimming.trimmed(large, read={"calc.py": BASE}.get, first_passing=_never, budget=spent) is large


def _never(tries: Sequence[Candidate]) -> Candidate | None:
    raise AssertionError("nothing was to be tried")


class Formatting(FakeWorkspace):
    """A workspace with one formatter, which remembers how it was called."""

    def __init__(self, output: str, exit_code: int = 0) -> None:
        super().__init__({}, lambda texts: True)
        self.asked: list[tuple[Sequence[str], bytes]] = []
        self._output, self._exit_code = output, exit_code

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float, stdin: bytes = b"", collect: Sequence[str] = ()
    ) -> Execution:
        self.asked.append((argv, stdin))
        return Execution(argv=tuple(argv), exit_code=self._exit_code, output=self._output, seconds=0.1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pyproject.toml": "[tool.black]\nline-length = 9\n"}, ["black", "-q", "--line-ranges=2-2"]),
        ({"pyproject.toml": "[tool.ruff.format]\n"}, ["ruff", "format", "--quiet"]),
        ({"ruff.toml": "[format]\nquote-style = 'single'\n"}, ["ruff", "format", "--quiet"]),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 9\n"}, []),
        ({}, []),
    ],
)
def test_the_projects_own_formatter_is_asked_about_new_lines_alone(
    settings: dict[str, str], words: list[str]
) -> None:
    before = {"calc.py": BASE, **settings}
    workspace = Formatting(GOOD.replace("a + b", "a  +  b"))
    found = trimming.formatted(answer({"calc.py": GOOD}, before), read=before.get, workspace=workspace)
    if not words:
        assert workspace.asked == [] and found.texts == {"calc.py": GOOD}
        return
    ((argv, stdin),) = workspace.asked
    assert list(argv[:3]) == words and stdin == GOOD.encode()
    assert (
        found.texts == {"calc.py": GOOD.replace("a + b", "a  +  b")} and "+    return a  +  b" in found.diff.text
    )


@pytest.mark.parametrize(("output", "code"), [("", 0), ("not found", 127), ("def (:\n", 0), (GOOD, 0), (BASE, 0)])
def test_a_formatter_that_is_absent_fails_or_talks_changes_nothing(output: str, code: int) -> None:
    before = {"calc.py": BASE, "pyproject.toml": "[tool.black]\n"}
    given = answer({"calc.py": GOOD, "a.txt": "x", "b.py": None}, {**before, "b.py": "y\n"})
    found = trimming.formatted(given, read=before.get, workspace=Formatting(output, code))
    assert found.texts["calc.py"] in (GOOD, BASE)
    assert (found is given) == (output != BASE)


def test_ruff_itself_lays_out_the_new_lines_and_no_others(tmp_path: Path) -> None:
    if not (Path(sys.executable).with_name("ruff")).exists() and not shutil.which("ruff"):
        pytest.skip("ruff is not installed")
    text = "x = {  'old': 1 }\n\n\n\n\ndef add(a, b):\n    return a+b\n"
    before = {"calc.py": text.replace("a+b", "a - b"), "pyproject.toml": "[tool.ruff.format]\n"}
    with UnsandboxedSandbox(sys.executable).open(lambda directory: None, SandboxLimits()) as workspace:
        found = trimming.formatted(answer({"calc.py": text}, before), read=before.get, workspace=workspace)
    assert found.texts == {"calc.py": text.replace("a+b", "a + b")}


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    return World(repo, git)


def test_a_run_commits_the_small_part_and_proves_it(world: World) -> None:
    world.sandbox = FakeSandbox(lambda texts: "return a + b" in texts["calc.py"])
    world.workers = [FakeWorker("api", LARGE)]
    report = world.pursue()
    assert report.state == "proven" and report.verdict is not None
    (commit,) = report.commits
    committed = world.git(world.root, "show", f"{commit.oid}:calc.py")
    assert "extra" not in committed and "import" not in committed and "return a + b" in committed
    assert report.verdict.tip.tree == commit.tree


def test_a_part_that_the_whole_suite_refuses_gives_way_to_the_answer_as_it_came(world: World) -> None:
    # Red tests need the sum alone, the suite in a fresh sandbox the rest too.
    def judge(texts: Mapping[str, str]) -> bool:
        warm = any(one.texts == texts for one in world.sandbox.opened[:1])
        return "return a + b" in texts["calc.py"] and (warm or "extra" in texts["calc.py"])

    world.sandbox = FakeSandbox(judge)
    world.workers = [FakeWorker("api", LARGE)]
    report = world.pursue()
    assert report.state == "proven"
    assert world.git(world.root, "show", f"{report.commits[0].oid}:calc.py") + "\n" == LARGE


def test_without_the_wish_for_it_an_answer_is_committed_as_it_came(world: World) -> None:
    world.sandbox = FakeSandbox(lambda texts: "return a + b" in texts["calc.py"])
    world.workers = [FakeWorker("api", LARGE)]
    report = world.pursue(minimal=False)
    assert world.git(world.root, "show", f"{report.commits[0].oid}:calc.py") + "\n" == LARGE
