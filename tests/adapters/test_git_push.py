import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitagent.adapters.git import GitBranches, GitRepository
from gitagent.adapters.git_push import push, pushed_to
from gitagent.errors import ForgeError
from tests.github_server import GitHubServer, certificate

Git = Callable[..., str]
BRANCH = "gitagent/12-add"
TOKEN = "ghp_0123456789secret"


@pytest.fixture
def hub(tmp_path: Path, repo: Path, git: Git) -> Path:
    """The bare repository that is `repo`'s origin."""
    bare = tmp_path / "hub.git"
    git(repo, "clone", "--quiet", "--bare", ".", str(bare))
    git(repo, "remote", "add", "origin", str(bare))
    return bare


def committed(repo: Path, text: str = "x\n", *, again: bool = False) -> str:
    """A new commit on the scratch branch; its oid."""
    repository = GitRepository(str(repo))
    branches = GitBranches(repository)
    exists = repository.has_branch(BRANCH)
    scratch = branches.create(BRANCH, "main", again=again) if again or not exists else branches.open(BRANCH)
    return scratch.commit({"greet.py": text}, "greet").oid


def error_of(repo: Path, tip: str, remote: str = "origin", **more: str) -> ForgeError:
    with pytest.raises(ForgeError) as caught:
        push(GitRepository(str(repo)), remote, BRANCH, tip, **more)
    assert "\n" not in str(caught.value)
    return caught.value


def by_a_human(git: Git, tmp_path: Path, hub: Path) -> str:
    """Somebody's commit on top of the branch at the remote; its oid."""
    clone = tmp_path / "theirs"
    git(tmp_path, "clone", "--quiet", "--branch", BRANCH, str(hub), str(clone))
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "mine")
    git(clone, "push", "--quiet", "origin", BRANCH)
    return git(clone, "rev-parse", "HEAD")


def test_a_branch_is_made_and_moved_forward(repo: Path, hub: Path, git: Git) -> None:
    main = git(hub, "rev-parse", "main")
    for text in ("1\n", "2\n"):
        tip = committed(repo, text)
        push(GitRepository(str(repo)), "origin", BRANCH, tip)
        assert git(hub, "rev-parse", BRANCH) == tip
    push(GitRepository(str(repo)), "origin", BRANCH, tip)
    assert git(hub, "for-each-ref", "--format=%(refname) %(objectname)") == (
        f"refs/heads/{BRANCH} {tip}\nrefs/heads/main {main}"
    )


@pytest.mark.parametrize("fetched", [True, False])
def test_a_humans_commits_on_the_branch_are_never_overwritten(
    repo: Path, hub: Path, git: Git, tmp_path: Path, fetched: bool
) -> None:
    push(GitRepository(str(repo)), "origin", BRANCH, committed(repo))
    theirs = by_a_human(git, tmp_path, hub)
    if fetched:
        git(repo, "fetch", "--quiet", "origin")
    for again in (False, True):
        tip = committed(repo, f"{again}\n", again=again)
        error = error_of(repo, tip)
        assert str(error) == (
            f"origin has commits on {BRANCH} that are not ours. "
            "Nothing was pushed; the work is on the local branch."
        )
        assert error.hint == f"git fetch origin {BRANCH} && git log {tip[:12]}..FETCH_HEAD"
        assert git(hub, "rev-parse", BRANCH) == theirs
        assert git(repo, "rev-parse", BRANCH) == tip


def test_our_own_commits_give_way_to_those_of_a_branch_started_anew(repo: Path, hub: Path, git: Git) -> None:
    push(GitRepository(str(repo)), "origin", BRANCH, committed(repo, "first\n"))
    # Not pushed: the remote stands on a commit below the one that is put aside.
    committed(repo, "second\n")
    tip = committed(repo, "anew\n", again=True)
    push(GitRepository(str(repo)), "origin", BRANCH, tip)
    assert git(hub, "rev-parse", BRANCH) == tip


def test_no_hook_and_no_habit_of_the_user_takes_part(repo: Path, hub: Path, git: Git) -> None:
    hooks = repo / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-push", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{repo}/{name}-ran'\nexit 1\n")
        (hooks / name).chmod(0o755)
    git(repo, "config", "push.followTags", "true")
    git(repo, "config", "push.recurseSubmodules", "only")
    git(repo, "-c", f"core.hooksPath={os.devnull}", "tag", "-a", "v1", "-m", "one", "main")
    tip = committed(repo)
    push(GitRepository(str(repo)), "origin", BRANCH, tip)
    assert git(hub, "rev-parse", BRANCH) == tip
    assert git(hub, "tag") == ""
    assert list(repo.glob("*-ran")) == []


