import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.images import (
    ImageChoice,
    Recipe,
    choose,
    devcontainer_image,
    devcontainer_of,
    is_image_name,
    recipe,
    without_comments,
)


def test_the_configured_image_comes_before_all() -> None:
    choice, notes = choose("mine:1", ["pyproject.toml"], '{"image": "theirs:2"}')
    assert choice is not None
    assert (choice.image, choice.stated, notes) == ("mine:1", True, ())


def test_the_devcontainers_image_is_read_through_comments_and_trailing_commas() -> None:
    text = """// top
    { "name": "x // not a comment, ]", /* a
    b */ "image": "ghcr.io/a/b:1.2", // end }
    "x": [1, /**/ ], // ]
    }
    """
    choice, notes = choose(None, [], text)
    assert choice is not None
    assert (choice.image, choice.stated, notes) == ("ghcr.io/a/b:1.2", True, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "names no image"),
        ('{"build": {"dockerfile": "D"}}', "Dockerfile 'D' is not in the repository"),
        ('{"dockerComposeFile": "c.yml"}', "compose file"),
        ('{"image": "--privileged"}', "no image name"),
        ('{"image": "${localEnv:SECRET}"}', "no image name"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_devcontainer_that_cannot_be_used_is_a_note_and_the_search_goes_on(text: str, problem: str) -> None:
    choice, notes = choose(None, ["go.mod"], text)
    assert choice is not None
    assert (choice.image, choice.stated) == ("golang:1", False)
    assert problem in notes[0]


def test_a_dockerfile_of_the_project_is_stated_but_has_still_to_be_built() -> None:
    choice, _ = choose(None, [".gitagent/Dockerfile", "setup.py"])
    assert choice is not None
    assert (choice.image, choice.dockerfile, choice.stated) == ("", ".gitagent/Dockerfile", True)


@pytest.mark.parametrize(
    ("path", "image"),
    [
        ("pyproject.toml", "python:3.12-slim"),
        ("deep/down/mod.py", "python:3.12-slim"),
        ("package.json", "node:22-slim"),
        ("Cargo.toml", "rust:1-slim"),
        ("build.gradle.kts", "gradle:8-jdk21"),
    ],
)
def test_else_the_language_gives_a_guess_that_is_marked_as_one(path: str, image: str) -> None:
    choice, _ = choose(None, [path])
    assert choice is not None
    assert (choice.image, choice.stated) == (image, False)


def test_nothing_known_gives_no_image() -> None:
    assert choose(None, ["README"]) == (None, ())


@pytest.mark.parametrize(
    "name",
    ["python", "python:3.12-slim", "localhost:5000/a/b:c", "r.io/x@sha256:" + "0" * 64, "mcr.io/dev/x:1-3.12"],
)
def test_names_an_engine_knows_are_image_names(name: str) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize(
    "name", ["", "-v", "a b", "a\n", "$(x)", "../a", "a:" + "x" * 200, "a" * 600, "a@sha256:12"]
)
def test_other_texts_are_not(name: str) -> None:
    assert not is_image_name(name)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_json_without_comments_keeps_its_meaning(value: object) -> None:
    assert json.loads(without_comments(json.dumps(value, ensure_ascii=False))) == value


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='{}[]",:/*\\\n ab1'))
def test_any_text_is_read_without_an_error_of_ours(text: str) -> None:
    image, problem = devcontainer_image(text)
    assert bool(image) != bool(problem)


def test_a_devcontainer_is_described_in_its_folder_or_else_at_the_root() -> None:
    assert devcontainer_of([".devcontainer.json", "a.py"]) == ".devcontainer.json"
    both = [".devcontainer.json", ".devcontainer/devcontainer.json"]
    assert devcontainer_of(both) == ".devcontainer/devcontainer.json"
    assert devcontainer_of(["a.py"]) is None


GUESS = ImageChoice(image="python:3", why="", stated=False)


