"""`gitagent ask` as its users call it: a process of its own, a scripted endpoint behind a real socket."""

import json
import os
import pty
import subprocess
import sys

import pytest

from tests.e2e.conftest import Making
from tests.e2e.running import Project
from tests.scripted_server import Answer, ScriptedServer


def says(tool: str, text: str, path: str = "") -> str:
    return json.dumps({"thought": "t", "tool": tool, "input": text, "path": path})


def environment(server: ScriptedServer) -> dict[str, str]:
    return {"GITAGENT_API_BASE_URL": server.url, "GITAGENT_API_MODEL": "scripted"}


def test_a_question_is_answered_after_files_a_search_and_a_failing_command(calc: Project) -> None:
    script: list[Answer | str] = [
        says("grep", "def add"),
        "I will read it.\n```json\n" + says("read", "calc.py:1-3") + "\n```",
        says("bash", "python3 -c 'import calc, sys; sys.exit(calc.add(2, 3))'"),
        says("answer", "add subtracts."),
        says("answer", "add subtracts: calc.py:2; the command failed with 255."),
    ]
    before = calc.git("status", "--porcelain"), calc.git("for-each-ref", "refs/heads")
    with ScriptedServer(script) as server:
        done = calc.gitagent(
            "ask", "--api", "--allow", "bash", "what does add do?", "--json", env=environment(server)
        )
        asked = [one.prompt for one in server.chats]
    assert done.code == 0, done.err
    assert [event["tool"] for event in done.events if event["event"] == "tool_finished"] == [
        "grep",
        "read_file",
        "bash",
    ]
    assert done.event("tool_finished")["exit_code"] == 255
    assert done.event("answered")["text"] == "add subtracts: calc.py:2; the command failed with 255."
    assert "your answer does not say so" in asked[-1] and "return a - b" in asked[2]
    assert (calc.git("status", "--porcelain"), calc.git("for-each-ref", "refs/heads")) == before


def test_what_nobody_can_approve_is_refused_and_the_answer_is_printed(calc: Project) -> None:
    with ScriptedServer([says("bash", "touch here"), says("answer", "bash was refused.")]) as server:
        done = calc.gitagent("ask", "--api", "run it", env=environment(server))
    assert (done.code, done.out) == (0, "bash was refused.\n")
    assert "refused: the user did not approve" in server.chats[-1].prompt


def test_forty_steps_are_the_most(calc: Project) -> None:
    with ScriptedServer([says("think", "hm")]) as server:
        done = calc.gitagent("ask", "--api", "and?", env=environment(server))
    assert done.code == 2 and done.told[0].startswith("the question was not answered: no answer within 40 steps.")
    assert len(server.chats) == 41


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask",), "nothing was asked"),
        (("ask", "why?"), "a question needs a model, and none is set"),
        (("ask", "--api", "why?"), "--api needs an endpoint"),
        (("ask", "--allow", "write", "why?"), "there is no tool 'write'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_line(calc: Project, arguments: tuple[str, ...], said: str) -> None:
    done = calc.gitagent(*arguments)
    assert done.code == 2 and said in done.told[0]


def test_a_repository_cannot_allow_itself_more(making: Making) -> None:
    project = making({"a.py": "", ".gitagent.toml": '[ask]\nallow = "bash"\n'})
    done = project.gitagent("ask", "why?")
    assert done.code == 2 and "ask.allow = 'bash' is not a repository's to say" in done.told[0]


def test_a_call_is_shown_and_run_when_the_user_says_so(calc: Project) -> None:
    master, slave = pty.openpty()
    script: list[Answer | str] = [says("bash", "echo 1"), says("bash", "exit 4"), says("answer", "failed")]
    with ScriptedServer(script) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "gitagent", "ask", "--api", "run it"],
            cwd=calc.root, env=calc.environment(environment(server)), stdin=slave, stderr=slave, stdout=subprocess.PIPE,
        )  # fmt: skip
        os.close(slave)
        os.write(master, b"n\na\n")
        out, _ = process.communicate(timeout=60)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert process.returncode == 0 and out == b"failed\n"
    assert "bash: echo 1" in shown and "(a)lways this tool" in shown
    assert "did not approve" in server.chats[1].prompt and "exit code 4" in server.chats[2].prompt
