"""A model looks around with tools over a real repository, and answers."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitagent.adapters.asking_tools import LookingTools
from gitagent.adapters.git import GitRepository
from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from gitagent.asking import Asker, Outcome
from gitagent.budgets import Budget
from gitagent.core.asking import Call
from gitagent.errors import ModelError, RequestError
from gitagent.events import Answered, Event, ReplyRefused, ToolFinished, ToolProposed
from gitagent.records import Limits, SandboxLimits
from tests.fakes import FakeModel
from tests.secret_samples import samples

Git = Callable[..., str]
KEY = next(secret for kind, _, secret in samples() if kind == "github")


def says(tool: str, text: str, path: str = "", thought: str = "t") -> str:
    return json.dumps({"thought": thought, "tool": tool, "input": text, "path": path})


class World:
    """A repository and a model's script."""

    def __init__(self, repo: Path, git: Git) -> None:
        self.root = repo
        (repo / "src").mkdir()
        (repo / "src/a.py").write_text("def price(n):\n    return n * 3\n\n\nLIMIT = 7\n")
        (repo / "src/data.bin").write_bytes(b"\0\1" * 100)
        (repo / "keys.py").write_text(f'KEY = "{KEY}"\n')
        (repo / ".env").write_text(f"KEY={KEY}\n")
        (repo / "link").symlink_to("/etc/passwd")
        git(repo, "add", "-f", ".")
        git(repo, "commit", "--quiet", "-m", "prices")
        self.repository = GitRepository(str(repo))
        self.commit = self.repository.head().oid
        self.heard: list[Event] = []
        self.approves: Callable[[Call], bool] = lambda call: True
        self.model = FakeModel([])

    def ask(self, *replies: str, steps: int = 40, window: int = 4096, limits: Limits | None = None) -> Outcome:
        self.model = FakeModel(list(replies), window=window)
        budget = Budget(limits or Limits())

        def heard(event: Event) -> None:
            self.heard.append(event)
            budget.heard(event)

        with self.tools() as tools:
            asker = Asker(
                self.model, tools, heard, approve=lambda call: self.approves(call), budget=budget,
                most_steps=steps,
            )  # fmt: skip
            return asker.answer("what does it cost?")

    def tools(self) -> LookingTools:
        return LookingTools(
            self.repository, self.commit, lambda: UnsandboxedSandbox(), SandboxLimits(timeout_seconds=20)
        )

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    return World(repo, git)


def test_a_question_is_answered_after_a_look_around(world: World) -> None:
    outcome = world.ask(
        says("grep", "def price", "src"),
        says("read_file", "src/a.py:1-2"),
        says("git", "log --oneline"),
        says("bash", "echo out; echo err >&2; exit 3"),
        says("answer", "three each, src/a.py:2; the command failed with 3"),
    )
    assert outcome.answer == "three each, src/a.py:2; the command failed with 3"
    grep, file, log, bash = (step.result for step in outcome.steps)
    assert grep.stdout == "src/a.py:1: def price(n):\n" and grep.exit_code == 0
    assert file.stdout == "1: def price(n):\n2:     return n * 3\n… 3 more lines, to 5\n"
    assert " prices\n" in log.stdout and log.exit_code == 0
    assert (bash.exit_code, bash.stdout.strip(), bash.stderr.strip()) == (3, "out", "err")
    assert [event.approved for event in world.of(ToolProposed)] == [True] * 4  # type: ignore[attr-defined]
    assert len(world.of(ToolFinished)) == 4 and len(world.of(Answered)) == 1
    assert "exit code 3" in world.model.asked[-1].text and "err" in world.model.asked[-1].text


def test_a_call_that_is_not_approved_is_told_as_refused_and_not_run(world: World) -> None:
    world.approves = lambda call: call.tool != "bash"
    outcome = world.ask(says("bash", "touch x"), says("answer", "It was refused."))
    (step,) = outcome.steps
    assert step.result.stderr.startswith("refused: the user did not approve") and step.result.exit_code == 1


