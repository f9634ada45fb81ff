"""`gitagent apply`: put a diff, however mangled, onto the work tree or a branch, exactly or not at all."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitagent.core.secrets import redacted
from gitagent.errors import RepositoryError, RequestError

if TYPE_CHECKING:
    from gitagent.core.diffs import Applied

_MOST_BYTES = 16_000_000


@click.command("apply")
@click.argument("diff", type=click.Path(allow_dash=True), default="-")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--worktree", "where", flag_value="worktree", help="Change the files of the work tree.  [default]")
@click.option("--branch", metavar="NAME", help="Commit on this branch instead, made at HEAD if it is new.")
@click.option("--check", "where", flag_value="check", help="Change nothing, only say whether it applies.")
@click.option("--show", is_flag=True, help="Print the clean diff; `git apply` takes it as it is.")
@click.option("--message", "-m", help="Message of the commit, with --branch.")
@click.option("--only", "allowed", metavar="PATH", multiple=True, help="The only file it may change; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def apply_command(
    diff: str,
    repo: str,
    where: str | None,
    branch: str | None,
    show: bool,
    message: str | None,
    allowed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Apply DIFF, a file or `-` for standard input, exactly as meant, or refuse it and change nothing.

    DIFF may be a whole chat reply. Wrong line numbers, lost markers and mangled blanks are mended where only
    one reading is left. Exit code 0: applied. 5: refused. 2 to 3: see docs/cli.md.
    """
    from gitagent.core.diffs import Refused, apply_reply

    if branch and where:
        raise RequestError(f"--branch and --{where} exclude each other, expected one. Nothing was changed.")
    reply = _reply(diff)
    root, git_directory = _directories(repo, bare=bool(branch))
    read, tree = _committed(root, branch) if branch else _on_disk(root, git_directory)
    try:
        applied = apply_reply(reply, read, allowed=allowed or None, tree=tree)
    except Refused as refused:
        if as_json:
            click.echo(
                json.dumps(
                    {
                        "applied": False,
                        "kind": refused.kind,
                        "path": _printable(refused.path),
                        "line": refused.line,
                        "reason": redacted(_printable(str(refused))),
                    }
                )
            )
            raise click.exceptions.Exit(refused.exit_code) from None
        place = f" (line {refused.line} of the diff)" if refused.line else ""
        refused.args = (f"{refused}{place}. Nothing was changed.",)
        raise
    commit = ""
    if branch:
        commit = _commit(root, branch, applied, message)
    elif where != "check":
        _write(root, git_directory, applied)
    _tell(applied, branch, commit, where or "worktree", show=show, as_json=as_json)


def _reply(diff: str) -> str:
    try:
        if diff == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with open(diff, "rb") as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RequestError(f"{diff}: cannot be read ({error.strerror}). Nothing was changed.") from error
    if len(data) > _MOST_BYTES:
        raise RequestError(f"{diff}: larger than {_MOST_BYTES} bytes. Nothing was changed.")
    return data.decode("utf-8", "surrogateescape")


