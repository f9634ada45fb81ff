"""What a question's calls are run with: the files and history of one commit, and a sandbox with a copy of them."""

import contextlib
import fnmatch
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pygit2

from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_reading import ReadOnlyGit
from gitagent.core.asking import Call, Result
from gitagent.core.paths import check_path
from gitagent.core.secrets import holds_credentials
from gitagent.core.texts import lines_of
from gitagent.errors import DiffError, RequestError
from gitagent.ports import Sandbox, Workspace
from gitagent.records import FileEntry, SandboxLimits

REGULAR = (0o100644, 0o100755)
MOST_BYTES = 2_000_000
MOST_LINES = 400
MOST_HITS = 100
LONGEST_LINE = 300
GREP_SECONDS = 10.0
BASH_SECONDS = 120.0
STDERR = "/tmp/gitagent-asking-stderr"


class LookingTools(contextlib.AbstractContextManager["LookingTools"]):
    """Tools over one commit. The sandbox is opened when a command is first run in it."""

    def __init__(
        self,
        repository: GitRepository,
        commit: str,
        sandbox: Callable[[], Sandbox],
        limits: SandboxLimits,
        *,
        grep_seconds: float = GREP_SECONDS,
    ) -> None:
        self._grep_seconds = grep_seconds
        self._repository, self._commit, self._limits = repository, commit, limits
        self._files = {entry.path: entry for entry in repository.entries(commit)}
        self._git = ReadOnlyGit(repository, commit)
        self._sandbox = sandbox
        self._workspace: Workspace | None = None
        self._open = contextlib.ExitStack()

    def __exit__(self, *error: object) -> None:
        self._git.close()
        self._open.close()

    def run(self, call: Call) -> Result:
        """What comes of a call. Raises RequestError for one that may not be, SandboxError if the sandbox breaks."""
        began = time.monotonic()
        given = call.arguments
        if call.tool == "read_file":
            text = self._read_file(given["path"], int(given.get("first_line", 1)), int(given.get("last_line", 0)))
        elif call.tool == "grep":
            return self._grep(given["pattern"], given.get("path", ""))
        elif call.tool == "git":
            return self._run_git(given["arguments"])
        elif call.tool == "bash":
            return self._bash(given["command"])
        else:
            text = "noted"
        return Result(exit_code=0, stdout=text, seconds=time.monotonic() - began)

    # -- files -------------------------------------------------------------------------------------------

    def _read_file(self, path: str, first: int, last: int) -> str:
        path = path.removeprefix("./")
        if path.rstrip("/") in ("", ".") or any(name.startswith(path.rstrip("/") + "/") for name in self._files):
            return self._listed(path.rstrip("/"))
        lines = lines_of(self._text(path))
        first = max(first, 1)
        last = min(last if last >= first else first + MOST_LINES - 1, first + MOST_LINES - 1, len(lines))
        if first > max(len(lines), 1):
            raise RequestError(f"{path} has {len(lines)} lines; line {first} is not one of them")
        shown = [f"{first + at}: {line}" for at, line in enumerate(lines[first - 1 : last])]
        more = f"… {len(lines) - last} more lines, to {len(lines)}\n" if last < len(lines) else ""
        return "".join(line if line.endswith("\n") else line + "\n" for line in shown) + more

    def _listed(self, folder: str) -> str:
        start = "" if folder in ("", ".") else folder + "/"
        names = dict.fromkeys(
            start + rest.partition("/")[0] + ("/" if "/" in rest else "")
            for path in self._files
            if path.startswith(start)
            for rest in [path[len(start) :]]
        )
        return "".join(f"{name}\n" for name in names)

    def _text(self, path: str) -> str:
        try:
            check_path(path)
        except DiffError as problem:
            raise RequestError(str(problem).removesuffix(". Nothing was changed")) from None
        entry = self._files.get(path)
        if entry is None:
            near = [name for name in self._files if name.rsplit("/", 1)[-1] == path.rsplit("/", 1)[-1]][:5]
            raise RequestError(
                f"there is no file {path} in commit {self._commit[:12]}"
                + (f"; meant: {', '.join(near)}?" if near else "")
            )
        return self._of(entry)

    def _of(self, entry: FileEntry) -> str:
        if holds_credentials(entry.path):
            raise RequestError(f"{entry.path} is a file that credentials are kept in; nobody is shown it")
        if entry.mode not in REGULAR:
            raise RequestError(f"{entry.path} is no regular file")
        data = self._repository.read(entry.oid)
        if len(data) > MOST_BYTES or b"\0" in data[:8000]:
            raise RequestError(f"{entry.path} is no text, or too long: {len(data):,} bytes")
        return data.decode("utf-8", "replace")

    def _grep(self, pattern: str, path: str) -> Result:
        try:
            wanted = re.compile(pattern)
            note = ""
        except (re.error, RecursionError, OverflowError) as problem:
            wanted, note = re.compile(re.escape(pattern)), f"read as plain words: {problem}\n"
        path = path.removeprefix("./").rstrip("/")
        within = [entry for name, entry in self._files.items() if _is_within(name, path)]
        if not within:
            raise RequestError(f"there is no file or folder {path} in commit {self._commit[:12]}")
        began = time.monotonic()
        hits: list[str] = []
        try:
            with _at_most(self._grep_seconds):
                for hit in self._hits(wanted, within):
                    hits.append(hit)  # noqa: PERF402 - those before a late one are kept
        except TimeoutError:
            note += f"stopped after {self._grep_seconds:g} s; ask for a simpler pattern, or name a path\n"
        shown = hits[:MOST_HITS]
        more = f"… more than {MOST_HITS} lines match; name a path\n" if len(hits) > MOST_HITS else ""
        return Result(
            exit_code=0 if hits else 1,
            stdout="".join(shown) + more,
            stderr=note + ("" if hits else "no line matches\n"),
            seconds=time.monotonic() - began,
        )

    def _hits(self, wanted: re.Pattern[str], within: Iterable[FileEntry]) -> Iterator[str]:
        count = 0
        for entry in within:
            if entry.mode not in REGULAR or holds_credentials(entry.path):
                continue
            try:
                text = self._of(entry)
            except RequestError:
                continue  # not a text
            for number, line in enumerate(text.split("\n"), 1):
                if wanted.search(line[:2000]):
                    yield f"{entry.path}:{number}: {line.strip()[:LONGEST_LINE]}\n"
                    count += 1
                    if count > MOST_HITS:
                        return

    # -- programs ----------------------------------------------------------------------------------------

    def _run_git(self, text: str) -> Result:
        # Without a path nobody can tell whether it is a file that credentials are kept in, now or once.
        for word in re.findall(r"\b[0-9a-fA-F]{4,40}\b", text):
            if self._is_blob(word.lower()):
                raise RequestError(
                    f"git: {word} is a file's content; name it by commit and path, as HEAD:src/a.py"
                )
        return self._git.run(text)

    def _is_blob(self, prefix: str) -> bool:
        with contextlib.suppress(KeyError, ValueError):  # there is none, or more than one
            return isinstance(self._repository.git[prefix], pygit2.Blob)
        return False

    def _bash(self, command: str) -> Result:
        if self._workspace is None:
            self._workspace = self._open.enter_context(
                self._sandbox().open(
                    lambda directory: self._repository.checkout(self._commit, directory), self._limits
                )
            )
            self._workspace.write({path: None for path in self._files if holds_credentials(path)})
        # The command is an argument, not a part of the script; what it says on stderr comes back on its own.
        script = 'if command -v bash >/dev/null 2>&1; then bash -c "$1" 2>"$2"; else sh -c "$1" 2>"$2"; fi'
        done = self._workspace.run(
            ("sh", "-c", script, "sh", command, STDERR),
            timeout_seconds=min(BASH_SECONDS, self._limits.timeout_seconds),
            collect=(STDERR,),
        )
        stderr = done.files.get(STDERR, b"").decode("utf-8", "replace")
        return Result(exit_code=done.exit_code, stdout=done.output, stderr=stderr, seconds=done.seconds)


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block once it took so long; a pattern that is being matched listens to nothing else.

    Elsewhere than in the main thread, where no signal comes, it may take any time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_within(name: str, path: str) -> bool:
    """Whether a file is the one named, below the folder named, or meant by a pattern of names."""
    return path in ("", ".") or name == path or name.startswith(path + "/") or _matches(name, path)


def _matches(name: str, glob: str) -> bool:
    if not any(sign in glob for sign in "*?["):
        return False
    return fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], glob)
