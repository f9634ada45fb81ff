"""The tamper gate of a run: which answers are refused, and what the user's word lets through on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gitagent.core import diffs, secrets, tampering, testing
from gitagent.core.tampering import Finding
from gitagent.errors import DiffError
from gitagent.records import Candidate
from gitagent.tree import Tree

HINT = "gitagent fix --allow-test-changes commits such changes on their own, labelled"


class Gate:
    """Looks at answers before any test is run, and again before a commit.

    Everything is held against base: what a run itself has added may be changed again. With `allowed`, the user's
    word, nothing is refused.
    """

    def __init__(self, tree: Tree, *, allowed: bool = False) -> None:
        self._tree, self._allowed = tree, allowed
        self.red: Sequence[str] = ()

    def findings(self, texts: Mapping[str, str | None]) -> tuple[Finding, ...]:
        """Each way in which these texts tamper."""
        files = dict.fromkeys(test.split("::")[0] for test in self.red)
        return tampering.find(
            {path: self._tree.on_base(path) for path in texts},
            texts,
            is_test=testing.is_test_path,
            red=self.red,
            tests={path: text for path in files if (text := self._tree.on_base(path)) is not None},
        )

    def refusal(self, candidate: Candidate) -> str:
        """Why an answer may not even be tried, "" if it may."""
        if secret := self._credentials(candidate):
            return secret
        found = () if self._allowed else self.findings(candidate.texts)
        return tampering.told(found) if found else ""

    def parts(self, candidate: Candidate) -> tuple[tuple[Candidate, tuple[Finding, ...]], ...]:
        """What becomes one commit each: the change itself, and what tampers on its own, with the findings.

        Raises DiffError if something tampers and the user has not allowed it.
        """
        if secret := self._credentials(candidate):
            raise DiffError(f"{secret}. Nothing was committed")
        found = self.findings(candidate.texts)
        if not found:
            return ((candidate, ()),)
        if not self._allowed:
            raise DiffError(f"{tampering.told(found)}. Nothing was committed", hint=HINT)
        paths = {finding.path for finding in found}
        own = {path: text for path, text in candidate.texts.items() if path not in paths}
        rest = {path: text for path, text in candidate.texts.items() if path in paths}
        label = f"changes what judges it, as allowed: {found[0].what}"
        labelled = replace(self._part(candidate, rest), pattern=label)
        return ((self._part(candidate, own), ()), (labelled, found)) if own else ((labelled, found),)

    def _credentials(self, candidate: Candidate) -> str:
        """Why an answer may not be taken for a credential it brings in, "" if there is none."""
        known = "\n".join(self._tree.on_base(path) or "" for path in candidate.texts)
        for path, text in candidate.texts.items():
            if secrets.added(known, text or ""):
                return (
                    f"{path}: a line that is added looks like it holds a credential; "
                    "read it from the environment, or use an obvious example value"
                )
        return ""

    def _part(self, candidate: Candidate, texts: Mapping[str, str | None]) -> Candidate:
        return replace(
            candidate,
            texts=texts,
            diff=diffs.between({path: (self._tree.text(path), text) for path, text in texts.items()}),
        )
