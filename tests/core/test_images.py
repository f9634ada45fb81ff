import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.images import (
    ImageChoice,
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
        ('{"build": {"dockerfile": "D"}}', "builds an image"),
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


def test_there_is_no_recipe_for_an_image_that_is_named_nor_yet_for_other_languages() -> None:
    named = ImageChoice(image="python:3", why="", stated=True)
    assert recipe(named, ["a.py"], lambda path: b"") is None
    assert recipe(GUESS, ["package.json"], lambda path: b"{}") is None


def test_manifests_that_cannot_be_read_declare_nothing() -> None:
    files = {"a.py": b"", "pyproject.toml": b"[", "setup.cfg": b"junk"}
    made = recipe(GUESS, files, files.get)
    assert made is not None
    assert made.files["gitagent-dependencies.txt"] == b"pytest\n"
