import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core.images import choose, devcontainer_image, devcontainer_of, is_image_name, without_comments


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