def test_a_recipe_holds_the_dependency_files_and_what_the_manifests_declare_and_no_other_file() -> None:
    files = {
        "app.py": b"",
        ".env": b"SECRET=1",
        "requirements.txt": b"six\n",
        "requirements-dev.txt": b"attrs\n",
        "setup.cfg": b"[options]\ninstall_requires =\n  iniconfig>=1\n  -e .\n",
        "pyproject.toml": b'[project]\ndependencies = ["click>=8", "x @ file:///etc/passwd"]\n'
        b'[project.optional-dependencies]\ntest = ["pytest-cov"]\ndocs = ["sphinx"]\n'
        b'[dependency-groups]\ndev = ["pytest>=8", {include-group = "x"}]\n',
    }
    made = recipe(GUESS, files, files.get)
    assert made is not None
    assert set(made.files) == {
        "Dockerfile",
        "gitagent-dependencies.txt",
        "requirements.txt",
        "requirements-dev.txt",
    }
    wanted = made.files["gitagent-dependencies.txt"].decode().split("\n")
    assert wanted == ["-r requirements-dev.txt", "-r requirements.txt", "click>=8", "pytest-cov", "pytest>=8",
                      "iniconfig>=1", ""]  # fmt: skip
    assert made.why == "the dependencies in requirements-dev.txt, requirements.txt, pyproject.toml, setup.cfg"


def test_a_recipes_digest_changes_with_its_files_and_its_base() -> None:
    digests = set()
    for line, base in ((b"six==1", "a"), (b"six==2", "a"), (b"six==2", "b"), (b"six==2", "b")):
        files = {"a.py": b"", "requirements.txt": line}
        made = recipe(GUESS, files, files.get)
        assert made is not None
        digests.add(made.digest(base))
    assert len(digests) == 3


def test_there_is_no_recipe_for_an_image_that_is_named_nor_where_nothing_can_be_fetched() -> None:
    named = ImageChoice(image="python:3", why="", stated=True)
    assert recipe(named, ["a.py"], lambda path: b"") is None
    for text in (b"no json", b"[]"):
        assert recipe(GUESS, ["package.json"], lambda path, text=text: text) is None
    assert recipe(GUESS, ["build.gradle"], lambda path: b"") is None


def made(files: dict[str, bytes]) -> tuple[Recipe, str]:
    """The recipe for these files, and its Dockerfile."""
    choice, _ = choose(None, files)
    assert choice is not None
    found = recipe(choice, files, files.get)
    assert found is not None
    return found, found.files["Dockerfile"].decode()


def test_npm_installs_by_the_lock_file_and_without_the_projects_own_scripts() -> None:
    manifest = {"name": "x", "scripts": {"prepare": "husky"}, "devDependencies": {"jest": "^29"}}
    files = {
        "package.json": json.dumps(manifest).encode(),
        "package-lock.json": b"{}",
        ".npmrc": b"token",
        "a.js": b"",
    }
    found, text = made(files)
    assert set(found.files) == {"Dockerfile", "package.json", "package-lock.json"}
    assert "scripts" not in json.loads(found.files["package.json"])
    assert (
        text.startswith("FROM node:22-slim\n") and "RUN npm ci " in text and "/node_modules /node_modules" in text
    )
    assert found.why == "the dependencies in package-lock.json"


@pytest.mark.parametrize(
    "more",
    [{"dependencies": {"own": "file:../own", "left": "1"}}, {"workspaces": ["a"], "dependencies": {"left": "1"}}],
)
def test_npm_does_without_the_lock_file_where_packages_are_paths(more: dict[str, object]) -> None:
    found, text = made({"package.json": json.dumps(more).encode(), "package-lock.json": b"{}"})
    assert json.loads(found.files["package.json"]) == {"dependencies": {"left": "1"}}
    assert set(found.files) == {"Dockerfile", "package.json"} and "RUN npm install " in text


