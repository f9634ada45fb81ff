"""A line typed under the live view, at a real terminal, and `gitagent steer`: told from the next task on."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable

from tests.e2e.running import Project
from tests.e2e.test_api import endpoint
from tests.scripted_server import Asked, ScriptedServer
from tests.waiting import until

FILES = {
    "one.py": "def f():\n    return 1\n",
    "two.py": "def f():\n    return 1\n",
    "test_both.py": "import one, two\n\n\ndef test_both():\n    assert one.f() == two.f() == 2\n",
}
TASKS = [
    {"id": "a", "path": "one.py", "symbol": "f", "instruction": "Return two.", "depends_on": []},
    {"id": "b", "path": "two.py", "symbol": "f", "instruction": "Return two.", "depends_on": ["a"]},
]
DIFF = "@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 2\n"


def test_a_line_typed_under_the_live_view_and_a_steer_are_heard_at_once_told_later_and_shown_afterwards(
    making: Callable[..., Project],
) -> None:
    project = making(FILES)
    ours, theirs = pty.openpty()
    shown = bytearray()
    asked: list[str] = []

    def listen() -> None:
        try:
            while data := os.read(ours, 4096):
                shown.extend(data)
        except OSError:
            return  # the run is over

    def meanwhile(*words: str) -> str:
        command = [sys.executable, "-m", "gitagent", *words]
        return subprocess.check_output(command, cwd=project.root, env=project.environment(), text=True)

    def answer(one: Asked) -> str:
        if "You plan a change" in one.prompt:
            return json.dumps({"tasks": TASKS})
        asked.append(one.prompt)
        if len(asked) == 1:
            os.write(ours, b"leave the names\n")
            until(lambda: b"told from the next task on: leave the names" in shown)
            run = json.loads(meanwhile("status", "--json"))[0]["run"]
            meanwhile("steer", run, "and be brief")
        return DIFF

    with ScriptedServer(answer) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "gitagent", "fix", "f gives two", "--api", "--no-test-first"],
            cwd=project.root, env=project.environment({**endpoint(server), "TERM": "xterm"}),
            preexec_fn=lambda: os.login_tty(theirs),  # all its streams, and the terminal that controls it
        )  # fmt: skip
        os.close(theirs)
        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        assert process.wait(120) == 0, shown.decode()
        reader.join(10)
    os.close(ours)
    assert "leave the names" not in asked[0]
    assert "Said since by who asked for this: leave the names" in asked[-1] and "and be brief" in asked[-1]
    assert "taken up from task t1 on: leave the names" in shown.decode()
    (run,) = (line["run"] for line in json.loads(project.gitagent("status", "--json").out))
    assert "  t1  said meanwhile: leave the names\n" in project.gitagent("show", run).out
    done = project.gitagent("steer", run, "too late")
    assert done.code == 2 and done.told == (f"run {run} is not under way. Nothing was changed.", "gitagent status")
    assert project.gitagent("steer", "nope", "x").told[0] == "there is no run 'nope' in this repository"
