"""Runs `gitagent` as its users do: a process of its own, in a real repository, with real parts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.proofs import lean_python

ROOT = Path(__file__).parents[2]
SECONDS = 120

CALC = {
    "calc.py": "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n",
    "test_calc.py": "from calc import add, double\n\n\ndef test_add():\n    assert add(2, 3) == 5\n\n\n"
    "def test_double():\n    assert double(4) == 8\n",
}
RED = "test_calc.py::test_add"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        """Standard output as the JSON objects it must consist of."""
        return [json.loads(line) for line in self.out.split("\n") if line]

    def event(self, name: str) -> dict[str, object]:
        """The last event of this name."""
        return [event for event in self.events if event["event"] == name][-1]

    @property
    def told(self) -> tuple[str, str]:
        """The `error:` line and the `hint:` line, without these words; there must be one of each at most."""
        lines = self.err.split("\n")
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
        assert len(errors) == 1 and len(hints) <= 1, self.err
        return errors[0], "".join(hints)


class Project:
    """A repository, and `gitagent` run in it; what it leaves in the temporary directory is looked at too."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root, self.temporary = root, temporary
        temporary.mkdir()

    def git(self, *arguments: str) -> str:
        """What git says in this repository, without the last newline."""
        done = subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, check=True)
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Write files, commit them; the commit's oid."""
        for path, text in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink()
            else:
                file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What `gitagent` is started with."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("GITAGENT_", "OPENAI_"))}
        return {
            **ours,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),
            "GITAGENT_SANDBOX_BACKEND": "none",
            "GITAGENT_SANDBOX_PYTHON": lean_python(),
            **(extra or {}),
        }

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "subprocess.Popen[str]":
        """Start `gitagent …` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "gitagent", *arguments],
            cwd=cwd or self.root,
            env=self.environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def gitagent(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str = "",
    ) -> Done:
        """Run `gitagent …` to its end; whatever happens it may not crash, nor leave anything behind."""
        with self.start(*arguments, env=env, cwd=cwd) as process:
            return self.ended(process, stdin)

    def ended(self, process: "subprocess.Popen[str]", stdin: str | None = "") -> Done:
        """Wait for the end of a started command."""
        try:
            out, err = process.communicate(stdin, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert "Traceback" not in err, err
        assert list(self.temporary.iterdir()) == []
        return Done(code=process.returncode, out=out, err=err)

    def branches(self) -> list[str]:
        """The scratch branches there are."""
        return self.refs("refs/heads/gitagent/")

    def refs(self, prefix: str = "refs/") -> list[str]:
        """The refs that begin so."""
        return self.git("for-each-ref", "--format=%(refname)", prefix).split()

    def trailers(self, commit: str) -> dict[str, str]:
        """A commit's trailers, as git reads them."""
        told = self.git("log", "-1", "--format=%(trailers:only,unfold)", commit)
        return dict(line.split(": ", 1) for line in told.split("\n") if line)

    def pull(self, number: int = 1) -> str:
        """A local pull request's body."""
        return self.git("show", f"refs/gitagent/pulls/{number}:body.md")


def made(root: Path, temporary: Path, files: Mapping[str, str | bytes | None]) -> Project:
    """A repository with one commit of these files."""
    root.mkdir()
    project = Project(root, temporary)
    project.git("init", "--quiet")
    if files:
        project.commit(files, "calc: begin")
    return project


def json_lines(words: Sequence[object]) -> str:
    """Each as JSON on a line of its own."""
    return "".join(json.dumps(word) + "\n" for word in words)