def _git(directory: Path | str, *arguments: str) -> bytes:
    argv = ["git", "-c", "core.quotePath=false", *arguments]
    done = subprocess.run(argv, cwd=directory, capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().split("\n")[0].removeprefix("fatal: ")
        raise RepositoryError(f"{directory}: {reason}. Nothing was changed.")
    return done.stdout


def _directories(repo: str, *, bare: bool) -> tuple[Path, Path]:
    """The work tree's root (the repository itself if it is bare) and its git directory."""
    if not Path(repo).is_dir():
        raise RepositoryError(f"{repo}: not a directory, expected a git repository. Nothing was changed.")
    git_directory = Path(
        _git(repo, "rev-parse", "--absolute-git-dir").decode("utf-8", "surrogateescape").rstrip("\n")
    )
    if _git(repo, "rev-parse", "--is-bare-repository").strip() == b"true":
        if not bare:
            message = f"{repo}: a bare repository has no work tree. Nothing was changed."
            raise RepositoryError(message, hint="gitagent apply DIFF --branch NAME")
        return git_directory, git_directory
    root = _git(repo, "rev-parse", "--show-toplevel").decode("utf-8", "surrogateescape").rstrip("\n")
    return Path(root), git_directory


def _modes(listing: bytes) -> dict[str, int]:
    """Path to mode, of `ls-files -s -z` or `ls-tree -r -z`."""
    out: dict[str, int] = {}
    for entry in listing.split(b"\0"):
        head, tab, path = entry.partition(b"\t")
        if tab:
            out[path.decode("utf-8", "surrogateescape")] = int(head.split(b" ")[0], 8)
    return out


def _on_disk(root: Path, git_directory: Path) -> tuple[Callable[[str], str | None], Mapping[str, int]]:
    from gitagent.adapters.worktree import Worktree

    worktree = Worktree(root, git_directory)
    worktree.recover()
    modes = _modes(_git(root, "ls-files", "-s", "-z"))
    for path in _git(root, "ls-files", "-o", "--exclude-standard", "-z").split(b"\0"):
        if path:
            modes.setdefault(path.decode("utf-8", "surrogateescape").rstrip("/"), 0o100644)
    gone = {path for path, mode in modes.items() if mode in (0o100644, 0o100755) and not (root / path).exists()}
    return worktree.read, {path: mode for path, mode in modes.items() if path not in gone}


def _committed(root: Path, branch: str) -> tuple[Callable[[str], str | None], Mapping[str, int]]:
    from gitagent.adapters.git import GitRepository

    repository = GitRepository(str(root))
    rev = f"refs/heads/{branch}" if repository.has_branch(branch) else "HEAD"
    entries = {entry.path: entry for entry in repository.entries(repository.resolve(rev))}

    def read(path: str) -> str | None:
        entry = entries.get(path)
        return None if entry is None else repository.read(entry.oid).decode("utf-8", "surrogateescape")

    return read, {path: entry.mode for path, entry in entries.items()}


def _write(root: Path, git_directory: Path, applied: "Applied") -> None:
    from gitagent.adapters.worktree import Worktree

    Worktree(root, git_directory).write(applied.texts, applied.modes)


def _commit(root: Path, branch: str, applied: "Applied", message: str | None) -> str:
    from gitagent.adapters.git import GitBranches, GitRepository

    repository = GitRepository(str(root))
    branches = GitBranches(repository)
    known = repository.has_branch(branch)
    scratch = branches.open(branch) if known else branches.create(branch, "HEAD")
    base = repository.resolve("HEAD")
    try:
        words = message or f"Change {', '.join(map(_printable, applied.diff.paths))}\n"
        return scratch.commit(applied.texts, words, modes=applied.modes).oid
    finally:
        # A new branch without our commit is not what was asked for; once it has one, it is not at base and stays.
        if not known:
            branches.drop(branch, base)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _tell(applied: "Applied", branch: str | None, commit: str, where: str, *, show: bool, as_json: bool) -> None:
    diff = applied.diff
    if as_json:
        record: dict[str, object] = {
            "applied": where != "check" or bool(branch),
            "paths": [_printable(path) for path in diff.paths],
            "added": diff.added,
            "removed": diff.removed,
        }
        if branch:
            record |= {"branch": branch, "commit": commit}
        if show:
            record["diff"] = _printable(diff.text)
        click.echo(json.dumps(record))
        return
    if show:
        sys.stdout.buffer.write(diff.text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    to = f"on {branch} as {commit[:12]}" if branch else {"check": "would apply"}.get(where, "applied")
    files = ", ".join(path if path.isprintable() else ascii(path) for path in diff.paths)
    click.echo(f"{files}: +{diff.added} -{diff.removed}, {to}", err=show)
