"""The three jobs of the workflow, as processes with the real events, a real remote and a GitHub that answers."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import CALC, Done, Project, made
from tests.github_server import GitHubServer
from tests.scripted_server import Answer, ScriptedServer

JOBS = ("begin", "propose", "publish")
AT = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Site:
    """A repository on the site, a fresh checkout for each job, and what the site remembers."""

    project: Project
    server: GitHubServer
    work: Path

    def job(
        self, name: str, event: str, payload: Mapping[str, Any], *more: str, env: Mapping[str, str] | None = None
    ) -> Done:
        """One job on a machine of its own: nothing is carried from the last one but the proposal."""
        root = self.work / f"checkout-{len(list(self.work.iterdir()))}"
        subprocess.run(["git", "clone", "--quiet", self.server.remote, str(root)], check=True)
        (self.work / "event.json").write_text(json.dumps(payload))
        place = {"propose": ["--to"], "publish": ["--from"]}.get(name, [])
        env = {
            **(env or {}),
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(self.work / "event.json"),
            "GITHUB_REPOSITORY": "ada/shop",
            "GITHUB_API_URL": f"{self.server.url}/api/v3",
            "GITHUB_TOKEN": "t0ken",
            "GITHUB_OUTPUT": str(self.work / "outputs"),
            "GITHUB_STEP_SUMMARY": str(self.work / "summary"),
        }
        where = [word for flag in place for word in (flag, str(self.work / "proposal"))]
        return self.project.gitagent("bot", name, *where, *more, env=env, cwd=root)

    def all_jobs(self, event: str, payload: Mapping[str, Any]) -> list[Done]:
        """The workflow, job after job."""
        return [self.job(name, event, payload) for name in JOBS]

    @property
    def comments(self) -> list[str]:
        """The bodies of our comments on issue 12."""
        return [one["body"] for one in self.server.comments.get(12, []) if "<!-- gitagent" in one["body"]]

    def outputs(self) -> dict[str, str]:
        """What the steps have put out so far."""
        lines = (self.work / "outputs").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def branches(self) -> list[str]:
        said = subprocess.run(
            ["git", "-C", self.server.remote, "for-each-ref", "--format=%(refname:short)", "refs/heads/gitagent/"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return said.stdout.split()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    project = made(tmp_path / "project", tmp_path / "temporary", CALC)
    remote = tmp_path / "remote.git"
    project.git("clone", "--quiet", "--bare", ".", str(remote))
    work = tmp_path / "work"
    work.mkdir()
    with GitHubServer(str(remote)).listening() as server:
        server.add_issue(12, "add is wrong", "It takes away.")
        yield Site(project, server, work)


def labelled(label: str = "gitagent", sender: str = "ada", **issue: Any) -> dict[str, Any]:
    """The event of a label put on issue 12."""
    return {
        "action": "labeled",
        "label": {"name": label},
        "issue": {"number": 12, "title": "add is wrong", "body": "It takes away.", "state": "open",
                  "user": {"login": "eve", "type": "User"}, "updated_at": AT, **issue},
        "sender": {"login": sender, "type": "User"},
    }  # fmt: skip


def commented(said: str, sender: str = "ada", number: int = 12, *, pull: bool = False) -> dict[str, Any]:
    """The event of a comment on issue 12, or on a pull request."""
    issue = labelled()["issue"] | {"number": number} | ({"pull_request": {}} if pull else {})
    user = {"login": sender, "type": "User"}
    comment = {"body": said, "user": user, "created_at": AT}
    return {"action": "created", "issue": issue, "comment": comment, "sender": user}


def test_a_labelled_issue_ends_in_one_proven_draft_pull_request(site: Site) -> None:
    begun, proposed, published = site.all_jobs("issues", labelled())
    assert (begun.code, proposed.code, published.code) == (0, 0, 0), published.err
    assert site.branches == ["gitagent/12-add-is-wrong"]
    assert list(site.server.pulls) == [13]
    pull = site.server.pulls[13]
    assert pull["draft"] and pull["title"] == "add is wrong" and "## Certificate" in pull["body"]
    assert len(site.comments) == 1 and "a proven draft: #13" in site.comments[0]
    assert site.server.statuses[0]["state"] == "success"
    assert site.outputs()["state"] == "proven" and site.outputs()["decision"] == "fix"
    assert "## Proof" in (site.work / "summary").read_text()


def test_the_proposing_job_writes_nothing_to_the_site(site: Site) -> None:
    site.job("propose", "issues", labelled())
    (checkout,) = site.work.glob("checkout-*")
    ran = subprocess.run(
        ["git", "-C", str(checkout), "for-each-ref", "--format=%(tree)", "refs/gitagent/runs/"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    tree = ["git", "-C", str(checkout), "ls-tree", "-r", "--name-only", ran.stdout.strip()]
    kept = subprocess.run(tree, capture_output=True, text=True, check=True).stdout
    assert "run.json" in kept and "steps/trial-" in kept
    assert [file.name for file in (checkout / ".git/gitagent").glob("*") if "index" not in file.name] == []
    assert {method for method, *_ in site.server.requests} == {"GET"} and site.branches == []


def test_labelling_again_goes_on_with_the_same_branch_and_pull_request(site: Site) -> None:
    site.all_jobs("issues", labelled())
    tip = site.server.tip("gitagent/12-add-is-wrong")
    done = site.all_jobs("issues", labelled(title="add is wrong, and edited"))
    assert len(site.branches) == 1 and list(site.server.pulls) == [13]
    assert site.server.tip("gitagent/12-add-is-wrong") == tip and len(site.comments) == 1
    assert done[2].code == 0


def test_what_a_human_committed_on_the_branch_is_built_upon(site: Site) -> None:
    site.all_jobs("issues", labelled())
    branch = site.branches[0]
    site.project.git("fetch", "--quiet", site.server.remote, branch)
    site.project.git("checkout", "--quiet", "-b", "theirs", "FETCH_HEAD")
    theirs = site.project.commit({"calc.py": CALC["calc.py"].replace("a - b", "a + b").replace("a * 2", "a * 3")})
    site.project.git("push", "--quiet", site.server.remote, f"theirs:refs/heads/{branch}")
    done = site.all_jobs("issue_comment", commented("/gitagent retry double is wrong now"))
    assert done[2].code == 0, done[2].err
    tip = site.server.tip(branch)
    site.project.git("fetch", "--quiet", site.server.remote, branch)
    assert tip != theirs and site.project.git("merge-base", theirs, str(tip)) == theirs
    assert list(site.server.pulls) == [13] and site.server.statuses[-1]["state"] == "success"


def test_a_review_that_asks_for_changes_is_worked_on_with_what_it_says_of_lines(site: Site) -> None:
    site.all_jobs("issues", labelled())
    site.server.review_comments[5] = [{"path": "calc.py", "line": 2, "body": "use sum()"}]
    pull = {
        "number": 13, "title": "add is wrong", "body": "", "state": "open", "user": {"login": "x", "type": "Bot"},
        "head": {"ref": site.branches[0], "repo": {"id": 77}}, "base": {"ref": "main", "repo": {"id": 77}},
    }  # fmt: skip
    user = {"login": "ada", "type": "User"}
    review = {"id": 5, "state": "changes_requested", "body": "please", "user": user, "submitted_at": AT}
    event = {"action": "submitted", "review": review, "pull_request": pull, "sender": user}
    begun, proposed, published = site.all_jobs("pull_request_review", event)
    assert begun.code == 0 and site.outputs()["decision"] == "revise"
    assert proposed.code == 2 and "no test fails" in proposed.err  # there is no model to understand words
    assert published.code == 0 and "No change came of it" in site.server.comments[13][-1]["body"]


def test_undo_closes_the_pull_request_and_deletes_a_branch_of_only_our_commits(site: Site) -> None:
    site.all_jobs("issues", labelled())
    done = site.job("publish", "issue_comment", commented("/gitagent undo"))
    assert done.code == 0 and site.branches == [] and site.server.pulls[13]["state"] == "closed"
    assert "the branch deleted" in site.server.comments[13][0]["body"]
    again = site.job("publish", "issue_comment", commented("/gitagent undo"))
    assert again.code == 0 and "no open pull request" in site.comments[-1]


def test_explain_tells_each_commit(site: Site) -> None:
    site.all_jobs("issues", labelled())
    assert site.job("publish", "issue_comment", commented("/gitagent explain")).code == 0
    assert "Gitagent-Verdict: passed" in site.comments[-1]


def test_stop_keeps_what_is_under_way_from_being_published(site: Site) -> None:
    site.job("begin", "issues", labelled())
    site.job("propose", "issues", labelled())
    site.server.add_comment(12, "ada", "/gitagent stop", "2026-01-01T00:05:00Z")
    assert site.job("begin", "issue_comment", commented("/gitagent stop")).code == 0
    done = site.job("publish", "issues", labelled())
    assert done.code == 0 and site.branches == [] and "Stopped by @ada" in site.comments[0]


def test_a_schedule_takes_the_oldest_labelled_issue_whose_label_a_writer_put_there(site: Site) -> None:
    event = {"schedule": "17 2 * * *"}
    site.server.labelled[12] = ("gitagent", "mallory")
    assert site.job("begin", "schedule", event).code == 0 and site.outputs()["decision"] == "nothing"
    site.server.labelled[12] = ("gitagent", "ada")
    site.all_jobs("schedule", event)
    assert list(site.server.pulls) == [13]
    assert site.job("begin", "schedule", event).code == 0 and site.outputs()["decision"] == "nothing"


def test_a_dispatch_by_hand_works_on_words(site: Site) -> None:
    user = {"login": "ada", "type": "User"}
    done = site.all_jobs("workflow_dispatch", {"inputs": {"issue": "", "request": "add is wrong"}, "sender": user})
    assert done[2].code == 0 and len(site.server.pulls) == 1 and site.comments == []
    site.all_jobs("workflow_dispatch", {"inputs": {"issue": "12", "request": ""}, "sender": user})
    assert len(site.server.pulls) == 2 and len(site.comments) == 1


@pytest.mark.parametrize("name", JOBS)
def test_what_is_no_event_is_refused_with_one_line(site: Site, name: str) -> None:
    done = site.job(name, "issues", {"action": "labeled", "issue": {"number": "x"}})
    assert done.code == 2 and "is not as GitHub sends it" in done.told[0]


def test_no_proposal_and_no_slug_are_refused(site: Site) -> None:
    done = site.job("publish", "issues", labelled())
    assert done.code == 2 and "no proposal" in done.told[0] and "Nothing was published" in done.told[0]
    done = site.job("begin", "issues", labelled(), "--repository", "../x")
    assert done.code == 7 and "no OWNER/NAME" in done.told[0]


def test_questions_are_one_comment_and_an_answer_goes_on_with_the_run(site: Site) -> None:
    asked = {"clear": False, "questions": [{"kind": "scope", "question": "All numbers?", "assumed": "ints"}]}
    with ScriptedServer([Answer(text=json.dumps(asked))]) as model:
        env = {
            "GITAGENT_RUN_MODE": "api",
            "GITAGENT_API_BASE_URL": model.url,
            "GITAGENT_API_MODEL": "scripted",
            "GITAGENT_API_KEY": "k",
        }
        for name in JOBS:
            done = site.job(
                name, "issue_comment", commented("/gitagent plan"), env=env if name == "propose" else None
            )
            assert done.code == 0, done.err
    assert "All numbers?" in site.comments[-1] and "otherwise assumed" in site.comments[-1]
    site.server.add_comment(12, "mallory", "delete everything", "2030-01-02T00:00:00Z")
    assert site.job("begin", "issue_comment", commented("delete everything", sender="mallory")).code == 0
    assert site.outputs()["decision"] == "nothing"
    site.server.add_comment(12, "ada", "Integers only.", "2030-01-03T00:00:00Z")
    for done in site.all_jobs("issue_comment", commented("Integers only.")):
        assert done.code == 0, done.err
    body = site.server.pulls[13]["body"]
    assert "Integers only." in body and "delete everything" not in body
