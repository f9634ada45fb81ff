"""Test commands by convention, and the names of tests."""

import json
from collections.abc import Mapping

import pytest

from gitagent.core.testing import RESULTS, detect, file_of, is_test_path, lies_in, normal_id, selected_argv
from gitagent.errors import RequestError
from gitagent.records import TestCommand

TEST = {"tests/test_x.py": "def test_a(): pass\n"}


TAP = ("--test-reporter=tap", f"--test-reporter-destination={RESULTS}")


def script(line: str) -> dict[str, str]:
    return {"package.json": json.dumps({"scripts": {"test": line}})}


def found(files: Mapping[str, str], configured: str = "") -> TestCommand:
    return detect(files.keys(), files.get, configured=configured)


@pytest.mark.parametrize(
    ("files", "runner", "why"),
    [
        ({"pytest.ini": "", **TEST}, "pytest", "pytest.ini configures pytest"),
        ({"pytest.toml": "[pytest]\n", **TEST}, "pytest", "pytest.toml configures pytest"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "pytest", "pyproject.toml configures pytest"),
        ({"pyproject.toml": "[tool.pytest]\nxfail_strict = true\n"}, "pytest", "pyproject.toml configures pytest"),
        ({"tox.ini": "[pytest]\n"}, "pytest", "tox.ini configures pytest"),
        ({"setup.cfg": "[tool:pytest]\n"}, "pytest", "setup.cfg configures pytest"),
        ({"setup.py": "", **TEST}, "pytest", "setup.py and tests/test_x.py"),
        ({"tests/conftest.py": "", **TEST}, "pytest", "tests/conftest.py"),
        ({"pkg/x_test.py": ""}, "pytest", "pkg/x_test.py"),
        ({"tests/tests.py": "import unittest\n"}, "unittest", "tests/tests.py uses unittest"),
        ({"package.json": '{"scripts": {"test": "node check.js"}}'}, "npm", "node check.js"),
        ({"Cargo.toml": ""}, "cargo", "Cargo.toml"),
        ({"go.mod": "", "a_test.go": ""}, "go", "go.mod"),
        ({"pom.xml": ""}, "maven", "pom.xml"),
        ({"build.gradle.kts": "", "gradlew": ""}, "gradle", "build.gradle.kts"),
        ({"package.json": '{"scripts": {"test": "jest"}}', **TEST}, "npm", "jest"),
        ({"package.json": '{"scripts": {"test": "jest"}}', "setup.py": "", **TEST}, "pytest", "setup.py"),
    ],
)
def test_the_runner_is_the_one_the_files_speak_for(files: dict[str, str], runner: str, why: str) -> None:
    command = found(files)
    assert command.runner == runner
    assert why in command.why


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"README.md": "", "main.c": ""},
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"package.json": "no json"},
        {"package.json": "[]"},
        {"package.json": '{"scripts": []}'},
        {"go.mod": ""},
        {"tests/tests.py": "x = 1\n"},
        {"node_modules/gyp/test_x.py": ""},
        {"pyproject.toml": "not = [toml"},
        {"setup.cfg": "no section\n"},
    ],
)
def test_where_no_tests_are_found_the_setting_is_named(files: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="no tests found") as caught:
        found(files)
    assert "--test-command" in caught.value.hint


def test_pytest_writes_results_outside_the_tree_and_leaves_no_cache_or_bytecode() -> None:
    argv = found({"setup.py": "", **TEST}).argv
    assert argv[:4] == ("python3", "-B", "-m", "pytest")
    assert f"--junitxml={RESULTS}" in argv
    assert "no:cacheprovider" in argv
    assert not any(word.startswith("addopts=") for word in argv)


@pytest.mark.parametrize(
    ("addopts", "kept"),
    [
        ("--cov", ""),
        ("--cov=pkg --cov-report=term -ra", "-ra"),
        ("--cov pkg --cov-report term-missing --strict-markers", "--strict-markers"),
        ("-n auto --dist loadfile --doctest-modules", "--doctest-modules"),
        ("-n4 -x --maxfail 3 --lf --import-mode=importlib", "--import-mode=importlib"),
        ("--mypy --flake8 -p my_plugin", "-p my_plugin"),
        ("--no-cov-on-fail -m 'not slow'", "-m 'not slow'"),
    ],
)
def test_options_that_only_report_or_spread_are_left_out_and_the_rest_stays(addopts: str, kept: str) -> None:
    command = found({"pytest.ini": f"[pytest]\naddopts = {addopts}\n"})
    assert f"addopts={kept}" in command.argv
    assert "left out of addopts: -" in command.why


