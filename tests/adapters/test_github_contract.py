"""Every request we send and every answer of the fake GitHub, held against GitHub's OpenAPI description."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.github import GitHubForge
from gitagent.adapters.github_bot import GitHubBot
from gitagent.errors import ForgeError
from gitagent.records import PullRequest
from tests import openapi_proxy
from tests.github_server import GitHubServer, once, refused
from tests.openapi_proxy import Proxy

pytestmark = pytest.mark.network
Git = Callable[..., str]
BRANCH = "gitagent/12-add"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitHubServer, Proxy]]:
    """The fake GitHub and the proxy before it, for all tests here: starting Prism takes seconds."""
    try:
        packages = openapi_proxy.installed()
        described = openapi_proxy.description(packages)
        directory = tmp_path_factory.mktemp("description")
        shapes: Mapping[str, Any] = openapi_proxy.shapes(described)
        with (
            GitHubServer("", shapes).listening() as server,
            openapi_proxy.proxying(packages, described, directory, server.url) as proxy,
        ):
            yield server, proxy
    except openapi_proxy.Unavailable as why:
        if os.environ.get("GITAGENT_REQUIRE_CONTRACT") == "1":
            pytest.fail(f"GITAGENT_REQUIRE_CONTRACT is set, and {why}")
        pytest.skip(str(why))


@pytest.fixture
def hub(tmp_path: Path, repo: Path, home: Path, git: Git, site: tuple[GitHubServer, Proxy]) -> Path:
    bare = tmp_path / "hub" / "ada" / "shop.git"
    git(repo, "clone", "--quiet", "--bare", ".", str(bare))
    git(repo, "remote", "add", "origin", "https://github.com/ada/shop.git")
    git(repo, "config", f"url.{tmp_path}/hub/.pushInsteadOf", "https://github.com/")
    site[0].hosted["/ada/shop.git"] = str(bare)
    return bare


def test_the_whole_life_of_a_pull_request_keeps_to_githubs_description(
    site: tuple[GitHubServer, Proxy], hub: Path, repo: Path
) -> None:
    server, proxy = site
    server.add_issue(12, "add subtracts", "It should add.")
    server.add_issue(13, "no words", None, None)
    server.add_pull(7, "feature", owner="mallory", repository=1)
    repository = GitRepository(str(repo))
    forge = GitHubForge(repository, "ada", "shop", token="t", base_url=proxy.url, retry_seconds=())
    assert forge.issue(12) == ("add subtracts\n\nIt should add.", "ada")
    assert forge.issue(13) == ("no words\n\n", "")
    base = repository.head().oid
    tip = GitBranches(repository).create(BRANCH, base).commit({"greet.py": "x\n"}, "greet").oid
    pull = PullRequest(title="t", body="b\n", branch=BRANCH, base_branch="main", base=base, tip=tip, key="12")
    opened = forge.publish(pull)
    assert opened == replace(pull, number=14, url="https://github.com/ada/shop/pull/14")
    assert forge.publish(replace(pull, body="better")) == replace(opened, body="better")
    assert forge.pull(14).body == "better"
    assert [each.number for each in forge.pulls()] == [14]
    assert forge.close(14).state == "closed"
    server.pulls[14]["merged_at"] = "2024-05-01T12:00:00Z"
    assert [each.state for each in forge.pulls("all")] == ["merged"]
    with pytest.raises(ForgeError, match="issue 99: there is no such thing in ada/shop"):
        forge.issue(99)
    with pytest.raises(ForgeError, match="pull request 98: there is no such thing"):
        forge.pull(98)
    with pytest.raises(ForgeError, match="base: invalid"):
        forge.publish(replace(pull, base_branch="gone"))
    server.script.append(once("POST", *refused(message="Draft pull requests are not supported")[::2]))
    assert forge.publish(pull).draft is False
    requests.get(f"{proxy.url}/repos/ada/shop/issues/last", timeout=60)
    assert proxy.wait_for("issues/last ✖")
    assert [line for line in proxy.violations() if "issues/last" not in line] == []
    verbs = [verb for verb, *_ in server.requests]
    assert (verbs.count("POST"), verbs.count("PATCH")) == (4, 2)


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("POST", "pulls", {"title": "no head and no base"}),
        ("POST", "pulls", {"title": "t", "head": "h", "base": "main", "draft": "yes"}),
        ("PATCH", "pulls/7", {"state": "merged"}),
        ("GET", "pulls?state=merged", None),
        ("GET", "issues/twelve", None),
    ],
)
def test_a_wrong_request_does_not_get_through(
    site: tuple[GitHubServer, Proxy], method: str, path: str, data: dict[str, object] | None
) -> None:
    server, proxy = site
    before = len(server.requests)
    answer = requests.request(method, f"{proxy.url}/repos/ada/shop/{path}", json=data, timeout=60)
    assert answer.status_code in (400, 422)
    assert "prism" in answer.json()["type"]
    assert answer.json()["validation"]
    assert len(server.requests) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "issues/12", 200),
        ("GET", "issues/12", 404),
        ("GET", "pulls", 200),
        ("GET", "pulls/14", 200),
        ("POST", "pulls", 201),
        ("POST", "pulls", 422),
        ("PATCH", "pulls/14", 200),
    ],
)
def test_a_wrong_answer_of_the_fake_does_not_get_through_either(
    site: tuple[GitHubServer, Proxy], method: str, path: str, status: int
) -> None:
    server, proxy = site
    server.script.append(once(method, status, {"number": "twelve", "message": ["no", "text"]}))
    data = {"title": "t", "head": "h", "base": "main"} if method == "POST" else None
    answer = requests.request(method, f"{proxy.url}/repos/ada/shop/{path}", json=data, timeout=60)
    assert answer.status_code == 500
    assert answer.json()["type"].endswith("#VIOLATIONS")


def test_what_the_jobs_of_the_workflow_ask_keeps_to_githubs_description(
    site: tuple[GitHubServer, Proxy], hub: Path, repo: Path
) -> None:
    server, proxy = site
    repository = GitRepository(str(repo))
    server.add_issue(21, "sums", "They are wrong.")
    server.add_pull(22, "gitagent/21-sums")
    server.add_comment(21, "ada", "/gitagent stop", "2026-01-02T00:00:00Z")
    server.labelled[21] = ("gitagent", "ada")
    server.review_comments[5] = [{"path": "greet.py", "line": 2, "body": "shorter"}]
    server.me = {"login": "robot", "type": "User"}
    before = proxy.violations()
    bot = GitHubBot(repository, "ada", "shop", token="t", base_url=proxy.url, retry_seconds=())
    assert bot.may_ask("ada") and not bot.may_ask("mallory") and not bot.may_ask("")
    bot.say(21, "progress", "begun")
    bot.say(21, "progress", "done")
    bot.say(21, "progress", "done")
    assert [one["body"] for one in server.comments[21][1:]] == ["<!-- gitagent progress -->\ndone"]
    said = bot.comment(21, "progress")
    assert said is not None and said.body == "\ndone" and bot.comment(21, "plan") is None
    assert said.made_at == said.edited_at == server.now and bot.is_open(21)
    server.add_reaction(said.id, "ada", "2029-01-01T00:00:00Z")
    server.add_reaction(said.id, "mallory", "2030-01-02T00:00:00Z")
    assert bot.approver(said) == ""
    server.add_reaction(said.id, "ada", "2030-01-02T00:00:00Z")
    assert bot.approver(said) == "ada"
    server.add_comment(21, "mallory", "/gitagent steer be rude", "2026-01-03T00:00:00Z")
    (heard,) = bot.corrections(21, "2026-01-01T00:00:00Z")
    assert (heard.login, heard.text) == ("mallory", "be rude")
    bot.react(heard.id, "eyes")
    assert bot.has_reacted(heard.id, "eyes") and not bot.has_reacted(heard.id, "rocket")
    server.reactions[heard.id][-1]["user"]["login"] = "mallory"
    assert not bot.has_reacted(heard.id, "eyes")
    server.runs |= {5: "in_progress", 6: "completed"}
    assert bot.is_under_way(5) and not bot.is_under_way(6)
    assert bot.has_asked_to_stop(21, "2026-01-01T00:00:00Z") == "ada"
    assert bot.has_asked_to_stop(21, "2026-01-03T00:00:00Z") == ""
    assert bot.review_comments(22, 5) == "greet.py:2: shorter"
    assert bot.own_pull(22) is not None
    bot.status(repository.head().oid, state="success", description="x" * 200)
    assert len(server.statuses[-1]["description"]) == 140
    assert bot.waiting("gitagent") is None  # its pull request is there
    del server.pulls[22]
    assert bot.waiting("gitagent") == (21, "ada")
    assert proxy.violations() == before