def test_the_remotes_own_words_are_told(repo: Path, hub: Path, git: Git) -> None:
    hook = hub / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'error: GH006: Protected \x1b[31mbranch.' >&2\nexit 1\n")
    hook.chmod(0o755)
    error = error_of(repo, committed(repo))
    assert str(error).startswith(f"origin did not take {BRANCH}: ! ")
    assert "(pre-receive hook declined); remote: error: GH006: Protected [31mbranch." in str(error)
    assert str(error).endswith("The work is on the local branch.")
    assert error.hint == f"git push origin {BRANCH}"


def test_a_remote_that_is_not_there_is_named(repo: Path, hub: Path) -> None:
    tip = committed(repo)
    shutil.rmtree(hub)
    error = error_of(repo, tip)
    assert "does not appear to be a git repository" in str(error)
    assert "The work is on the local branch." in str(error)


@pytest.mark.parametrize(
    "remote", ["upstream", "--receive-pack=touch evil", "ext::touch evil", "/srv/shop.git", ""]
)
def test_only_a_remote_that_the_user_made_is_pushed_to(repo: Path, hub: Path, remote: str) -> None:
    error = error_of(repo, committed(repo), remote)
    assert str(error) == f"there is no remote {remote!r}. Nothing was pushed."
    assert error.hint == "git remote -v"


def test_a_push_goes_where_git_would_push(repo: Path, hub: Path, git: Git) -> None:
    assert pushed_to(GitRepository(str(repo)), "origin") == str(hub)
    git(repo, "config", "url.https://github.com/.pushInsteadOf", f"{hub.parent}/")
    assert pushed_to(GitRepository(str(repo)), "origin") == "https://github.com/hub.git"


# -- https -----------------------------------------------------------------------------------------------


@pytest.fixture
def server(
    tmp_path: Path, repo: Path, hub: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubServer]:
    """Git over https for whoever has the token; `repo`'s origin."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    tls, file = certificate(tmp_path)
    monkeypatch.setenv("GIT_SSL_CAINFO", file)
    with GitHubServer(str(hub)).listening(tls) as server:
        server.git_token = TOKEN
        git(repo, "remote", "set-url", "origin", f"{server.url}/ada/shop.git")
        yield server


def host_of(server: GitHubServer) -> str:
    return server.url.removeprefix("https://")


def test_the_token_opens_https_and_is_in_no_argument_no_file_and_no_configuration(
    server: GitHubServer, repo: Path, hub: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What actions/checkout leaves behind. GitHub refuses two such headers.
    git(repo, "config", f"http.{server.url}/.extraheader", "AUTHORIZATION: basic b2xkOm9uZQ==")
    config = (repo / ".git" / "config").read_bytes()
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    tip = committed(repo)
    push(GitRepository(str(repo)), "origin", BRANCH, tip, token=TOKEN, host=host_of(server))
    assert git(hub, "rev-parse", BRANCH) == tip
    secret = server.git_headers[0].split()[-1]
    assert len(set(server.git_headers)) == 1
    trace = (tmp_path / "trace").read_text()
    assert "push --porcelain" in trace
    assert TOKEN not in trace and secret not in trace
    assert (repo / ".git" / "config").read_bytes() == config
    for file in [*repo.rglob("*"), *hub.rglob("*")]:
        if file.is_file():
            assert TOKEN.encode() not in file.read_bytes() and secret.encode() not in file.read_bytes()


def test_a_token_goes_to_no_other_host(server: GitHubServer, repo: Path) -> None:
    tip = committed(repo)
    for host in ("github.com", "localhost", host_of(server).replace("localhost", "host")):
        error = error_of(repo, tip, token=TOKEN, host=host)
        assert "could not read Username" in str(error)
        assert error.hint == "gh auth login && gh auth setup-git"
    assert set(server.git_headers) == {""}


def test_a_token_that_is_not_taken_and_credentials_in_an_address_are_not_told(
    server: GitHubServer, repo: Path, git: Git
) -> None:
    tip = committed(repo)
    error = error_of(repo, tip, token="ghp_wrong", host=host_of(server))
    assert "gh auth login" in error.hint
    assert "ghp_wrong" not in str(error)
    git(repo, "remote", "set-url", "origin", f"https://ada:hunter2@{host_of(server)}/ada/shop.git")
    error = error_of(repo, tip, token=TOKEN, host=host_of(server))
    assert "hunter2" not in str(error)
    assert "The work is on the local branch." in str(error)
    server.git_token = ""
    git(repo, "remote", "set-url", "origin", f"{server.url}/ada/other.git")
    assert "not found" in str(error_of(repo, tip, token=TOKEN, host=host_of(server)))
