"""No planted secret gets through a door of a run: prompts, events, the journal, commits, pull requests."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_notes import GitNotes
from gitagent.adapters.git_runs import GitRuns
from gitagent.adapters.git_verdicts import GitVerdicts
from gitagent.adapters.index.extracting import extracted
from gitagent.adapters.local_forge import LocalForge
from gitagent.adapters.openai_server import OpenAIServer
from gitagent.adapters.plan_files import text_of
from gitagent.attesting import attest
from gitagent.cli import Commands, carrying
from gitagent.cli.plan import read_plan, table
from gitagent.cli.view import JsonLines, LiveView
from gitagent.core import diffs, instructions, intake, messages, microtasks, plan_files, testing, turns
from gitagent.core.secrets import redacted, redacted_in
from gitagent.errors import DiffError, RequestError
from gitagent.events import Noted, as_json
from gitagent.guarding import Gate
from gitagent.planners import ChatPlanner, LocalizerPlanner
from gitagent.questions import Interviewer
from gitagent.recording import RecordedWorker, Recorder
from gitagent.records import (
    Candidate,
    Commit,
    Execution,
    Findings,
    Message,
    Note,
    Plan,
    TestResult,
    TestRun,
    Verdict,
)
from gitagent.remembering import JournaledSteps
from gitagent.steering import Steering
from gitagent.tree import Tree
from gitagent.workers import ModelWorker
from tests.fakes import FakeModel, FakeSandbox, FakeWorker, FakeWorkspace
from tests.scripted_server import ScriptedServer
from tests.secret_samples import made, samples
from tests.test_pipeline import BASE, GOOD, TASK, World

Git = Callable[..., str]
SAMPLES = list(samples())
SECRETS = [secret for _, _, secret in SAMPLES]
PLANTED = "".join(f"{line}\n" for _, line, _ in SAMPLES)


class Talking(FakeWorkspace):
    """A workspace whose tests print what they should not."""

    def run(self, *args: object, **kwargs: object) -> Execution:  # type: ignore[override]
        told = super().run(*args, **kwargs)  # type: ignore[arg-type]
        return replace(told, output=told.output + "\n" + PLANTED)


class TalkingSandbox(FakeSandbox):
    """Opens workspaces that talk."""

    def open(self, fill, limits):  # type: ignore[no-untyped-def]
        context = super().open(fill, limits)

        class Opened:
            def __enter__(self) -> Talking:
                plain = context.__enter__()
                plain.__class__ = Talking
                return plain  # type: ignore[return-value]

            def __exit__(self, *error: object) -> None:
                context.__exit__(*error)  # type: ignore[arg-type]

        return Opened()


@pytest.fixture
def world(repo: Path, git: Git) -> World:
    world = World(repo, git)
    (repo / "calc.py").write_text(f'{BASE}\nSETTINGS = """\n{PLANTED}"""\n')
    (repo / ".env").write_text(PLANTED)
    git(repo, "add", "-f", ".")
    git(repo, "commit", "--quiet", "-m", "settings")
    world.base = git(repo, "rev-parse", "HEAD")
    world.sandbox = TalkingSandbox(lambda texts: "a + b" in texts["calc.py"])
    return world


def _leaks(text: str) -> list[str]:
    return [kind for kind, _, secret in SAMPLES if secret in text or json.dumps(secret)[1:-1] in text]


def test_no_planted_secret_gets_through_any_door_of_a_run(world: World) -> None:
    diff = "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n"
    model = FakeModel(["no diff", diff], window=16_000)
    whole = (world.root / "calc.py").read_text()
    world.planners = [
        LocalizerPlanner(window=16_000),
        world.planned(replace(TASK, excerpt=whole, answer_tokens=900)),
    ]
    world.workers = [ModelWorker(model, world.heard.append)]
    out, shown = io.StringIO(), io.StringIO()
    report = world.pursue(f"add in calc.py is wrong\n\n{PLANTED}")
    assert report.state == "proven" and len(model.asked) >= 2
    for reader in (JsonLines(out), LiveView(shown, terminal=False)):
        for event in world.heard:
            reader(event)
    for file in (out, shown):
        assert _leaks(file.getvalue()) == []
    repository = GitRepository(str(world.root))
    assert _leaks("\n".join(question.text for question in model.asked)) == []
    assert all(_leaks(text) == [] for text in GitRuns(repository).load("r1").values())
    assert _leaks(repository.message(report.commits[0].oid)) == []
    assert report.pull is not None
    pull = LocalForge(repository).pull(report.pull.number)
    assert _leaks(pull.title + pull.body) == []
    refs = world.git(world.root, "for-each-ref", "--format=%(refname) %(contents)")
    assert _leaks(refs) == []
    assert "a + b" in world.git(world.root, "show", f"{report.commits[0].oid}:calc.py")
    assert PLANTED in world.git(world.root, "show", f"{report.commits[0].oid}:calc.py") + "\n"


def test_a_planner_is_shown_no_file_that_holds_credentials(world: World) -> None:
    tree = Tree(GitRepository(str(world.root)), world.base)
    assert tree.text(".env") == PLANTED and tree.shown(".env") is None
    assert tree.refusal(".env") == "holds credentials by its name"
    with pytest.raises(RequestError, match=r"\.env is a file that credentials are kept in"):
        microtasks.prompt(replace(TASK, path=".env"), count=FakeModel([]).count, window=4096)


def test_a_chat_planners_prompt_holds_no_secret(world: World) -> None:
    plan = {"tasks": [{"path": "calc.py", "instruction": "mend add", "lines": [1, 2]}]}
    model = FakeModel([json.dumps(plan)])
    world.planners = [LocalizerPlanner(), ChatPlanner(model, world.heard.append)]
    world.workers = [FakeWorker("api", BASE + "x = 1\n", GOOD)]
    world.pursue("add in calc.py is wrong")
    assert all(_leaks(question.text) == [] for question in model.asked)


def _candidate(path: str, before: str, after: str) -> Candidate:
    return Candidate(task="t1", worker="api", diff=diffs.between({path: (before, after)}), texts={path: after})


@pytest.mark.parametrize("sample", SAMPLES[::4], ids=[kind for kind, _, _ in SAMPLES[::4]])
def test_an_answer_that_brings_in_a_credential_is_refused(
    repo: Path, git: Git, sample: tuple[str, str, str]
) -> None:
    world = World(repo, git)
    gate = Gate(Tree(GitRepository(str(repo)), world.base), allowed=True)
    brings = _candidate("calc.py", BASE, f"{GOOD}\n# {sample[1]}\n")
    refusal = gate.refusal(brings)
    assert refusal.startswith("calc.py: a line that is added looks like it holds a credential")
    assert sample[2] not in refusal
    with pytest.raises(DiffError, match="Nothing was committed"):
        gate.parts(brings)
    assert gate.refusal(_candidate("calc.py", BASE, GOOD)) == ""


def test_a_line_with_a_known_credential_may_be_moved(world: World) -> None:
    gate = Gate(Tree(GitRepository(str(world.root)), world.base))
    before = (world.root / "calc.py").read_text()
    assert gate.refusal(_candidate("calc.py", before, before.replace("- b", "+ b").replace("SETTINGS", "S"))) == ""


def test_a_step_with_a_credential_in_it_is_asked_again_rather_than_written_down(repo: Path) -> None:
    runs = GitRuns(GitRepository(str(repo)))
    steps = JournaledSteps(runs, "r1")
    steps.keep("reply", "a", answer={"text": SAMPLES[0][1]})
    steps.keep("reply", "b", answer={"text": "fine"})
    assert len([name for name in runs.load("r1") if name.startswith("steps/")]) == 1


def test_an_event_with_a_secret_stays_an_event(world: World) -> None:
    world.workers = [FakeWorker("templates", GOOD)]
    world.pursue("add in calc.py is wrong")
    for event in world.heard:
        assert redacted_in(as_json(event, 0.0)).keys() == as_json(event, 0.0).keys()  # type: ignore[attr-defined]


KEY = "gh" + "p_" + made(36, seed="door")
REQUEST = intake.request("add is wrong", source="text", base="a" * 40)
SAID = f"{'x' * 20} {KEY} {'y' * 900}"


def _error_line(said: str, folder: Path) -> str:
    class Failing(Commands):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return click.Command("fail", callback=_fail)

    def _fail() -> None:
        raise RequestError(f"got {said}", hint=f"say {said}")

    return CliRunner().invoke(Failing(), ["fail"]).stderr


def _plan_file(said: str, folder: Path) -> str:
    plan = Plan(
        summary=said, mode="all", tasks=(replace(TASK, instruction=said),), planner="chat", assumptions=(said,)
    )
    return text_of(plan, replace(REQUEST, text=f"add\n{said}"), "p.toml")


def _saved_plan(said: str, folder: Path) -> str:
    (folder / "p.toml").write_text(
        f'version = 1\nrequest = "{said}"\nsummary = "{said}"\n'
        f'[[task]]\nid = "1"\npath = "a.py"\ninstruction = "{said}"\n'
    )
    text = read_plan(str(folder / "p.toml"))
    assert plan_files.read(text, "p.toml").steps[0].path == "a.py"
    return text


def _planned(said: str, folder: Path) -> str:
    told = {
        "summary": said,
        "assumptions": [said],
        "tasks": [{"path": "calc.py", "instruction": said, "lines": [1, 2]}],
    }
    planner = ChatPlanner(FakeModel([json.dumps(told)]), lambda event: None)
    plan, _ = planner.plan(REQUEST, Findings(red=(), suspects=(), files=("calc.py",)), {"calc.py": BASE}.get)
    return repr(plan) + table(plan)


def _asked_back(said: str, folder: Path) -> str:
    told = {"questions": [{"kind": "why", "question": said, "assumed": said}]}
    return repr(Interviewer(FakeModel([json.dumps(told)]), lambda event: None).all(REQUEST))


def _recorded(said: str, folder: Path) -> str:
    recorder = Recorder()
    task = replace(TASK, notes=(Note(title="AGENTS.md", text=said),))
    list(RecordedWorker(FakeWorker("api", GOOD), recorder).candidates(task, BASE, limit=1))
    return "".join(recorder.files({}).values())


def _counted(said: str, folder: Path) -> str:
    with ScriptedServer(tokenize="llama") as server:
        OpenAIServer(server.url, "scripted").count((Message(role="user", content=said),))
    assert any(asked.path == "/tokenize" for asked in server.asked)
    return repr([asked.body for asked in server.asked])


def _echoed(said: str, folder: Path) -> str:
    with ScriptedServer([f"you sent {KEY}"]) as server:
        reply = OpenAIServer(server.url, "scripted", api_key=KEY).reply(
            (Message(role="user", content="a"),), answer_tokens=64
        )
    return reply.text


def _command(said: str, folder: Path) -> str:
    return instructions.command("a.md", f"---\ndescription: {said}\n---\nMend.\n").description


DOORS: dict[str, Callable[[str, Path], str]] = {
    "an error line": _error_line,
    "a plan written down": _plan_file,
    "a plan of people": _saved_plan,
    "a model's plan": _planned,
    "a model's questions": _asked_back,
    "what workers were asked": _recorded,
    "what is only counted": _counted,
    "a server that says back its key": _echoed,
    "how a run began": lambda said, _: carrying.started(replace(REQUEST, tests=(said,)), {"a": said}, {}),
    "a correction": lambda said, _: repr(Steering(lambda: [said], lambda event: None).corrected(TASK)),
    "a command's description": _command,
    "inline code cut short": lambda said, _: messages.code(said, limit=40),
    "a reason cut short": lambda said, _: turns.short(said, 90),
    "what others cut short": lambda said, _: redacted(f"{said[:45]}…") + redacted(f"{said[:45]}\n[…]"),
    "the index": lambda said, _: repr(extracted(".env", said.encode())),
}


@pytest.mark.parametrize("door", DOORS)
def test_nothing_of_a_credential_gets_through_this_door(door: str, tmp_path: Path) -> None:
    assert KEY[8:20] not in DOORS[door](SAID, tmp_path)


def test_a_test_command_with_a_credential_is_refused_since_it_would_be_written_down() -> None:
    with pytest.raises(RequestError, match=r"would be written down\. Nothing was run\.$"):
        testing.detect(["a.py"], {}.get, configured=f"env TOKEN={KEY} pytest")


def test_tests_that_are_called_by_a_credential_are_run_again_and_not_certified(repo: Path, git: Git) -> None:
    world, repository = World(repo, git), GitRepository(str(repo))
    verdicts = GitVerdicts(repository)
    results = (TestResult(id=f"t.py::a[{KEY}]", outcome="passed"),)
    run = TestRun(
        tree="1" * 40, sandbox="s", argv=("t",), state="passed", results=results, exit_code=0, seconds=1.0
    )
    verdicts.put(run)
    assert verdicts.get(run.tree, run.sandbox, run.argv) is None
    world.more = {"notes": GitNotes(repository)}
    verdict = Verdict(state="passed", reason="", base=run, tip=run)
    tip = Commit(branch="b", oid=world.base, tree=run.tree)
    assert attest(world.ports(), verdict, base=world.base, tip=tip) == ""
    assert GitNotes(repository).read(world.base) is None
    assert [event.text for event in world.of(Noted)] == [  # type: ignore[attr-defined]
        "no certificate is written: a test is called by what looks like a credential"
    ]
