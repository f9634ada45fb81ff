import logging
import os
import socket
import string
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.github import MOST_BODY, GitHubForge, host_of, parse_remote, token_from
from gitagent.errors import ForgeError
from gitagent.records import PullRequest
from tests.github_server import REPOSITORY, GitHubServer, late, once, refused

Git = Callable[..., str]
BRANCH = "gitagent/12-add"
TOKEN = "ghp_0123456789secret"
LOGIN_PAGE = "<html>Welcome to the airport's network</html>"
BY_HAND = f"gh pr create --draft --head ada:{BRANCH} --base main"
KEPT = "The branch is pushed; the work is on it and on the local branch of that name."


@pytest.fixture
def hub(tmp_path: Path, repo: Path, home: Path, git: Git) -> Path:
    """The bare repository behind github.com/ada/shop, which is the remote of `repo`; pushes really go there."""
    bare = tmp_path / "hub" / "ada" / "shop.git"
    git(repo, "clone", "--quiet", "--bare", ".", str(bare))
    git(repo, "remote", "add", "origin", "https://github.com/ada/shop.git")
    with (home / ".gitconfig").open("a") as file:
        file.write(f'[url "{tmp_path}/hub/"]\n\tpushInsteadOf = https://github.com/\n')
    return bare


@pytest.fixture
def server(hub: Path) -> Iterator[GitHubServer]:
    with GitHubServer(str(hub)).listening() as server:
        server.add_issue(12, "add subtracts", "It should add.", "grace")
        yield server


@pytest.fixture
def pull(repo: Path) -> PullRequest:
    """One commit on a scratch branch, not published."""
    repository = GitRepository(str(repo))
    base = repository.head().oid
    fixed = {"pkg/deep/sums.py": "def add(a, b):\n    return a + b\n"}
    tip = GitBranches(repository).create(BRANCH, base).commit(fixed, "sums: add").oid
    return PullRequest(
        title="sums: add, not subtract",
        body="What was asked.\n",
        branch=BRANCH,
        base_branch="main",
        base=base,
        tip=tip,
        key="12",
    )


def forge(server: GitHubServer, repo: Path, **more: Any) -> GitHubForge:
    given_: dict[str, Any] = {"token": TOKEN, "base_url": f"{server.url}/api/v3", "retry_seconds": (), **more}
    return GitHubForge(GitRepository(str(repo)), "ada", "shop", **given_)


def error_of(act: Callable[[], object]) -> ForgeError:
    with pytest.raises(ForgeError) as caught:
        act()
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value) + caught.value.hint
    return caught.value


# -- issues ----------------------------------------------------------------------------------------------


def test_an_issue_is_its_title_its_text_and_who_wrote_it(server: GitHubServer, repo: Path) -> None:
    assert forge(server, repo).issue(12) == ("add subtracts\n\nIt should add.", "grace")
    server.add_issue(13, "no words", None, None)
    assert forge(server, repo).issue(13) == ("no words\n\n", "")
    headers = server.requests[0][3]
    assert headers["Authorization"] == f"token {TOKEN}"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert headers["User-Agent"].startswith("gitagent ")


def test_a_public_issue_is_read_without_a_token(server: GitHubServer, repo: Path) -> None:
    assert forge(server, repo, token="").issue(12)[1] == "grace"
    assert "Authorization" not in server.requests[0][3]
    assert "cannot be seen without a token" in str(error_of(lambda: forge(server, repo, token="").issue(99)))


def test_a_pull_request_is_no_issue(server: GitHubServer, repo: Path) -> None:
    server.script.append(once("GET", 200, {"title": "t", "body": "", "user": None, "pull_request": {}}))
    error = error_of(lambda: forge(server, repo).issue(14))
    assert str(error) == "14 is a pull request, expected an issue. Nothing was run."


# -- publishing ------------------------------------------------------------------------------------------


