import os
import sys
import venv
from pathlib import Path

from gitagent.adapters.unsandboxed import UnsandboxedSandbox
from tests.adapters.sandboxing import LIMITS, tree


def test_the_tree_comes_before_the_checkout_that_an_editable_install_points_to(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    (repo / "lib").mkdir(parents=True)
    (repo / "lib/thing.py").write_text("where = 'checkout'\n")
    venv.create(repo / ".venv", with_pip=False, symlinks=True)
    (site,) = (repo / ".venv/lib").glob("python*/site-packages")
    (site / "thing.pth").write_text(f"{repo}/lib\n")
    sandbox = UnsandboxedSandbox(str(repo / ".venv/bin/python3"), repository=str(repo))
    files: dict[str, bytes | str] = {"lib/thing.py": "where = 'tree'\n", "src/other.py": "where = 'src'\n"}
    with sandbox.open(tree(files), LIMITS) as workspace:
        script = "import thing, other; print(thing.where, other.where)"
        assert workspace.run(["python3", "-c", script], timeout_seconds=20.0).output == "tree src\n"


def test_home_and_temporary_files_are_the_workspaces_own() -> None:
    with UnsandboxedSandbox(sys.executable).open(tree({}), LIMITS) as workspace:
        script = "import os, tempfile; print(os.path.expanduser('~'), tempfile.gettempdir(), os.getcwd())"
        places = workspace.run(["python3", "-c", script], timeout_seconds=20.0).output.split()
        assert all("gitagent-none-" in place and os.path.isdir(place) for place in places)
    assert not any(os.path.exists(place) for place in places)


def test_secrets_in_our_environment_are_not_passed_on(tmp_path: Path) -> None:
    os.environ["GITAGENT_TEST_TOKEN"] = "secret"
    try:
        with UnsandboxedSandbox(sys.executable).open(tree({}), LIMITS) as workspace:
            assert "secret" not in workspace.run(["env"], timeout_seconds=20.0).output
    finally:
        del os.environ["GITAGENT_TEST_TOKEN"]


def test_only_our_own_files_of_the_hosts_temporary_directory_are_collected_and_removed(tmp_path: Path) -> None:
    with UnsandboxedSandbox(sys.executable).open(tree({}), LIMITS) as workspace:
        name = f"/tmp/gitagent-test-{os.urandom(8).hex()}"
        Path(name).write_text("stale")
        assert workspace.run(["true"], timeout_seconds=20.0, collect=[name]).files == {}
        made = workspace.run(["sh", "-c", f"echo new > {name}"], timeout_seconds=20.0, collect=[name])
        assert made.files == {name: b"new\n"}
        assert not os.path.exists(name)
        (tmp_path / "other").write_text("other")
        assert workspace.run(["true"], timeout_seconds=20.0, collect=[str(tmp_path / "other")]).files == {}
    assert (tmp_path / "other").read_text() == "other"
