"""Dry runs, second runs, limits and interruptions: what is kept is named, and nothing else stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitagent import events
from tests.e2e.running import CALC, RED, Done, Project
from tests.e2e.test_api import FOREIGN, NEW, PLAN, endpoint, json
from tests.scripted_server import Answer, Asked, ScriptedServer
from tests.waiting import until

Digest = Callable[[Path], str]
NAMES = {events.name_of(kind) for kind in events.Event.__subclasses__()}
HOPELESS = CALC["test_calc.py"].replace("== 5", "== 'five' * add(1, 1)[0]")


def well_told(done: Done) -> None:
    """Every line of `--json` is a known event, the first and the last are a run's."""
    names = [event["event"] for event in done.events]
    assert set(names) <= NAMES
    assert names[0] == "run_started" and names.count("run_started") == 1
    assert names[-1] in ("run_finished", "run_failed")
    seconds = [event["seconds"] for event in done.events]
    assert seconds == sorted(seconds)  # type: ignore[type-var]


def test_a_dry_run_shows_diff_and_verdict_and_leaves_neither_branch_nor_pull_request(
    calc: Project, untouched: Digest
) -> None:
    before = untouched(calc.root)
    done = calc.gitagent("fix", "--test", RED, "--dry-run", "--json")
    assert untouched(calc.root) == before
    assert done.code == 0 and done.err == ""
    well_told(done)
    assert "+    return a + b" in str(done.event("committed")["diff"])
    assert done.event("run_finished")["branch"] == "" and done.event("verdict_reached")["state"] == "passed"
    assert calc.branches() == calc.refs("refs/gitagent/pulls/") == []


def test_a_second_run_finds_the_proof_and_again_starts_anew_in_the_same_pull_request(calc: Project) -> None:
    assert calc.gitagent("fix", "--test", RED).code == 0
    (branch,) = calc.branches()
    first = calc.git("rev-parse", branch)
    second = calc.gitagent("fix", "--test", RED, "--json")
    well_told(second)
    end = second.event("run_finished")
    assert second.code == 0 and "is proven already for base" in str(end["reason"]) and end["tried"] == 0
    assert "tests_started" not in {event["event"] for event in second.events}
    assert calc.git("rev-parse", branch) == first
    third = calc.gitagent("fix", "--test", RED, "--again", "--json")
    assert third.code == 0
    (kept,) = calc.refs("refs/gitagent/replaced/")
    assert calc.git("rev-parse", kept) == first
    assert calc.branches() == [branch] and calc.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]


def test_starting_anew_in_vain_leaves_the_branch_where_it_was(calc: Project) -> None:
    assert calc.gitagent("fix", "--test", RED).code == 0
    (branch,) = calc.branches()
    first = calc.git("rev-parse", branch)
    done = calc.gitagent("fix", "--test", RED, "--again", env={"GITAGENT_TEMPLATES_ENABLED": "false"})
    assert done.code == 1
    assert calc.git("rev-parse", branch) == first


def test_the_limit_of_candidates_ends_a_run_after_so_many(making: Callable[..., Project]) -> None:
    calc = making(CALC | {"test_calc.py": HOPELESS})
    done = calc.gitagent("fix", "--test", RED, "--max-candidates", "3", "--json")
    assert done.code == 1 and done.err == ""
    well_told(done)
    end = done.event("run_finished")
    assert (end["state"], end["tried"]) == ("nothing", 3)
    assert end["reason"] == "the limit run.candidates = 3 was reached; 3 candidates tried"
    assert calc.branches() == []


def test_the_limit_of_minutes_ends_a_run_even_within_its_first_tests(making: Callable[..., Project]) -> None:
    calc = making({"test_slow.py": "import time\n\n\ndef test_slow():\n    time.sleep(100)\n"})
    done = calc.gitagent("fix", "it is slow", "--minutes", "0.02")
    assert done.code == 1
    assert "nothing: the limit run.minutes = 0.02 was reached; 0 candidates tried" in done.err


@pytest.mark.parametrize(
    ("flags", "said"), [(("--tokens", "20"), "run.tokens = 20"), (("--dollars", "0.00001"), "run.dollars = 1e-05")]
)
def test_what_a_model_may_cost_is_bounded(calc: Project, flags: tuple[str, ...], said: str) -> None:
    prices = {"GITAGENT_API_PROMPT_PRICE": "10", "GITAGENT_API_ANSWER_PRICE": "10"}
    with ScriptedServer([FOREIGN]) as server:
        done = calc.gitagent("fix", "--test", RED, "--api", *flags, env=endpoint(server) | prices)
    assert done.code == 1 and len(server.chats) == 1
    assert f"the limit {said} was reached" in done.err
    assert calc.branches() == []


def test_an_answer_that_took_the_last_of_the_money_is_tried_all_the_same(calc: Project) -> None:
    right = "@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return sum((a, b))\n"
    with ScriptedServer([right]) as server:
        done = calc.gitagent("fix", "--test", RED, "--api", "--tokens", "20", env=endpoint(server))
    assert done.code == 0 and len(server.chats) == 1, done.err
    assert "proven: 1 red test now passing" in done.err