def test_cargo_go_and_maven_fetch_by_their_manifests_and_no_other_file() -> None:
    rust = {
        "Cargo.toml": b"a",
        "Cargo.lock": b"b",
        "crates/x/Cargo.toml": b"c",
        "vendor/y/Cargo.toml": b"",
        "x.rs": b"",
    }
    found, text = made(rust)
    assert set(found.files) == {"Dockerfile", "Cargo.toml", "Cargo.lock", "crates/x/Cargo.toml"}
    assert "cargo fetch" in text and text.startswith("FROM rust:1-slim\n")
    found, text = made({"go.mod": b"a", "go.sum": b"b", "sub/go.mod": b"", "main.go": b""})
    assert set(found.files) == {"Dockerfile", "go.mod", "go.sum"} and "go mod download" in text
    found, text = made({"pom.xml": b"a", "core/pom.xml": b"b", "src/A.java": b""})
    assert set(found.files) == {"Dockerfile", "pom.xml", "core/pom.xml", "gitagent-stub/GitagentStubTest.java"}
    assert "dependency:go-offline" in text


def test_a_python_project_with_a_package_json_is_one_of_python() -> None:
    assert "pip install" in made({"pyproject.toml": b"", "package.json": b"{}", "a.py": b""})[1]


def test_a_devcontainers_own_dockerfile_is_built_from_its_folder_with_bounded_arguments() -> None:
    text = json.dumps(
        {
            "build": {
                "dockerfile": "Dockerfile.dev",
                "context": "..",
                "target": "test",
                "args": {"A": "1", "B": "${localEnv:TOKEN}", "C": "x" * 2_000, "-D": "1", "E": 1},
            },
            "runArgs": ["--privileged"],
            "mounts": ["source=/,target=/host"],
        }
    )
    files = {
        ".devcontainer/devcontainer.json": text.encode(),
        ".devcontainer/Dockerfile.dev": b"FROM x",
        ".devcontainer/setup.sh": b"#",
        ".devcontainer/.env": b"SECRET=1",
        ".devcontainer/large": b"x" * 11_000_000,
        "app.py": b"",
    }
    choice, notes = choose(None, files, text)
    assert choice is not None and choice.dockerfile == ".devcontainer/Dockerfile.dev"
    assert notes[0] == "of the devcontainer only the image counts, not runArgs, mounts"
    assert "context '..' does not count" in notes[1] and "build arguments" in notes[2]
    found = recipe(choice, files, files.get)
    assert found is not None and set(found.files) == {"Dockerfile.dev", "setup.sh", "devcontainer.json"}
    assert (found.dockerfile, found.arguments, found.target, found.base) == (
        "Dockerfile.dev",
        (("A", "1"),),
        "test",
        "",
    )
    assert found.digest("") != replace(found, arguments=()).digest("") != replace(found, target="").digest("")


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("../Dockerfile", "lies outside .devcontainer"),
        ("../../x", "not in the repository"),
        ("gone", "not in the"),
    ],
)
def test_a_dockerfile_elsewhere_is_passed_over(named: str, why: str) -> None:
    paths = ["Dockerfile", ".devcontainer/devcontainer.json", "a.py"]
    choice, notes = choose(None, paths, json.dumps({"build": {"dockerfile": named}}))
    assert choice is not None and not choice.dockerfile and why in notes[0]


def test_a_devcontainer_at_the_root_gives_its_dockerfile_alone() -> None:
    files = {".devcontainer.json": b"", "Dockerfile": b"FROM x", "secret": b""}
    choice, _ = choose(None, files, '{"dockerFile": "Dockerfile"}')
    assert choice is not None
    found = recipe(choice, files, files.get)
    assert found is not None and dict(found.files) == {"Dockerfile": b"FROM x"}


def test_manifests_that_cannot_be_read_declare_nothing() -> None:
    files = {"a.py": b"", "pyproject.toml": b"[", "setup.cfg": b"junk"}
    made = recipe(GUESS, files, files.get)
    assert made is not None
    assert made.files["gitagent-dependencies.txt"] == b"pytest\n"
