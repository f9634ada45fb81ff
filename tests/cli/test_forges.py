import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent.adapters.git import GitRepository
from gitagent.adapters.github import GitHubForge
from gitagent.cli import main
from gitagent.cli.building import config_for
from gitagent.cli.forges import api_address, forge_for
from gitagent.errors import ForgeError, RequestError
from gitagent.ports import Forge
from tests.github_server import GitHubServer, certificate

Git = Callable[..., str]
TOKEN = "ghp_0123456789secret"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_TOKEN", "GITAGENT_FORGE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)


def chosen(repo: Path, git: Git, url: str, *, name: str | None = None, base_url: str | None = None) -> Forge:
    """The forge of a repository whose origin has this address."""
    if url:
        git(repo, "config", "remote.origin.url", url)
    repository = GitRepository(str(repo))
    return forge_for(repository, config_for(repository, {"forge.name": name, "forge.base_url": base_url}))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/git/shop.git",
        "https://gitlab.example.org/ada/shop.git",
        "https://github.com.evil.example/ada/shop.git",
        "https://evil.example/github.com/shop.git",
        "https://github.com@evil.example/ada/shop.git",
        "git@evil.example:github.com/shop",
        "git@github-work:ada/shop.git",
    ],
)
def test_a_remote_on_another_host_is_none_of_githubs_whatever_else_it_names(
    repo: Path, git: Git, url: str
) -> None:
    assert chosen(repo, git, url).name == "local"
    with pytest.raises(ForgeError, match=r"names no repository on github\.com\. Nothing was run\.") as caught:
        chosen(repo, git, "", name="github")
    assert "--forge local" in caught.value.hint


@pytest.mark.parametrize("name", [None, "github"])
@pytest.mark.parametrize("url", ["https://github.com/ada/shop.git", "git@github.com:ada/shop.git"])
def test_a_remote_on_github_is_githubs(repo: Path, git: Git, url: str, name: str | None) -> None:
    forge = chosen(repo, git, url, name=name)
    assert isinstance(forge, GitHubForge) and forge.has_token
    assert chosen(repo, git, url, name="local").name == "local"


def test_with_an_enterprise_address_only_its_host_is_github(repo: Path, git: Git) -> None:
    base_url = "https://ghe.example.com"
    for url in ("git@ghe.example.com:ada/shop.git", "https://GHE.example.com/ada/shop"):
        assert chosen(repo, git, url, base_url=base_url).name == "github"
    for url in (
        "https://github.com/ada/shop",
        "https://ghe.example.com:8443/ada/shop",
        "git@example.com:ada/shop",
    ):
        assert chosen(repo, git, url, base_url=base_url).name == "local"
        with pytest.raises(ForgeError, match=r"names no repository on ghe\.example\.com") as caught:
            chosen(repo, git, url, name="github", base_url=base_url)
        assert "https://ghe.example.com/OWNER/NAME.git" in caught.value.hint
    url = "ssh://git@octo.ghe.com/ada/shop"
    assert chosen(repo, git, url, base_url="https://api.octo.ghe.com").name == "github"


def test_the_repository_itself_cannot_say_where_the_token_goes(repo: Path, git: Git) -> None:
    (repo / ".gitagent.toml").write_text('[forge]\nbase_url = "https://evil.example/api/v3"\n')
    with pytest.raises(RequestError, match=r"forge\.base_url = .* is not a repository's to say"):
        chosen(repo, git, "https://evil.example/ada/shop")


def test_credentials_in_a_remotes_address_are_not_told(repo: Path, git: Git) -> None:
    with pytest.raises(ForgeError) as caught:
        chosen(repo, git, "https://ada:hunter2@gitlab.example.org/ada/shop", name="github")
    assert "gitlab.example.org" in str(caught.value)
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert "GITAGENT_FORGE_BASE_URL=https://gitlab.example.org/api/v3" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", ""),
        ("https://github.com", ""),
        ("https://api.github.com/", ""),
        ("https://ghe.example.com", "https://ghe.example.com/api/v3"),
        ("https://GHE.example.com:443/api/v3/", "https://ghe.example.com/api/v3"),
        ("https://ghe.example.com:8443/api/v3", "https://ghe.example.com:8443/api/v3"),
        ("https://api.octo.ghe.com", "https://api.octo.ghe.com"),
        ("http://127.0.0.1:99", "http://127.0.0.1:99/api/v3"),
        ("http://localhost:80/x", "http://localhost/x"),
    ],
)
def test_an_enterprise_address_may_be_written_in_short(given: str, meant: str) -> None:
    assert api_address(given) == meant


@pytest.mark.parametrize(
    "given",
    [
        "ghe.example.com",
        "http://ghe.example.com/api/v3",
        "http://10.0.0.1/api/v3",
        "ftp://ghe.example.com",
        "https://",
        "https://ada:x@ghe.example.com",
        "https://ghe.example.com?x=1",
        "https://ghe.example.com#x",
        "https://[ghe",
        "https://ghe.example.com:port",
    ],
)
def test_an_address_that_would_show_the_token_or_is_none_is_refused(given: str) -> None:
    with pytest.raises(
        RequestError, match=r"expected an https address without credentials\. Nothing was run"
    ) as caught:
        api_address(given)
    assert caught.value.hint == "export GITAGENT_FORGE_BASE_URL=https://HOST/api/v3"


