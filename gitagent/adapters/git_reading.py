"""Read-only git for a model: its commands run in a bare repository made for it, which borrows the user's objects.

It has the refs, no work tree, and a configuration of its own: whatever aliases, pagers, filters, hooks, diff drivers or
fetching helpers the user's repository is set up with start nothing here, and nothing written there would reach it.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pygit2

from gitagent.adapters.git import GitRepository
from gitagent.core.asking import Result
from gitagent.core.asking.gitwords import without_credential_files, words_of
from gitagent.errors import RepositoryError

MOST_BYTES = 1_000_000
SECONDS = 30.0
# A command's own words decide about its options; these are what no command's words may change.
_FIXED = ("--no-pager", "--literal-pathspecs", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never",
          "-c", "log.showSignature=false", "-c", "core.quotePath=false", "-c", "gc.auto=0")  # fmt: skip
_PATCHES = frozenset(("log", "show", "diff", "diff-tree"))


class ReadOnlyGit:
    """Runs allowed git commands about a repository as it was when this was made."""

    def __init__(self, repository: GitRepository, commit: str) -> None:
        self._repository, self._commit = repository, commit
        self._directory = ""

    def run(self, text: str) -> Result:
        """What git says. Raises RequestError if the words are not allowed, RepositoryError if there is no git."""
        command, *rest = words_of(text)
        plain = ("--no-ext-diff", "--no-textconv") if command in _PATCHES else ()
        began = time.monotonic()
        argv = ["git", *_FIXED, command, *plain, *rest]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                done = subprocess.run(
                    argv,
                    cwd=self._made(),
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    timeout=SECONDS,
                    check=False,
                )
                code: int | None = done.returncode
            except subprocess.TimeoutExpired:
                code = None
            except OSError as error:
                raise RepositoryError(f"git cannot be started: {error.strerror}", hint="install git") from error
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read(MOST_BYTES).decode("utf-8", "replace"))
        return Result(
            exit_code=code,
            stdout=without_credential_files(texts[0]),
            stderr=texts[1],
            seconds=time.monotonic() - began,
        )

    def close(self) -> None:
        """Remove what was made."""
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = ""

    def _made(self) -> str:
        if self._directory:
            return self._directory
        git = self._repository.git
        self._directory = tempfile.mkdtemp(prefix="gitagent-asking-")
        bare = Path(self._directory)
        pygit2.init_repository(self._directory, bare=True)
        shutil.rmtree(bare / "hooks", ignore_errors=True)
        common = Path(self._repository.common_directory)
        (bare / "objects/info").mkdir(exist_ok=True)
        (bare / "objects/info/alternates").write_bytes(os.fsencode(common / "objects") + b"\n")
        lines = []
        for name in sorted(git.raw_listall_references()):
            if name.startswith((b"refs/heads/", b"refs/tags/", b"refs/remotes/")) and b"\n" not in name:
                found = git.references.get(os.fsdecode(name))
                if found is not None and isinstance(found.target, pygit2.Oid):
                    lines.append(str(found.target).encode() + b" " + name + b"\n")
        (bare / "packed-refs").write_bytes(b"# pack-refs with: sorted \n" + b"".join(lines))
        (bare / "HEAD").write_text(self._commit + "\n")
        if (common / "shallow").is_file():
            shutil.copyfile(common / "shallow", bare / "shallow")
        return self._directory

    def _environment(self) -> dict[str, str]:
        ours = {
            name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
        }
        return ours | {
            "GIT_DIR": self._directory,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ALLOW_PROTOCOL": "",
            "HOME": self._directory,
        }