def test_publishing_pushes_the_branch_and_opens_a_draft(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, git: Git, untouched: Callable[[Path], str]
) -> None:
    main, config = git(hub, "rev-parse", "main"), (repo / ".git" / "config").read_bytes()
    opened = forge(server, repo).publish(pull)
    assert opened == replace(
        pull, number=13, url="https://github.com/ada/shop/pull/13", draft=True, state="open", base=main
    )
    assert git(hub, "rev-parse", BRANCH) == pull.tip
    assert git(hub, "rev-parse", "main") == main
    assert server.asked("POST") == [
        {"title": pull.title, "body": pull.body, "head": f"ada:{BRANCH}", "base": "main", "draft": True}
    ]
    assert (repo / ".git" / "config").read_bytes() == config
    assert git(repo, "status", "--porcelain") == ""


def test_publishing_again_updates_the_same_pull_request(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, git: Git
) -> None:
    first = forge(server, repo).publish(pull)
    tip = GitBranches(GitRepository(str(repo))).open(BRANCH).commit({"more.py": "x = 1\n"}, "more").oid
    again = forge(server, repo).publish(replace(pull, tip=tip, title="t" * 300, body="better"))
    assert (again.number, again.tip, again.body) == (first.number, tip, "better")
    assert len(again.title) == 250
    assert git(hub, "rev-parse", BRANCH) == tip
    assert len(server.asked("POST")) == len(server.asked("PATCH")) == len(server.pulls) == 1


def test_a_branch_started_anew_replaces_what_we_had_pushed(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, git: Git
) -> None:
    first = forge(server, repo).publish(pull)
    anew = GitBranches(GitRepository(str(repo))).create(BRANCH, pull.base, again=True)
    tip = anew.commit({"other.py": "y = 2\n"}, "another way").oid
    assert forge(server, repo).publish(replace(pull, tip=tip)).number == first.number
    assert git(hub, "rev-parse", BRANCH) == tip


