"""`gitagent replay` in a repository whose run asked the repair patterns."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.templates import TemplatesWorker
from gitagent.cli import main
from gitagent.recording import Call, RecordedWorker, Recorder
from gitagent.records import MicroTask, Suspect

TEXT = "def add(a, b):\n    return a - b\n"
TASK = MicroTask(id="t1", path="pkg/deep/sums.py", first_line=1, excerpt=TEXT, instruction="", answer_tokens=9,
                 suspects=(Suspect(path="pkg/deep/sums.py", line=2, score=1.0, reason=""),))  # fmt: skip


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITAGENT_LOCAL_MODEL", raising=False)


def replay(repo: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["replay", "20260101-1", *words, "--repo", str(repo)])


def saved(repo: Path, change: Callable[[str], str] = str, *more: Call) -> None:
    recorder = Recorder()
    list(islice(RecordedWorker(TemplatesWorker(), recorder).candidates(TASK, TEXT, limit=20), 5))
    recorder.calls += more
    files = {
        name: change(text)
        for name, text in recorder.files({"local.window": 2048, "sandbox.backend": "none"}).items()
    }
    GitRuns(GitRepository(str(repo))).save("20260101-1", files | {"report.json": "{}"}, "run")


def test_the_same_patterns_give_the_same_diffs_and_an_endpoint_is_left_out(repo: Path) -> None:
    saved(repo, str, Call(worker="api", task=TASK, blob="", limit=1))
    done = replay(repo)
    assert done.exit_code == 0, done.output
    assert "✔ templates at pkg/deep/sums.py, task t1: 5 of 5 diffs the same" in done.output
    assert "1 question to an endpoint left out" in done.output and done.output.endswith("the same diffs\n")
    told = json.loads(replay(repo, "--json").output)
    assert (told["same"], told["not_replayed"], told["calls"][0]["same"]) == (True, 1, 5)


def test_another_build_is_named_in_one_line_and_the_exit_code_says_so(repo: Path) -> None:
    saved(repo, lambda text: text.replace('"build": "gitagent', '"build": "gitagent\\u001b[2J'))
    done = replay(repo)
    assert done.exit_code == 1 and "\x1b" not in done.output
    assert "✘ templates at pkg/deep/sums.py, task t1: another build: " in done.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "", "cannot be replayed: no worker was asked"),
        (lambda text: "3\n", "is no record of calls"),
        (lambda text: text.replace('"worker": "templates"', '"worker": "api"'), "only an endpoint was asked"),
        (lambda text: text.replace('"worker": "templates"', '"worker": "local"'), "none is set here"),
    ],
)
def test_what_cannot_be_replayed_is_an_error_with_a_hint(
    repo: Path, change: Callable[[str], str], says: str
) -> None:
    saved(repo, change)
    done = replay(repo)
    assert done.exit_code == 2 and says in done.output and "hint: " in done.output