def test_an_error_that_is_passed_over_is_pointed_at_once(world: World) -> None:
    outcome = world.ask(says("read_file", "b.py"), says("answer", "It is three."), says("answer", "It is three!"))
    assert outcome.answer.startswith(
        "It is three!\n\n(error: the answer says nothing of it: read_file b.py: exit code"
    )
    (refused,) = world.of(ReplyRefused)
    assert "passed over" in refused.reason  # type: ignore[attr-defined]
    assert (
        "Your answer" in world.model.asked[-1].text or "your answer does not say so" in world.model.asked[-1].text
    )


def test_after_forty_steps_there_is_no_more_looking(world: World) -> None:
    outcome = world.ask(says("think", "hm"), window=16_000)
    assert (outcome.answer, outcome.reason, len(outcome.steps)) == ("", "no answer within 40 steps", 40)
    assert "You have used all 40 steps" in world.model.asked[-1].text
    assert len(world.model.asked) == 41


def test_the_last_step_may_still_be_answered(world: World) -> None:
    assert world.ask(says("think", "a"), says("think", "b"), says("answer", "so"), steps=2).answer == "so"


def test_a_budget_ends_a_question(world: World) -> None:
    outcome = world.ask(says("think", "hm"), limits=Limits(tokens=10))
    assert outcome.reason == "the limit run.tokens = 10 was reached" and len(outcome.steps) == 1


def test_replies_that_are_none_are_asked_again_and_then_given_up(world: World) -> None:
    assert world.ask('{"tool": "fly"}', says("answer", "so")).answer == "so"
    assert 'there is no tool "fly"' in world.model.asked[-1].text
    with pytest.raises(ModelError, match="gave no usable reply in 3 tries"):
        world.ask('{"tool": "fly"}')


def test_no_prompt_exceeds_the_window_whatever_is_looked_at(world: World) -> None:
    big = "".join(f"def function_{at}(value):\n    return value * {at}\n" for at in range(3000))
    (world.root / "big.py").write_text(big)
    world.repository.git.index.add("big.py")
    tree = world.repository.git.index.write_tree()
    head = world.repository.git.head.target
    author = world.repository.git[head].author
    world.commit = str(world.repository.git.create_commit(None, author, author, "big", tree, [head]))
    looks = [says("read_file", f"big.py:{at * 100 + 1}") for at in range(12)] + [
        says("bash", "cat big.py"),
        says("answer", "so"),
    ]
    for window in (2048, 4096):
        assert world.ask(*looks, window=window).answer == "so"  # FakeModel itself fails on a prompt too long


def test_the_last_five_results_stay_whole_after_long_calls_too(world: World) -> None:
    long = says("bash", "seq 9000; : " + "x " * 1500, thought="because " * 300)
    world.ask(*[long] * 7, says("answer", "it says 9000"))
    final = world.model.asked[-1].text
    results = [event.stdout for event in world.of(ToolFinished)][-5:]  # type: ignore[attr-defined]
    assert all("9000" in result for result in results) and final.count(results[0]) == 5
    assert "characters … " in final


@pytest.mark.parametrize(
    "call",
    [says("read_file", "../../etc/passwd"), says("read_file", "/etc/passwd"), says("read_file", ".git/config"),
     says("read_file", "link"), says("read_file", ".env"), says("read_file", "src/data.bin"),
     says("read_file", "src/a.py:99"), says("git", "-c core.pager=id log"), says("git", "log --output=x"),
     says("git", "fetch ext::sh"), says("git", "show HEAD:.env"), says("git", "status"),
     says("git", "log nothing-there")],
)  # fmt: skip
def test_hostile_arguments_are_refused_and_change_nothing(world: World, call: str) -> None:
    before = sorted(str(path) for path in world.root.rglob("*"))
    outcome = world.ask(call, says("answer", "It was refused."))
    (step,) = outcome.steps
    assert step.result.failed and step.result.stderr and "root:" not in step.result.stdout
    assert sorted(str(path) for path in world.root.rglob("*")) == before