def test_a_closed_pull_request_is_left_alone_and_a_new_one_opened(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    first = forge(server, repo).publish(pull)
    assert forge(server, repo).close(first.number).state == "closed"
    assert forge(server, repo).publish(pull).number == first.number + 1


def test_an_answer_that_comes_too_late_leaves_exactly_one_pull_request(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    answered = threading.Event()
    server.after = late(answered)
    try:
        opened = forge(server, repo, timeout_seconds=1.5, retry_seconds=(0, 0)).publish(pull)
    finally:
        answered.set()
    assert [opened.number] == list(server.pulls)
    assert len(server.asked("POST")) == 1


def test_a_gateway_error_is_asked_again_and_leaves_exactly_one(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    server.script += [once("GET", 503, ""), once("POST", 502, LOGIN_PAGE, Content_Type="text/html")]
    opened = forge(server, repo, retry_seconds=(0,)).publish(pull)
    assert [opened.number] == list(server.pulls)
    server.script.append(once("PATCH", 500, {"message": "oops"}))
    assert forge(server, repo, retry_seconds=(0,)).publish(replace(pull, body="again")).body == "again"


def test_a_pull_request_that_somebody_opened_meanwhile_is_taken(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    server.add_pull(40, BRANCH)
    server.script.append(once("GET", 200, []))  # the list lags behind
    assert forge(server, repo).publish(pull).number == 40
    assert len(server.pulls) == 1


def test_a_list_that_ignores_the_filter_updates_nobody_elses_pull_request(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    server.add_pull(50, "feature")
    server.add_pull(51, BRANCH, owner="mallory", repository=666)
    everything = server.answer("GET", "/repos/ada/shop/pulls", None)[2]
    assert len(everything) == 2
    server.script.append(once("GET", 200, everything))
    assert forge(server, repo).publish(pull).number == 52
    assert server.asked("PATCH") == []


def test_where_drafts_are_not_supported_an_ordinary_one_is_opened(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    server.script.append(
        lambda method, path, data: (
            refused(message="Draft pull requests are not supported in this repository.")
            if method == "POST" and data["draft"]
            else None
        )
    )
    assert forge(server, repo).publish(pull).draft is False
    assert [data["draft"] for data in server.asked("POST")] == [True, False]


def test_a_branch_named_after_drafts_is_still_refused_for_other_reasons(
    server: GitHubServer, repo: Path, pull: PullRequest, git: Git
) -> None:
    git(repo, "branch", "gitagent/12-draft", pull.tip)
    server.script.append(once("POST", *refused(message="No commits between main and ada:x")[::2]))
    error = error_of(lambda: forge(server, repo).publish(replace(pull, branch="gitagent/12-draft")))
    assert str(error) == (
        f"the pull request of gitagent/12-draft: GitHub refuses it: No commits between main and ada:x. {KEPT}"
    )
    assert len(server.asked("POST")) == 1


def test_a_body_over_githubs_limit_is_cut_and_says_so(server: GitHubServer, repo: Path, pull: PullRequest) -> None:
    body = "".join(f"line {number}\n" for number in range(9_000))
    sent = forge(server, repo).publish(replace(pull, body=body)).body
    assert MOST_BODY - 100 < len(sent) < 65_536
    kept, _, note = sent.partition("\n\n[cut here")
    assert body.startswith(kept + "\n")
    assert "gitagent show" in note


def test_a_base_branch_that_github_does_not_have_is_named_with_the_push_that_mends_it(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    error = error_of(lambda: forge(server, repo).publish(replace(pull, base_branch="mine")))
    assert (
        str(error) == f"the pull request of {BRANCH}: GitHub refuses it: Validation Failed; base: invalid. {KEPT}"
    )
    assert error.hint == f"git push origin mine; then: gh pr create --draft --head ada:{BRANCH} --base mine"


def test_a_remote_that_is_pushed_to_a_fork_opens_it_from_there(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, tmp_path: Path, git: Git
) -> None:
    fork = tmp_path / "fork.git"
    git(hub, "clone", "--quiet", "--bare", ".", str(fork))
    server.hosted["/Bob/shop.git"] = str(fork)
    git(repo, "remote", "set-url", "--push", "origin", f"{server.url}/Bob/shop.git")
    opened = forge(server, repo).publish(pull)
    assert server.asked("POST")[0]["head"] == f"Bob:{BRANCH}"
    assert opened.tip == git(fork, "rev-parse", BRANCH) == pull.tip
    assert git(hub, "branch", "--list", BRANCH) == ""
    assert forge(server, repo).publish(pull).number == opened.number


# -- refusals of publishing ------------------------------------------------------------------------------


def test_without_a_token_nothing_is_pushed(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, git: Git
) -> None:
    error = error_of(lambda: forge(server, repo, token="").publish(pull))
    host = server.url.removeprefix("http://")
    assert str(error) == (
        f"no token for {host} was found, so {BRANCH} was not pushed. The work is on that local branch."
    )
    assert "gh auth login" in error.hint
    assert git(hub, "branch", "--list", BRANCH) == ""
    assert server.requests == []


ANSWERS: list[tuple[int, Any, dict[str, str], str, str]] = [
    (
        401,
        {"message": "Bad credentials"},
        {},
        "GitHub does not accept the token: Bad credentials",
        "gh auth login",
    ),
    (
        403,
        {"message": "Resource not accessible by personal access token"},
        {},
        "the token may not do this in ada/shop: Resource not accessible by personal access token",
        "contents: write and pull requests: write",
    ),
    (
        403,
        {"message": "API rate limit exceeded for user ID 1."},
        {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "SOON"},
        "GitHub's rate limit is used up: API rate limit exceeded for user ID 1.",
        "try again in 5 minutes",
    ),
    (
        403,
        {"message": "You have exceeded a secondary rate limit."},
        {"Retry_After": "30"},
        "rate limit is used up",
        "try again in 1 minute",
    ),
    (429, {"message": "Slow down"}, {}, "rate limit is used up: Slow down", "try again in 2 minutes"),
    (
        404,
        {"message": "Not Found"},
        {},
        "there is no such thing in ada/shop, or it cannot be seen",
        "gh auth status",
    ),
    (410, {"message": "Gone"}, {}, "there is no such thing in ada/shop", "gh auth status"),
    (
        422,
        {
            "message": "Validation Failed",
            "errors": [{"field": "title", "code": "missing"}, "odd", {"message": "m"}],
        },
        {},
        "GitHub refuses it: Validation Failed; title: missing; odd; m.",
        "",
    ),
    (500, {"message": "Server Error"}, {}, "GitHub answered 500: Server Error.", "githubstatus"),
    (502, LOGIN_PAGE, {}, "GitHub answered 502: Bad Gateway.", "githubstatus"),
    (418, [1, 2], {}, "GitHub answered 418: I'm a Teapot", ""),
    (200, LOGIN_PAGE, {"Content_Type": "text/html"}, "the answer is not GitHub's.", "gitagent config"),
    (200, {"ok": True}, {}, "the answer is not GitHub's.", "gitagent config"),
    (
        302,
        "",
        {"Location": "http://login.example/"},
        "sends us on to login.example, which is not followed.",
        "git remote -v",
    ),
]


def test_every_refusal_says_what_why_and_that_the_work_is_kept(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, git: Git
) -> None:
    soon = str(int(time.time()) + 290)
    ours = forge(server, repo)
    for status, body, headers, words, hint in ANSWERS:
        headers = {name: value.replace("SOON", soon) for name, value in headers.items()}
        server.script.append(once("POST", status, body, **headers))
        error = error_of(lambda: ours.publish(pull))
        assert str(error).startswith(f"the pull request of {BRANCH}: ")
        assert words in str(error)
        assert str(error).endswith(KEPT)
        assert hint in error.hint
        assert error.hint.endswith(BY_HAND)
        server.script.append(once("GET", status, body, **headers))
        error = error_of(lambda: ours.issue(12))
        assert str(error).startswith("issue 12: ")
        assert words in str(error)
        assert str(error).endswith("Nothing was run.")
    assert server.pulls == {}
    assert git(repo, "rev-parse", BRANCH) == git(hub, "rev-parse", BRANCH) == pull.tip


def test_a_site_that_cannot_be_reached_is_named(repo: Path, hub: Path, pull: PullRequest) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        lost = GitHubForge(
            GitRepository(str(repo)), "ada", "shop", token=TOKEN, base_url=f"{url}/api/v3", retry_seconds=(0,)
        )
        error = error_of(lambda: lost.publish(pull))
        host = url.removeprefix("http://")
        assert str(error) == f"the pull request of {BRANCH}: {host} cannot be reached (ConnectionError). {KEPT}"
        assert error.hint == f"curl -sS {url}/api/v3; then: {BY_HAND}"
        assert str(error_of(lambda: lost.pull(3))) == f"pull request 3: {host} cannot be reached (ConnectionError)"


def test_a_site_that_does_not_answer_is_given_up(server: GitHubServer, repo: Path, pull: PullRequest) -> None:
    answered = threading.Event()
    server.after = late(answered, "GET")
    try:
        error = error_of(lambda: forge(server, repo, timeout_seconds=0.2).issue(12))
    finally:
        answered.set()
    assert str(error).endswith("did not answer in time. Nothing was run.")
    assert error.hint == "try again in a minute"


def test_a_repository_that_was_renamed_is_followed_but_no_other_host_ever(
    server: GitHubServer, repo: Path, pull: PullRequest
) -> None:
    shop = "/api/v3/repos/ada/shop"
    server.script += [
        once("GET", 301, "", Location=f"{server.url}{shop}/pulls?state=open"),
        once("POST", 307, "", Location=f"{shop}/pulls"),
    ]
    assert forge(server, repo).publish(pull).number == 13
    seen: list[str] = []
    with GitHubServer(server.remote).listening() as other:
        server.script.append(once("GET", 302, "", Location=f"{other.url}{shop}/issues/12"))
        assert "is not followed" in str(error_of(lambda: forge(server, repo).issue(12)))
        seen += [path for _, path, _, _ in other.requests]
    assert seen == []
    server.script += [once("GET", 302, "", Location=f"{shop}/issues/12") for _ in range(3)]
    assert "is not followed" in str(error_of(lambda: forge(server, repo).issue(12)))


def test_the_token_is_in_no_log_no_file_and_no_configuration(
    server: GitHubServer, repo: Path, hub: Path, pull: PullRequest, git: Git, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        forge(server, repo).publish(pull)
    assert TOKEN not in caplog.text
    assert TOKEN not in git(repo, "config", "--list")
    for root in (repo, hub):
        assert not [file for file in root.rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()]


# -- looking and closing ---------------------------------------------------------------------------------


def test_pull_requests_are_listed_by_state_newest_first_without_strangers(
    server: GitHubServer, repo: Path
) -> None:
    server.add_pull(1, "feature")
    server.add_pull(2, "gitagent/1-a", state="closed")
    server.add_pull(3, "gitagent/1-b", state="closed", merged_at="2024-05-01T12:00:00Z")
    server.add_pull(4, "gitagent/2-c")
    server.add_pull(5, "gitagent/3-d", owner="mallory", repository=REPOSITORY + 1)
    server.add_pull(6, "gitagent/4-e", owner="gone", repository=None)
    ours = forge(server, repo)
    assert [pull.number for pull in ours.pulls()] == [4]
    assert [pull.number for pull in ours.pulls("all")] == [4, 3, 2]
    assert [(pull.number, pull.state) for pull in ours.pulls("merged")] == [(3, "merged")]
    assert [(pull.number, pull.state) for pull in ours.pulls("closed")] == [(2, "closed")]
    assert ours.pull(4).key == "2"
    assert "no state of a pull request" in str(error_of(lambda: ours.pulls("draft")))


def test_a_long_list_is_read_page_by_page(server: GitHubServer, repo: Path) -> None:
    for number in range(1, 151):
        server.add_pull(number, f"gitagent/{number}-x")
    assert [pull.number for pull in forge(server, repo).pulls()] == list(range(150, 0, -1))
    assert len(server.requests) == 2
    server.script.append(once("GET", 200, [{}, None, {"head": "?"}]))
    assert forge(server, repo).pulls() == ()
    server.script.append(once("GET", 200, {"message": "hello"}))
    assert "the answer is not GitHub's" in str(error_of(lambda: forge(server, repo).pulls()))


def test_closing_is_for_open_pull_requests(server: GitHubServer, repo: Path) -> None:
    server.add_pull(4, "gitagent/2-c", draft=False)
    ours = forge(server, repo)
    assert (ours.close(4).state, ours.pull(4).state) == ("closed", "closed")
    error = error_of(lambda: ours.close(4))
    assert (str(error), error.hint) == ("pull request 4 is closed already", "gitagent pr show 4")
    assert "there is no such thing in ada/shop" in str(error_of(lambda: ours.close(9)))


# -- addresses and tokens --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://github.com/ada/shop.git", "github.com"),
        ("https://github.com/ada/shop", "github.com"),
        ("https://github.com/ada/shop/", "github.com"),
        ("https://GitHub.com:443/ada/shop", "github.com"),
        ("https://ada:secret@github.com/ada/shop.git", "github.com"),
        ("http://127.0.0.1:8080/ada/shop.git", "127.0.0.1:8080"),
        ("git@github.com:ada/shop.git", "github.com"),
        ("git@github.com:/ada/shop.git", "github.com"),
        ("github.com:ada/shop", "github.com"),
        ("ssh://git@github.com/ada/shop.git", "github.com"),
        ("ssh://git@ssh.github.com:443/ada/shop.git", "github.com"),
        ("ssh://git@ghe.example.com:2222/ada/shop.git", "ghe.example.com"),
        ("git+ssh://git@github.com/ada/shop.git", "github.com"),
        ("git://github.com/ada/shop.git", "github.com"),
        ("https://github.com@evil.example/ada/shop", "evil.example"),
        ("https://github.com.evil.example/ada/shop", "github.com.evil.example"),
    ],
)
def test_a_remotes_address_is_read_in_all_of_gits_forms(url: str, host: str) -> None:
    assert parse_remote(url) == (host, "ada", "shop")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/git/ada/shop.git",
        "../shop.git",
        "file:///srv/ada/shop.git",
        "https://evil.example/github.com/ada/shop",
        "https://github.com/ada",
        "https://github.com/ada/..",
        "https://github.com/ada/shop?x=1",
        "https://github.com/-ada/shop",
        "https://github.com/ada/shop\n",
        "ext::sh -c evil github.com:ada/shop",
        "--upload-pack=x:ada/shop y",
    ],
)
def test_other_addresses_are_none_of_a_hosting_site(url: str) -> None:
    assert parse_remote(url) is None


WORDS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)


@settings(max_examples=40)
@given(
    owner=st.builds(str.__add__, st.sampled_from("ab7"), WORDS),
    name=st.builds(str.__add__, st.sampled_from("ab7._"), WORDS),
    form=st.sampled_from(
        ["https://{}/{}/{}", "git@{}:{}/{}.git", "ssh://git@{}:22/{}/{}/", "http://{}/{}/{}.git/"]
    ),
)
def test_owner_and_name_come_back_from_every_form(owner: str, name: str, form: str) -> None:
    assert parse_remote(form.format("git.example.org", owner, name)) == ("git.example.org", owner, name)


@settings(max_examples=60)
@given(st.text("ab./@:-_ \n?#%\\é", max_size=30))
def test_no_address_breaks_out_of_its_place_in_a_url(url: str) -> None:
    found = parse_remote(f"https://github.com/{url}")
    if found:
        assert found[0] == "github.com"
        assert set(found[1] + found[2]) <= set(string.ascii_letters + string.digits + "-_.")
        assert found[2] not in (".", "..")


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("", "github.com"),
        ("https://api.github.com", "github.com"),
        ("https://api.octo.ghe.com/", "octo.ghe.com"),
        ("https://ghe.example.com/api/v3", "ghe.example.com"),
        ("https://api.example.com:8443/api/v3/", "api.example.com:8443"),
        ("http://127.0.0.1:99/api/v3", "127.0.0.1:99"),
    ],
)
def test_an_api_belongs_to_one_host(base_url: str, host: str) -> None:
    assert host_of(base_url) == host


def test_a_token_comes_from_the_environment_as_gh_reads_it(tmp_path: Path) -> None:
    nobody = {"PATH": str(tmp_path)}
    assert token_from(nobody | {"GITHUB_TOKEN": "a", "GH_TOKEN": ""}) == "a"
    assert token_from(nobody | {"GITHUB_TOKEN": "a", "GH_TOKEN": " b\n"}) == "b"
    enterprise = nobody | {"GITHUB_TOKEN": "a", "GH_ENTERPRISE_TOKEN": "e"}
    assert (token_from(enterprise), token_from(enterprise, "ghe.example.com")) == ("a", "e")
    assert token_from(nobody) == ""


def test_a_token_comes_from_gh_where_the_environment_has_none(tmp_path: Path) -> None:
    gh = tmp_path / "gh"
    gh.write_text(
        '#!/bin/sh\n[ "$*" = "auth token --hostname github.com" ] && echo gho_1 && exit\necho no >&2\nexit 1\n'
    )
    gh.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    assert token_from(environment) == "gho_1"
    assert token_from(environment, "ghe.example.com") == ""