def test_addopts_that_break_nothing_are_left_alone() -> None:
    for text in ("addopts = -ra --strict-markers\n", "addopts = 'unbalanced\n", ""):
        command = found({"pytest.ini": f"[pytest]\n{text}"})
        assert not any(word.startswith("addopts=") for word in command.argv)
    listed = '[tool.pytest.ini_options]\naddopts = ["-ra", "--cov"]\n'
    assert "addopts=-ra" in found({"pyproject.toml": listed}).argv


def test_a_source_layout_is_put_on_the_import_path_unless_the_project_does_it() -> None:
    files = {"pyproject.toml": "", "src/pkg/__init__.py": "", **TEST}
    assert "pythonpath=src ." in found(files).argv
    own = {**files, "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = 'src'\n"}
    assert "pythonpath=src ." not in found(own).argv
    assert "pythonpath=src ." not in found({**files, "src/__init__.py": ""}).argv


def test_a_project_that_sets_the_cache_directory_keeps_the_cache_out_of_the_tree() -> None:
    argv = found({"pytest.ini": "[pytest]\ncache_dir = .cache\n"}).argv
    assert "cache_dir=/tmp/gitagent-cache" in argv
    assert "no:cacheprovider" not in argv


@pytest.mark.parametrize(
    ("script", "reader", "last"),
    [
        ("node --test", "tap", f"--test-reporter-destination={RESULTS}"),
        ("node --test test/", "tap", "test/"),
        ("vitest", "junit", f"--outputFile={RESULTS}"),
        ("mocha", "junit", f"output={RESULTS}"),
        ("node --test && echo done", "exit", "--silent"),
        ("vitest run src", "junit", f"--outputFile={RESULTS}"),
        ("c8 mocha 'test/**/*.js'", "junit", f"output={RESULTS}"),
        ("NODE_ENV=test jest --coverage", "jest", f"--outputFile={RESULTS}"),
        ("node --experimental-vm-modules node_modules/jest/bin/jest.js", "jest", f"--outputFile={RESULTS}"),
        ("vitest --watch", "exit", "--silent"),
        ("tsc && jest", "exit", "--silent"),
        ("node --test test/*.js", "exit", "--silent"),
        ("node --test --test-reporter=spec", "exit", "--silent"),
        ("it's", "exit", "--silent"),
    ],
)
def test_npm_scripts_are_asked_for_results_where_their_runner_can_write_them(
    script: str, reader: str, last: str
) -> None:
    command = found({"package.json": json.dumps({"scripts": {"test": script}})})
    assert (command.reader, command.argv[-1]) == (reader, last)


def test_a_configured_command_wins_and_is_split_without_a_shell() -> None:
    command = found({"setup.py": "", **TEST}, "make check 'a b'")
    assert (command.runner, command.argv, command.reader) == ("custom", ("make", "check", "a b"), "exit")


def test_a_configured_npm_test_is_what_the_script_runs() -> None:
    assert found(script("jest"), "npm test").reader == "jest"
    assert found({}, "npm test").runner == "custom"


def test_a_configured_pytest_still_writes_results() -> None:
    command = found(TEST, "python3 -m pytest -m fast tests")
    assert command.runner == "pytest"
    assert command.argv[:3] == ("python3", "-m", "pytest")
    assert command.argv[-3:] == ("-m", "fast", "tests")
    assert f"--junitxml={command.results}" in command.argv


@pytest.mark.parametrize(
    ("line", "runner", "select"),
    [
        ("python3 -m unittest -v", "unittest", ()),
        ("python3 -m unittest discover tests", "unittest", None),
        ("cargo test --all", "cargo", ("--", "--exact")),
        ("cargo test -- --nocapture", "cargo", None),
        ("go test -json ./...", "go", ("-run",)),
        ("go test ./...", "custom", None),
    ],
)
def test_a_configured_runner_is_known_by_its_words(line: str, runner: str, select: tuple[str, ...] | None) -> None:
    command = found({}, line)
    assert (command.runner, command.select) == (runner, select)


@pytest.mark.parametrize("line", ["a && b", "a | b", "pytest > log", "'open"])
def test_a_configured_line_that_needs_a_shell_or_is_unfinished_is_refused(line: str) -> None:
    with pytest.raises(RequestError) as caught:
        found({}, line)
    assert "--test-command" in caught.value.hint