def test_configured_programs_are_not_started_by_git(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "started"
    config = (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "gpg.program",
        "core.sshCommand",
        "diff.py.textconv",
    )
    for name in config:
        subprocess.run(["git", "config", name, f"touch {mark};"], cwd=world.root, check=True)
    (world.root / ".git/info/attributes").write_text("*.py diff=py\n")
    outcome = world.ask(
        says("git", "log -p -3"),
        says("git", "diff HEAD"),
        says("git", "show HEAD:src/a.py"),
        says("answer", "error"),
    )
    assert not mark.exists()
    assert outcome.steps[0].result.exit_code == 0


def test_no_secret_is_shown_to_the_model_or_written_in_events(world: World) -> None:
    world.ask(
        says("read_file", "keys.py"), says("grep", "KEY"), says("git", "log -p"), says("bash", "cat keys.py; cat .env"),
        says("bash", f"echo {KEY}"), says("answer", "there was an error"),
    )  # fmt: skip
    assert all(KEY not in question.text for question in world.model.asked)
    finished = world.of(ToolFinished)
    assert all(KEY not in event.stdout + event.stderr for event in finished)  # type: ignore[attr-defined]
    assert "No such file" in finished[3].stderr  # type: ignore[attr-defined]


def test_bash_runs_in_a_copy_and_the_checkout_stays_as_it_is(world: World, git: Git) -> None:
    outcome = world.ask(
        says("bash", "rm -rf src; echo 1 > new; ls"),
        says("bash", "ls"),
        says("answer", "so"),
        says("answer", "so"),
    )
    assert "new" in outcome.steps[1].result.stdout and (world.root / "src/a.py").exists()
    assert git(world.root, "status", "--porcelain") == ""


def test_folders_are_listed_and_names_that_are_near_are_named(world: World) -> None:
    with world.tools() as tools:
        listed = tools.run(Call(tool="read_file", arguments={"path": "src/"}))
        assert listed.stdout == "src/a.py\nsrc/data.bin\n"
        assert tools.run(Call(tool="read_file", arguments={"path": "."})).stdout.startswith(".env\n")
        with pytest.raises(RequestError, match=r"meant: src/a\.py\?"):
            tools.run(Call(tool="read_file", arguments={"path": "lib/a.py"}))


def test_a_pattern_that_is_none_is_read_as_words(world: World) -> None:
    with world.tools() as tools:
        found = tools.run(Call(tool="grep", arguments={"pattern": "price("}))
        assert found.stdout == "src/a.py:1: def price(n):\n" and "plain words" in found.stderr
        assert "src/a.py:5" in tools.run(Call(tool="grep", arguments={"pattern": "LIMIT", "path": "*.py"})).stdout


@pytest.mark.parametrize("pattern", ["(a|aa)+$b", "a*a*a*a*a*a*a*%"])
def test_a_pattern_that_could_run_for_ever_is_stopped_and_what_was_found_is_kept(
    world: World, git: Git, pattern: str
) -> None:
    (world.root / "z.txt").write_text("x = " + "a" * 1500 + "\n")
    git(world.root, "add", "z.txt")
    git(world.root, "commit", "--quiet", "-m", "many")
    world.commit = world.repository.head().oid
    with LookingTools(
        world.repository, world.commit, lambda: UnsandboxedSandbox(), SandboxLimits(), grep_seconds=0.3
    ) as tools:
        found = tools.run(Call(tool="grep", arguments={"pattern": f"LIMIT|{pattern}"}))
    assert found.stdout == "src/a.py:5: LIMIT = 7\n" and "stopped after 0.3 s" in found.stderr


def test_a_place_that_there_is_not_is_an_error_and_no_search_in_vain(world: World) -> None:
    with world.tools() as tools, pytest.raises(RequestError, match="there is no file or folder lib in commit"):
        tools.run(Call(tool="grep", arguments={"pattern": "price", "path": "lib"}))


def test_no_file_of_the_machine_is_read_by_way_of_git(world: World, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("only for me\n")
    outcome = world.ask(says("git", f"blame -S{tmp_path / 'private'} src/a.py"), says("answer", "refused"))
    assert "only for me" not in outcome.steps[0].result.stderr and outcome.steps[0].result.failed


def test_a_file_of_credentials_is_not_shown_by_its_objects_name_now_or_as_it_once_was(
    world: World, git: Git
) -> None:
    once = git(world.root, "rev-parse", "HEAD:.env").strip()
    git(world.root, "rm", "--quiet", ".env")
    git(world.root, "commit", "--quiet", "-m", "gone")
    world.commit = world.repository.head().oid
    for name in (once, once[:8], once.upper()):
        with world.tools() as tools, pytest.raises(RequestError, match="name it by commit and path"):
            tools.run(Call(tool="git", arguments={"arguments": f"show {name}"}))