def test_questions_asked_side_by_side_keep_to_what_was_quoted(making: Callable[..., Project]) -> None:
    names = [f"part{number}" for number in range(8)]
    all_of_them = " == ".join(f"{one}.f()" for one in names)
    test = f"import {', '.join(names)}\n\n\ndef test_two():\n    assert {all_of_them} == 2\n"
    project = making({f"{one}.py": "def f():\n    return 1\n" for one in names} | {"test_two.py": test})
    tasks = [{"path": f"{one}.py", "symbol": "f", "instruction": "Return two."} for one in names]

    def answer(asked: Asked) -> str:
        if "You plan a change" in asked.prompt:
            return json.dumps({"tasks": tasks})
        time.sleep(0.2)  # so that others are asked meanwhile
        return "no diff at all " * 150

    with ScriptedServer(answer) as server:
        done = project.gitagent("fix", "f gives two", "--api", "--tokens", "1500", "--json", env=endpoint(server))
        asked = len(server.chats)
    assert done.code == 1
    end = done.event("run_finished")
    assert str(end["reason"]).startswith("the limit run.tokens = 1500 was reached")
    (spent,) = end["ledger"]  # type: ignore[misc]
    assert spent["prompt_tokens"] + spent["answer_tokens"] <= done.event("quoted")["tokens"] == 1500 + 4 * 4096  # type: ignore[operator]
    assert asked <= 1 + 4


def test_an_endpoint_that_never_answers_takes_no_more_than_the_runs_minutes(calc: Project) -> None:
    began = time.monotonic()
    with ScriptedServer([Answer(hang=True)]) as server:
        done = calc.gitagent("fix", "--test", RED, "--api", "--minutes", "0.25", env=endpoint(server))
    assert done.code == 1 and "nothing: the limit run.minutes = 0.25 was reached" in done.err
    assert time.monotonic() - began < 60  # its own limit is 120 s


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_in_the_middle_of_its_tests_with_all_it_started(
    making: Callable[..., Project], untouched: Digest, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    marker = tmp_path / "pid"
    project = making(
        {
            "test_slow.py": "import os, time\n\n\ndef test_slow():\n"
            f"    with open({str(marker)!r} + '-', 'w') as file:\n        file.write(str(os.getpid()))\n"
            f"    os.rename({str(marker)!r} + '-', {str(marker)!r})\n    time.sleep(100)\n"
        }
    )
    before = untouched(project.root)
    process = project.start("fix", "it is slow", "--json")
    until(marker.exists, process)
    os.killpg(process.pid, number)
    done = project.ended(process)
    assert untouched(project.root) == before
    assert done.code == code
    assert done.err == "interrupted: nothing was committed\n"
    well_told(done)
    assert done.event("run_finished")["state"] == "interrupted"
    assert project.branches() == []
    until(lambda: not Path(f"/proc/{marker.read_text()}").exists())


def test_an_interrupt_between_tasks_names_the_commits_that_are_kept(calc: Project, untouched: Digest) -> None:
    second = threading.Event()
    steps = [dict(PLAN["tasks"][0], path="discounts.py"), dict(PLAN["tasks"][1], path="calc.py", symbol="add")]  # type: ignore[call-overload]

    def script(asked: Asked) -> Answer:
        if "You plan a change" in asked.prompt:
            return Answer(text=json.dumps({"summary": "s", "tasks": steps}))
        if "Define reduced" in asked.prompt:
            return Answer(text=NEW.format("total").replace("shop/", ""))
        if "Return reduced" in asked.prompt:
            second.set()
            return Answer(hang=True)
        return Answer(text=FOREIGN)

    before = untouched(calc.root)
    with ScriptedServer(script) as server:
        process = calc.start("fix", "ten per cent off", "--api", env=endpoint(server))
        until(second.is_set, process)
        os.killpg(process.pid, signal.SIGINT)
        done = calc.ended(process)
    assert untouched(calc.root) == before
    assert done.code == 130
    (branch,) = calc.branches()
    short = branch.removeprefix("refs/heads/")
    assert f"interrupted: 1 commit is kept on {short}\nhint: git log -p " in done.err
    assert calc.git("log", "--format=%s", f"HEAD..{branch}").startswith("discounts: define reduced(total)")


def test_a_reader_that_goes_away_is_no_crash(calc: Project) -> None:
    with calc.start("fix", "--test", RED, "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        assert '"run_started"' in process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 1
    assert "Traceback" not in said
    assert calc.branches() == []


SLOW = {"openai", "docker", "github3", "llama_cpp", "pygit2", "rich", "httpx", "pydantic", "numpy", "unidiff"}


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_slow(calc: Project, flag: str) -> None:
    program = (
        f"import sys\nsys.argv = ['gitagent', {flag!r}]\ntry:\n    from gitagent.cli import main\n    main()\n"
        f"except SystemExit as end:\n    print('code', end.code, sorted({SLOW!r} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=calc.environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("code 0 []\n") and done.stderr == ""