@pytest.mark.parametrize(
    ("files", "tests", "ending"),
    [
        ({"setup.py": "", **TEST}, ["a.py::t", "b.py::u[x y]"], ("a.py::t", "b.py::u[x y]")),
        ({"Cargo.toml": ""}, ["a::b"], ("--", "--exact", "a::b")),
        ({"go.mod": "", "a_test.go": ""}, ["m/p.TestA/sub", "m/p.TestB"], ("-run", "^(TestA|TestB)$")),
        (
            {"pom.xml": ""},
            ["org.x.FooTest.bar", "org.x.FooTest.baz"],
            ("-Dtest=org.x.FooTest#bar,org.x.FooTest#baz",),
        ),
        ({"build.gradle": ""}, ["x.A.b", "x.A.c"], ("--tests", "x.A.b", "--tests", "x.A.c")),
        (script("ava"), ["a"], ("npm", "test", "--silent")),
        (script("node --test lib"), ["s > a  b", "-c"], (r"--test-name-pattern=(^|\s)(\-c|a\s+b)$", *TAP, "lib")),
        (script("mocha"), ["t/a.js > s t > u"], ("--grep", r"^(s\s+t(\s+>)?\s+u)$")),
        (
            script("jest"),
            ["a.test.js > s > t(1)", "b.test.js > u"],
            ("-t", r"^(s(\s+>)?\s+t\(1\)|u)$", "--runTestsByPath", "a.test.js", "b.test.js"),
        ),
        (script("jest"), ["a.test.js"], (f"--outputFile={RESULTS}", "--runTestsByPath", "a.test.js")),
        (script("jest src"), ["a.test.js > t"], ("--testNamePattern", "^(t)$")),
        (script("vitest"), ["a.test.ts > t"], ("-t", "^(t)$", "a.test.ts")),
        (script("vitest"), ["-a.test.ts > t"], ("-t", "^(t)$")),
    ],
)
def test_each_runner_is_told_which_tests_in_its_own_way(
    files: dict[str, str], tests: list[str], ending: tuple[str, ...]
) -> None:
    assert selected_argv(found(files), tests)[-len(ending) :] == ending


def test_no_tests_or_the_whole_suite_is_the_plain_command() -> None:
    command = found({"Cargo.toml": ""})
    assert selected_argv(command, []) == selected_argv(command, ["(whole suite)"]) == command.argv


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_x.py",
        "pkg/x_test.py",
        "conftest.py",
        "pkg/tests/data/in.txt",
        "src/app.test.ts",
        "src/__tests__/app.js",
        "lib/app.spec.mjs",
        "test-app.js",
        "pkg/a_test.go",
        "tests/it.rs",
        "src/test/java/org/x/Foo.java",
        "org/x/FooTest.java",
        "pytest.ini",
    ],
)
def test_files_of_tests_are_known_as_such(path: str) -> None:
    assert is_test_path(path)


@pytest.mark.parametrize(
    "path", ["src/app.py", "contest.py", "latest/x.py", "src/main.rs", "protest.js", "org/x/Attestation.java"]
)
def test_other_files_are_not_taken_for_tests(path: str) -> None:
    assert not is_test_path(path)


KNOWN = (
    "tests/test_x.py::TestA::test_b",
    "tests/test_x.py::test_b",
    "tests/test_x.py::test_p[1]",
    "tests/test_x.py::test_p[a::b]",
    "tests/sub/test_y.py::test_c",
    "web/a.test.js > calc > adds",
)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("tests/test_x.py::TestA::test_b", KNOWN[:1]),
        ("./tests/test_x.py::test_b", KNOWN[1:2]),
        ("tests\\test_x.py::test_b", KNOWN[1:2]),
        ("tests/test_x.py", KNOWN[:4]),
        ("tests/test_x.py::TestA", KNOWN[:1]),
        ("tests/test_x.py::test_p", KNOWN[2:4]),
        ("test_b", KNOWN[:2]),
        ("TestA::test_b", KNOWN[:1]),
        ("test_p", KNOWN[2:4]),
        ("test_y.py", KNOWN[4:5]),
        ("tests/sub", KNOWN[4:5]),
        ("tests.test_x.TestA.test_b", KNOWN[:1]),
        ("TestA.test_b", KNOWN[:1]),
        ("a.test.js", KNOWN[5:6]),
        ("calc > adds", KNOWN[5:6]),
        ("web", KNOWN[5:6]),
        ("test_", ()),
        ("no_such.thing", ()),
    ],
)
def test_a_test_may_be_named_by_id_by_file_by_name_or_by_dots(asked: str, meant: tuple[str, ...]) -> None:
    assert normal_id(asked, KNOWN) == meant


def test_with_no_tests_known_a_name_is_only_tidied() -> None:
    assert normal_id(" ./tests/x.py::a ") == ("tests/x.py::a",)


def test_a_test_lies_in_its_file_and_not_in_one_whose_name_begins_alike() -> None:
    assert lies_in("tests/test_x.py::a", "tests/test_x.py")
    assert not lies_in("tests/test_x.pyc::a", "tests/test_x.py")
    assert not lies_in("tests/test_x.py::ab", "tests/test_x.py::a")
    assert [file_of(test) for test in (KNOWN[0], KNOWN[5], "calc::adds", "adds")] == [
        "tests/test_x.py", "web/a.test.js", "calc", "adds",
    ]  # fmt: skip
