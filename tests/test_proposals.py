"""What the publishing job lets through: proposals are strangers' data, whatever they say of themselves."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitagent import proposals
from gitagent.adapters.git import GitRepository
from gitagent.adapters.git_bundle import bundle, commits_between, is_ancestor, unbundle
from gitagent.core import certificates
from gitagent.core.certificates import Certificate, Place
from gitagent.errors import RepositoryError, RequestError
from gitagent.proposals import BUNDLE, FILE, Policy, Proposal, check, read, write

Git = Callable[..., str]
BRANCH = "gitagent/12-sums"
FILES = {
    "sums.py": "def add(a, b):\n    return a - b\n",
    "test_sums.py": "def test_add():\n    assert add(1, 2) == 3\n",
}


class Desk:
    """A repository with a proposed branch, and a second clone that is to publish it."""

    def __init__(self, root: Path, git: Git) -> None:
        self.git, self.there, self.here, self.box = git, root / "there", root / "here", root / "box"
        self.there.mkdir()
        self.box.mkdir()
        git(self.there, "init", "--quiet")
        self.commit(FILES)
        self.base = git(self.there, "rev-parse", "HEAD")
        git(root, "clone", "--quiet", str(self.there), str(self.here))
        git(self.there, "checkout", "--quiet", "-b", BRANCH)

    def commit(self, files: dict[str, str | None]) -> None:
        for name, text in files.items():
            file = self.there / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if text is not None:
                file.write_text(text)
        self.git(self.there, "add", "--all", "--force")
        self.git(self.there, "commit", "--quiet", "-m", "sums: change")

    @property
    def tip(self) -> str:
        return self.git(self.there, "rev-parse", BRANCH)

    def certificate(self, **wrong: Any) -> Certificate:
        tree = {
            name: self.git(self.there, "rev-parse", f"{oid}^{{tree}}")
            for name, oid in (("b", self.base), ("t", self.tip))
        }
        return replace(
            Certificate(
                gitagent="0.1.0", state="passed", reason="red went green",
                base=Place(commit=self.base, tree=tree["b"]), tip=Place(commit=self.tip, tree=tree["t"]),
                environment="none", command=("pytest",), scope=(), red=("test_sums.py::test_add",), runs=(), tests={},
            ),
            **wrong,
        )  # fmt: skip

    def proposal(self, **wrong: Any) -> Proposal:
        return replace(
            Proposal(
                run="r", state="proven", reason="", title="sums", body="body", branch=BRANCH, base=self.base,
                tip=self.tip, certificate=certificates.text_of(self.certificate()),
            ),
            **wrong,
        )  # fmt: skip

    def checked(
        self,
        proposal: Proposal | None = None,
        *,
        key: str = "12",
        remote: str = "",
        planned: set[str] | None = None,
        **policy: Any,
    ) -> proposals.Checked:
        proposal = proposal or self.proposal()
        bundle(GitRepository(str(self.there)), BRANCH, self.base, self.box / BUNDLE)
        here = GitRepository(str(self.here))
        tip = unbundle(here, self.box / BUNDLE, BRANCH)
        return check(
            proposal, here, key=key, tip=tip, commits=commits_between(here, self.base, tip),
            on_base=is_ancestor(here, proposal.base, here.head().oid),
            builds_on=lambda one: is_ancestor(here, one, tip), remote_tip=remote, planned=planned,
            policy=Policy(**policy),
        )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, git: Git) -> Desk:
    return Desk(tmp_path, git)


MENDED = {"sums.py": "def add(a, b):\n    return a + b\n"}


def test_a_small_proven_change_is_let_through(desk: Desk) -> None:
    desk.commit(MENDED)
    assert desk.checked() == proposals.Checked(refused=(), unproven="")
    assert desk.checked(proven_only=True).refused == ()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({".github/workflows/ci.yml": "on: push\n"}, "is protected"),
        ({".gitagent.toml": "[run]\nmode = 'api'\n"}, "is protected"),
        ({"hooks/pre-push": "#!/bin/sh\n"}, "is protected"),
        ({"SUMS.py": "x = 1\n"}, "in case alone"),
        ({"sums.py": "x = 1\n" * 500}, "lines, at most 400"),
        ({f"new{number}.py": "x = 1\n" for number in range(201)}, "files, at most 200"),
        ({"data.txt": "a\0b\n"}, "not UTF-8 text"),
        ({"test_sums.py": None}, "tampers"),
        ({"test_sums.py": "def test_add():\n    pass\n"}, "tampers"),
        ({"conftest.py": "collect_ignore = ['test_sums.py']\n"}, "tampers"),
        ({"poetry.lock": "x\n"}, "tampers"),
        ({"a:b.py": "x = 1\n"}, "a:b.py"),
    ],
)
def test_what_no_policy_allows_is_refused_by_name(desk: Desk, files: dict[str, str | None], why: str) -> None:
    desk.commit({**MENDED, **files})
    found = desk.checked()
    assert len(found.refused) == 1 and why in found.refused[0], found


def test_a_link_and_a_submodule_are_refused(desk: Desk, git: Git) -> None:
    (desk.there / "passwords").symlink_to("/etc/passwd")
    git(desk.there, "update-index", "--add", "--cacheinfo", f"160000,{desk.base},vendored")
    git(desk.there, "add", "passwords")
    git(desk.there, "commit", "--quiet", "-m", "x")
    assert desk.checked().refused == ("passwords is no regular file", "vendored is no regular file")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"branch": "gitagent/13-other"}, "'12' was asked"),
        ({"tip": "0" * 40}, "the bundle holds"),
    ],
)
def test_a_proposal_that_says_other_than_its_commits_is_refused(
    desk: Desk, wrong: dict[str, str], why: str
) -> None:
    desk.commit(MENDED)
    assert why in desk.checked(desk.proposal(**wrong)).refused[0]


def test_a_base_that_nobody_merged_is_refused(desk: Desk) -> None:
    desk.commit({"sums.py": "anything = 1\n" * 5_000})
    base = desk.tip
    desk.commit(MENDED)
    assert desk.checked(desk.proposal(base=base)).refused == (
        f"its base {base[:12]} is not on the branch it is for",
    )


def test_what_no_approved_plan_is_about_is_refused(desk: Desk) -> None:
    desk.commit({**MENDED, "test_more.py": "def test_more():\n    assert 1 + 2 == 3\n"})
    assert desk.checked(planned={"sums.py"}, approved_only=True).refused == ()
    assert desk.checked(planned={"other.py"}).refused == (
        "it changes sums.py, which the approved plan is not about",
    )
    assert desk.checked(approved_only=True).refused == ("it changes sums.py, and no plan for that was approved",)
    remote = desk.tip  # what is published already needs no other approval
    assert desk.checked(approved_only=True, remote=remote).refused == ()
    desk.commit({"sums.py": "def add(a, b):\n    return b + a\n"})
    assert desk.checked(approved_only=True, remote=remote).refused != ()


def test_commits_on_the_branch_are_never_lost(desk: Desk, git: Git) -> None:
    desk.commit(MENDED)
    git(desk.here, "checkout", "--quiet", "-b", "theirs")
    git(desk.here, "commit", "--quiet", "--allow-empty", "-m", "theirs")
    theirs = git(desk.here, "rev-parse", "HEAD")
    git(desk.here, "checkout", "--quiet", "main")
    assert "commits that it would lose" in desk.checked(remote=theirs).refused[0]
    assert desk.checked(remote=desk.base).refused == ()


def test_no_change_at_all_is_refused(desk: Desk, git: Git) -> None:
    git(desk.there, "commit", "--quiet", "--allow-empty", "-m", "nothing")
    assert desk.checked().refused == ("it changes nothing",)


@pytest.mark.parametrize("forged", ["", "{}", "moved", "edited", "failed", "other base"])
def test_only_a_certificate_of_just_these_commits_counts_as_proof(desk: Desk, forged: str) -> None:
    desk.commit(MENDED)
    made = desk.certificate()
    text = {
        "moved": certificates.text_of(replace(made, tip=replace(made.tip, commit="1" * 40))),
        "edited": certificates.text_of(made).replace("red went green", "all is well"),
        "failed": certificates.text_of(replace(made, state="failed")),
        "other base": certificates.text_of(replace(made, base=replace(made.base, tree="1" * 40))),
    }.get(forged, forged)
    found = desk.checked(desk.proposal(certificate=text))
    assert found.unproven and not found.refused
    assert "only proven work" in desk.checked(desk.proposal(certificate=text), proven_only=True).refused[0]


def test_a_proposal_is_read_as_it_was_written(desk: Desk) -> None:
    desk.commit(MENDED)
    write(desk.box, desk.proposal())
    assert read(desk.box) == desk.proposal() and read(desk.box).key == "12"


@pytest.mark.parametrize(
    "change",
    [
        {"branch": "main"}, {"branch": "gitagent/12-a/../../main"}, {"branch": "gitagent/$(id)"}, {"branch": "--force"},
        {"branch": "gitagent/12-a\n"}, {"tip": "HEAD"}, {"base": "main"}, {"title": 3}, {"more": "x"}, {"run": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_proposal_of_another_form_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    desk.commit(MENDED)
    write(desk.box, desk.proposal())
    found = json.loads((desk.box / FILE).read_text())
    (desk.box / FILE).write_text(json.dumps(found | change))
    with pytest.raises(RequestError, match="Nothing was published"):
        read(desk.box)


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, "x" * (9 * 2**20)], ids=["empty", "list", "deep", "huge"]
)
def test_what_is_no_proposal_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RequestError, match="no proposal"):
        read(tmp_path)


def test_a_bundle_is_checked_object_by_object(desk: Desk, git: Git) -> None:
    here = GitRepository(str(desk.here))
    (desk.box / BUNDLE).write_bytes(b"# v2 git bundle\nnonsense\n")
    with pytest.raises(RepositoryError, match="its header is broken"):
        unbundle(here, desk.box / BUNDLE, BRANCH)
    (desk.box / BUNDLE).write_bytes(f"# v2 git bundle\n{'1' * 40} refs/heads/{BRANCH}\n\nnonsense".encode())
    with pytest.raises(RepositoryError, match="git refuses it"):
        unbundle(here, desk.box / BUNDLE, BRANCH)
    (desk.box / BUNDLE).write_bytes(f"# v2 git bundle\n-{'1' * 40}\n{'1' * 40} refs/heads/{BRANCH}\n\n".encode())
    with pytest.raises(RepositoryError, match="1111111"):
        unbundle(here, desk.box / BUNDLE, BRANCH)
    with pytest.raises(RepositoryError, match="no bundle"):
        unbundle(here, desk.box / "missing", BRANCH)
    blob = git(desk.there, "hash-object", "-w", "sums.py")
    made = subprocess.run(
        ["git", "-C", str(desk.there), "mktree"],
        input=f"100644 blob {blob}\t.git\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    tree = made.stdout.strip()
    commit = git(desk.there, "commit-tree", tree, "-p", desk.base, "-m", "x")
    git(desk.there, "update-ref", f"refs/heads/{BRANCH}", commit)
    bundle(GitRepository(str(desk.there)), BRANCH, desk.base, desk.box / BUNDLE)
    with pytest.raises(RepositoryError, match="git refuses it"):
        unbundle(here, desk.box / BUNDLE, BRANCH)
    with pytest.raises(RepositoryError, match="cannot be bundled"):
        bundle(here, "gitagent/none", desk.base, desk.box / "x")


def test_a_bundle_over_its_size_is_not_opened(desk: Desk) -> None:
    with (desk.box / BUNDLE).open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(RepositoryError, match="at most 64"):
        unbundle(GitRepository(str(desk.here)), desk.box / BUNDLE, BRANCH)
