"""Several tests are red for several reasons, or cannot be judged together: what can be mended is mended."""

from pathlib import Path

import pytest

from tests.e2e.running import Project, made

THREE = {
    "a.py": "def first(items):\n    return items[1]\n",
    "b.py": "def upper(text):\n    return text.lower()\n",
    "test_ab.py": "from a import first\nfrom b import upper\n\n\ndef test_first():\n    assert first([1, 2]) == 1\n\n\n"
    'def test_upper():\n    assert upper("a") == "A"\n',
}
NEVER = "\n\ndef test_never():\n    assert first([]) is upper\n"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    return tmp_path / "temporary"


def project_of(tmp_path: Path, temporary: Path, files: dict[str, str]) -> Project:
    return made(tmp_path / "project", temporary, files)


def test_two_bugs_in_two_files_become_two_commits_and_one_proof(tmp_path: Path, temporary: Path) -> None:
    project = project_of(tmp_path, temporary, THREE)
    done = project.gitagent("fix", "first and upper are wrong", "--max-candidates", "40", "--json")
    assert done.code == 0, done.err
    (branch,) = project.branches()
    assert project.git("rev-list", "--count", f"HEAD..{branch}") == "2"
    assert "items[0]" in project.git("show", f"{branch}:a.py") and ".upper()" in project.git(
        "show", f"{branch}:b.py"
    )
    assert sorted(done.event("verdict_reached")["fail_to_pass"]) == [
        "test_ab.py::test_first",
        "test_ab.py::test_upper",
    ]
    assert project.refs("refs/gitagent/pulls/") == ["refs/gitagent/pulls/1"]


def test_what_cannot_be_mended_is_named_and_the_rest_stays_unproven(tmp_path: Path, temporary: Path) -> None:
    project = project_of(tmp_path, temporary, THREE | {"test_ab.py": THREE["test_ab.py"] + NEVER})
    done = project.gitagent("fix", "first and upper are wrong", "--max-candidates", "40")
    assert done.code == 1
    assert "1 of the 3 red tests still fails" in done.err
    body = project.pull()
    assert (
        "| `test_ab.py::test_upper` | red | green |" in body and "| `test_ab.py::test_never` | red | red |" in body
    )
    assert "- `test_ab.py::test_never still fails, as it did on base`" in body


def test_a_test_that_hangs_beside_the_named_one_does_not_stand_in_its_way(tmp_path: Path, temporary: Path) -> None:
    hanging = THREE["test_ab.py"] + "\n\ndef test_waits():\n    import time\n\n    time.sleep(600)\n"
    project = project_of(tmp_path, temporary, THREE | {"test_ab.py": hanging})
    done = project.gitagent("fix", "--test", "test_ab.py::test_upper", env={"GITAGENT_TESTS_TIMEOUT_SECONDS": "3"})
    assert done.code == 0, done.err
    assert "only test_ab.py::test_upper: stopped after 3 s" in done.err


def test_a_script_that_a_test_starts_is_mended_though_no_coverage_sees_it(tmp_path: Path, temporary: Path) -> None:
    project = project_of(
        tmp_path,
        temporary,
        {
            "shout.py": "import sys\n\n\ndef louder(text):\n    return text.lower()\n\n\nprint(louder(sys.argv[1]))\n",
            "other.py": "def other(text):\n    return text\n",
            "test_shout.py": "import subprocess\nimport sys\n\nimport other  # noqa\n\n\ndef test_shout():\n"
            '    said = subprocess.run([sys.executable, "shout.py", "a"], capture_output=True, text=True)\n'
            '    assert said.stdout == "A\\n"\n',
        },
    )
    done = project.gitagent("fix", "--test", "test_shout.py::test_shout")
    assert done.code == 0, done.err
    assert ".upper()" in project.git("show", f"{project.branches()[0]}:shout.py")


def test_a_flaky_test_beside_the_red_one_is_named_and_left_out(tmp_path: Path, temporary: Path) -> None:
    seen = tmp_path / "seen"
    luck = f"\n\ndef test_luck():\n    import pathlib\n\n    seen = pathlib.Path({str(seen)!r})\n"
    luck += "    met = seen.exists()\n    seen.touch()\n    assert met\n"  # fails the first time only
    test = 'from b import upper\n\n\ndef test_upper():\n    assert upper("a") == "A"\n'
    project = project_of(tmp_path, temporary, {"b.py": THREE["b.py"], "test_b.py": test + luck})
    done = project.gitagent("fix", "upper gives small letters", "--max-candidates", "40")
    assert done.code == 0, done.err
    assert ".upper()" in project.git("show", f"{project.branches()[0]}:b.py")
    assert "test_b.py::test_luck is flaky" in done.err and "- `test_b.py::test_luck is flaky" in project.pull()
