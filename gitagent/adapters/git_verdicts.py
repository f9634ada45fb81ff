"""Test runs already paid for, under `refs/gitagent/verdicts`; as many as a few megabytes hold.

The tree has two generations, `new/` and `old/`. A run is written to `new/`; once that is full it becomes `old/`, and
what was `old/` is forgotten. The ref's commit has no parent, so git's own garbage collection takes what is forgotten.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from gitagent.adapters import git_shared
from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_objects import TREE, read_tree, refusals
from gitagent.core import known
from gitagent.core.secrets import redacted
from gitagent.errors import GitagentError
from gitagent.records import TestRun

REF = "refs/gitagent/verdicts"
MOST_RUNS = 128


class GitVerdicts:
    """The port `Verdicts`; a cache, so what cannot be read is not known and what cannot be written is let go."""

    def __init__(self, repository: GitRepository, *, most: int = MOST_RUNS) -> None:
        self._repository, self._most = repository, most

    def get(
        self, tree: str, sandbox: str, argv: Sequence[str], *, turn: int = 0, maker: str = ""
    ) -> TestRun | None:
        name = known.key_of(tree, sandbox, argv, turn=turn).encode()
        with suppress(GitagentError):
            generations = self._generations()
            oid = next((found[name] for found in generations if name in found), None)
            told = None if oid is None else known.read(self._repository.read(oid).decode("utf-8", "replace"))
            if told is not None:
                run, by = told
                same = (run.tree, run.sandbox, run.argv) == (tree, sandbox, tuple(argv))
                if same and (not maker or maker == by):
                    return run
        return None

    def put(self, run: TestRun, *, turn: int = 0, maker: str = "") -> None:
        named = "\n".join([*run.argv, *(one.id for one in run.results)])
        if run.state == "inconclusive" or redacted(named) != named:
            return  # what a test is called cannot be taken out of it: it is run again
        text = known.text_of(run, maker)
        if len(text) > known.MOST_CHARACTERS:
            return
        name, data = known.key_of(run.tree, run.sandbox, run.argv, turn=turn), text.encode()
        with suppress(GitagentError):
            git_shared.edit(
                self._repository,
                REF,
                lambda tree: self._change(tree, name, data),
                "Test runs known",
                history=False,
            )

    def _change(self, tree: str | None, name: str, data: bytes) -> dict[str, bytes | None]:
        new, old = self._split(tree)
        if len(new) < self._most or name.encode() in new:
            return {f"new/{name}": data}
        files: dict[str, bytes | None] = {f"old/{each.decode()}": None for each in old}
        for each, oid in new.items():
            files[f"new/{each.decode()}"] = None
            files[f"old/{each.decode()}"] = self._repository.read(oid)
        return {**files, f"new/{name}": data}

    def _generations(self) -> tuple[Mapping[bytes, str], Mapping[bytes, str]]:
        with refusals(f"{REF} cannot be read"):
            found = self._repository.git.references.get(REF)
        return self._split(self._repository.tree(str(found.resolve().target)) if found is not None else None)

    def _split(self, tree: str | None) -> tuple[Mapping[bytes, str], Mapping[bytes, str]]:
        """The blobs of both generations by name."""
        top = read_tree(self._repository.git, bytes.fromhex(tree)) if tree else {}
        return self._below(top.get(b"new")), self._below(top.get(b"old"))

    def _below(self, entry: tuple[int, bytes] | None) -> Mapping[bytes, str]:
        if entry is None or entry[0] != TREE:
            return {}
        return {
            name: oid.hex()
            for name, (mode, oid) in read_tree(self._repository.git, entry[1]).items()
            if mode != TREE
        }
