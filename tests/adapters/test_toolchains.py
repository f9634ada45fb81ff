"""What of a user's machine is named for a project's language, and what is not."""

import os
from pathlib import Path

from gitagent.adapters.toolchains import find, link_modules


def program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_a_toolchain_in_the_home_is_shown_with_what_it_fetched_and_no_credentials(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("cargo", "rustc"):
        program(home / ".cargo/bin" / name)
    for folder in (".cargo/registry", ".rustup/toolchains", "go/pkg/mod", ".m2/repository"):
        (home / folder).mkdir(parents=True)
    (home / ".cargo/credentials.toml").write_text("token")
    environ = {"HOME": str(home), "PATH": str(home / ".cargo/bin")}
    rust = find(["Cargo.toml"], None, environ)
    assert rust.read_only == tuple(f"{home}/{name}" for name in (".cargo/bin", ".cargo/registry", ".rustup"))
    assert rust.programs == (f"{home}/.cargo/bin",)
    assert rust.environment == {"CARGO_HOME": f"{home}/.cargo", "RUSTUP_HOME": f"{home}/.rustup"}
    go = find(["go.mod"], None, {**environ, "GOROOT": str(tmp_path)})
    assert go.read_only == (f"{home}/go/pkg/mod", str(tmp_path))
    assert go.environment["GOMODCACHE"] == f"{home}/go/pkg/mod" and go.environment["GOPROXY"] == "off"
    java = find(["pom.xml"], None, {**environ, "JAVA_HOME": str(tmp_path)})
    assert java.read_only[-2:] == (str(tmp_path), f"{home}/.m2/repository")
    assert java.environment["MAVEN_OPTS"] == f"-Dmaven.repo.local={home}/.m2/repository"
    assert find(["app.py"], None, environ) == find([], None, environ)


def test_an_unpacked_toolchain_is_shown_whole_and_a_folder_of_programs_alone(tmp_path: Path) -> None:
    program(tmp_path / "node-v20/bin/node")
    program(tmp_path / "bin/npm")
    environ = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/node-v20/bin:{tmp_path}/bin"}
    found = find(["package.json"], None, environ)
    assert found.read_only == (f"{tmp_path}/node-v20", f"{tmp_path}/bin")
    assert found.programs == (f"{tmp_path}/node-v20/bin", f"{tmp_path}/bin")
    before = found.digest
    os.utime(tmp_path / "node-v20/bin/node", (1, 1))
    assert find(["package.json"], None, environ).digest != before


def test_installed_modules_are_linked_and_a_workspaces_own_packages_lead_into_the_tree(tmp_path: Path) -> None:
    modules = tmp_path / "checkout/node_modules"
    for name in ("left", "@scope/right", ".cache"):
        (modules / name).mkdir(parents=True)
    (modules / "own").symlink_to("../packages/own")
    (modules / ".package-lock.json").write_text("{}")
    found = find(["package.json"], str(tmp_path / "checkout"), {"PATH": ""})
    assert found.modules == str(modules)
    tracked = ["package.json", "node_modules/left/index.js"]
    assert find(tracked, str(tmp_path / "checkout"), {"PATH": ""}).modules == ""
    tree = tmp_path / "tree"
    tree.mkdir()
    link_modules(found.modules, str(tree), "/shown")
    linked = {str(path.relative_to(tree)): os.readlink(path) for path in tree.rglob("*") if path.is_symlink()}
    assert linked == {
        "node_modules/left": "/shown/left",
        "node_modules/@scope/right": "/shown/@scope/right",
        "node_modules/own": "../packages/own",
    }
    link_modules(found.modules, str(tree), "/other")  # what is there stays
    assert os.readlink(tree / "node_modules/left") == "/shown/left"