def test_choosing_a_forge_imports_nothing_slow(repo: Path, git: Git) -> None:
    git(repo, "config", "remote.origin.url", "https://github.com/ada/shop")
    code = (
        "import sys; from gitagent.adapters.git import GitRepository; from gitagent.cli import building, forges;"
        f"repository = GitRepository({str(repo)!r});"
        "print(forges.forge_for(repository, building.config_for(repository, {})).name);"
        "print(*{'github3', 'requests', 'openai', 'docker'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert said.stdout == "github\n\n", said.stderr


# -- from an issue to a draft ----------------------------------------------------------------------------


TEST = """from pkg.deep.sums import add


def test_adding_nothing_changes_nothing():
    assert add(4, 0) == 4


def test_two_and_three_make_five():
    assert add(2, 3) == 5
"""


@pytest.fixture
def shop(repo: Path, git: Git) -> Path:
    """A repository with one red and one green test."""
    (repo / "tests").mkdir()
    (repo / "tests" / "test_sums.py").write_text(TEST)
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "pkg: test sums, which fails")
    return repo


@pytest.fixture
def server(shop: Path, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubServer]:
    """A GitHub Enterprise of its own over https, which is `shop`'s origin; the token opens both of its doors."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    tls, file = certificate(tmp_path)
    monkeypatch.setenv("GIT_SSL_CAINFO", file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", file)
    bare = tmp_path / "hub.git"
    git(shop, "clone", "--quiet", "--bare", ".", str(bare))
    with GitHubServer(str(bare)).listening(tls) as server:
        server.git_token = TOKEN
        server.add_issue(12, "Sums come out too small", "Two and three should make five.", "grace")
        git(shop, "remote", "add", "origin", f"{server.url}/ada/shop.git")
        monkeypatch.setenv("GITAGENT_FORGE_BASE_URL", server.url)
        yield server


def test_an_issue_ends_in_a_draft_pull_request_with_the_proven_commit(
    server: GitHubServer, shop: Path, git: Git
) -> None:
    base, head = git(shop, "rev-parse", "main"), git(shop, "symbolic-ref", "HEAD")
    index = (shop / ".git" / "index").read_bytes()
    said = subprocess.run(
        [sys.executable, "-m", "gitagent", "fix", "--issue", "12", "--yes", "--json", "--repo", str(shop),
         "--sandbox", "none", "--python", sys.executable, "--max-candidates", "4"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert (shop / ".git" / "index").read_bytes() == index
    assert (git(shop, "symbolic-ref", "HEAD"), git(shop, "status", "--porcelain")) == (head, "")
    events = [json.loads(line) for line in said.stdout.split("\n") if line]
    [pull] = server.pulls.values()
    branch = pull["head"]
    assert (pull["number"], pull["base"], pull["draft"], pull["state"]) == (13, "main", True, "open")
    assert branch.startswith("gitagent/12-sums-come-out")
    assert "test_two_and_three_make_five" in pull["body"]
    [committed] = [event for event in events if event["event"] == "committed"]
    assert server.tip(branch) == git(shop, "rev-parse", branch) == committed["oid"]
    verdicts = [event["state"] for event in events if event["event"] == "verdict_reached"]
    assert verdicts[-1] == "passed"
    assert server.tip("main") == git(shop, "rev-parse", "main", branch + "^").split("\n")[1] == base
    assert TOKEN not in said.stdout + said.stderr
    for words, shown in [
        (["list"], f"#13  draft  {pull['title']}  ({branch} → main)"),
        (["show", "13"], "https://github.com/ada/shop/pull/13"),
        (["diff", "13"], "+    return a + b"),
        (["close", "13"], "Closed #13."),
        (["list", "--state", "closed"], "#13  closed"),
    ]:
        assert shown in CliRunner().invoke(main, ["pr", *words, "--repo", str(shop)]).stdout
    for words, told in [
        (["close", "13"], "error: pull request 13 is closed already\nhint: gitagent pr show 13\n"),
        (
            ["show", "98"],
            "error: pull request 98: there is no such thing in ada/shop, or it cannot be seen\nhint: ",
        ),
        (["merge", "13"], "is merged, and its branch deleted, on github"),
    ]:
        failed = CliRunner().invoke(main, ["pr", *words, "--repo", str(shop)])
        assert failed.exit_code == 7
        assert told in failed.stderr


def test_an_issue_that_is_not_there_is_one_error_line_before_anything_runs(
    server: GitHubServer, shop: Path, git: Git, untouched: Callable[[Path], str]
) -> None:
    before = untouched(shop)
    said = CliRunner().invoke(main, ["fix", "--issue", "99", "--yes", "--repo", str(shop)])
    assert said.exit_code == 7
    assert said.stderr.startswith(
        "error: issue 99: there is no such thing in ada/shop, or it cannot be seen. Nothing"
    )
    assert "\nhint: gh auth status --hostname localhost:" in said.stderr
    assert untouched(shop) == before
    assert git(shop, "for-each-ref", "refs/heads/gitagent", "refs/gitagent") == ""
