"""Ways of tampering with tests, each found, and innocent changes, none of which is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitagent.core import tampering
from gitagent.core.testing import is_test_path

TEST = '''import pytest
from calc import area, scale

CASES = [(1, 2), (3, 4)]


def square(x):
    return x * x


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 4), (3, 9)])
def test_square(a, b):
    assert square(a) == b


def test_area():
    size = 7
    assert area(size) == 49
    assert area(2) == pytest.approx(4.0, rel=1e-6)


class TestScale:
    def test_scale(self):
        """It scales."""
        with pytest.raises(ValueError, match="negative"):
            scale(-1)

    def test_name(self):
        self.assertAlmostEqual(scale(2), 4, places=7)
'''
SOURCE = "def area(size):\n    return size + size\n"
RED = ("tests/test_calc.py::test_area", "tests/test_calc.py::TestScale::test_scale")
PATH = "tests/test_calc.py"


def found(path: str, old: str | None, new: str | None) -> list[tuple[str, str]]:
    findings = tampering.find({path: old}, {path: new}, is_test=is_test_path, red=RED, tests={PATH: TEST})
    return [(finding.kind, finding.what) for finding in findings]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("    assert area(size) == 49\n", "", "weakened"),
        ("    assert area(size) == 49\n", "    assert area(size)\n", "weakened"),
        ("== 49", "== 14", "weakened"),
        ("== 49", ">= 1", "weakened"),
        ("assert area(size) == 49", "assert True", "weakened"),
        ("assert area(size) == 49", "assert area(size) == 49 or True", "weakened"),
        ("    assert area(size) == 49", "    if size > 9:\n        assert area(size) == 49", "weakened"),
        ("    assert area(size)", "    try: assert area(size)\n    except Exception: pass\n    0", "weakened"),
        ("    assert area(size) == 49", "    for _ in []:\n        assert area(size) == 49", "weakened"),
        ("    size = 7\n", "    size = 7\n    return\n", "weakened"),
        ("    size = 7\n", "    size = 7\n    if size:\n        return\n", "weakened"),
        ("    size = 7\n", "    size = 7\n    monkeypatch.setattr('calc.area', lambda x: 49)\n", "weakened"),
        ("    size = 7\n", "    size = 7\n    calc.area = lambda x: 49\n", "weakened"),
        ("size = 7", "size = 0", "changed"),
        ("return x * x", "return Anything()", "changed"),
        ("rel=1e-6", "rel=0.5", "tolerance"),
        ("places=7", "places=0", "tolerance"),
        ("pytest.approx(4.0, rel=1e-6)", "pytest.approx(4.0, rel=1e-6, abs=9)", "weakened"),
        ("pytest.raises(ValueError", "pytest.raises(Exception", "weakened"),
        (', match="negative"', "", "weakened"),
        ("def test_area():", "@pytest.mark.skip\ndef test_area():", "skipped"),
        ("def test_area():", "@pytest.mark.skipif(True, reason='')\ndef test_area():", "skipped"),
        ("def test_area():", "@pytest.mark.xfail(strict=False)\ndef test_area():", "skipped"),
        ("def test_area():", "@unittest.expectedFailure\ndef test_area():", "skipped"),
        ("    size = 7\n", "    pytest.skip('later')\n    size = 7\n", "skipped"),
        ("    size = 7\n", "    pytest.importorskip('nothing')\n    size = 7\n", "skipped"),
        ("class TestScale:\n", "class TestScale:\n    __test__ = False\n\n", "skipped"),
        ("CASES =", "pytestmark = pytest.mark.skip\nCASES =", "skipped"),
        ("CASES =", "collect_ignore = ['test_calc.py']\nCASES =", "skipped"),
        ("CASES =", "def pytest_collection_modifyitems(items):\n    items.clear()\n\n\nCASES =", "skipped"),
        ("CASES =", "@pytest.fixture(autouse=True)\ndef calm(monkeypatch):\n    yield\n\n\nCASES =", "skipped"),
        ("CASES =", "import os\nos._exit(0)\nCASES =", "skipped"),
        ("CASES =", "import sys\nsys.exit()\nCASES =", "skipped"),
        ("(1, 1), (2, 4), (3, 9)", "(1, 1)", "cases"),
        ("(2, 4)", "(2, 2)", "cases"),
        ("CASES = [(1, 2), (3, 4)]", "CASES = [(1, 2)]", "cases"),
        ("def test_area():", "def test_areas():", "renamed"),
        ("def test_area():", "def check_area():", "renamed"),
        ("class TestScale", "class Scale", "renamed"),
        (TEST[TEST.index("def test_area") : TEST.index("class ")], "", "deleted"),
        (TEST, TEST + "\n\ndef test_area():\n    pass\n", "deleted"),
        (TEST, "def broken(:\n", "deleted"),
        (TEST, "", "deleted"),
    ],
)  # fmt: skip
def test_what_takes_from_existing_tests_is_found(old: str, new: str, kind: str) -> None:
    assert old in TEST
    kinds = {each for each, _ in found(PATH, TEST, TEST.replace(old, new))}
    assert kind in kinds, kinds


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n\nclass", "\n\ndef test_more():\n    assert area(3) == 9\n\n\nclass"),
        ("    assert area(size) == 49\n", "    assert area(size) == 49\n    assert area(1) == 1\n"),
        ("    size = 7\n", "    # the side\n    size = 7\n"),
        ('"""It scales."""', '"""Scaling by what is negative is refused."""'),
        ("import pytest\n", "import math\n\nimport pytest\n"),
        ("(3, 9)]", "(3, 9), (4, 16)]"),
        ("(3, 4)]", "(3, 4), (5, 6)]"),
        ("    size = 7\n", "    size   =   7\n"),
        ("    size = 7\n", "    size = 7\n    other = size\n"),
    ],
)
def test_tests_may_grow(old: str, new: str) -> None:
    assert old in TEST
    assert found(PATH, TEST, TEST.replace(old, new, 1)) == []


@pytest.mark.parametrize(
    "path",
    [
        "conftest.py", "tests/conftest.py", "pytest.ini", "tests/pytest.ini", ".coveragerc", "noxfile.py",
        ".github/workflows/ci.yml", ".GitHub/workflows/ci.yml", ".gitlab-ci.yml", ".circleci/config.yml",
        "Jenkinsfile", "action.yml", "uv.lock", "poetry.lock", "package-lock.json", "web/yarn.lock",
        "Cargo.lock", "go.sum", "constraints.txt", ".pre-commit-config.yaml", ".husky/pre-commit",
        ".githooks/pre-push", "hooks/pre-commit", ".gitattributes", ".gitmodules", ".gitagent.toml",
        ".gitagent/Dockerfile", "AGENTS.md", "sitecustomize.py", "src/x.pth", "pytest.py",
        "unittest/__init__.py", "jest.config.js", "web/vitest.config.ts", ".mocharc.json",
        "src/__snapshots__/a.js",
    ],
)  # fmt: skip
@pytest.mark.parametrize("change", [("old", "new"), (None, "new"), ("old", None)])
def test_what_runs_and_guards_the_tests_is_not_touched_on_the_way(
    path: str, change: tuple[str | None, str | None]
) -> None:
    assert [kind for kind, _ in found(path, *change)] == ["machinery"]


@pytest.mark.parametrize(
    ("path", "old", "new", "is_found"),
    [
        ("pyproject.toml", '[project]\nname = "a"\n', '[project]\nname = "b"\n', False),
        ("pyproject.toml", "[tool.pytest.ini_options]\nx = 1\n", "[tool.pytest.ini_options]\nx = 2\n", True),
        ("pyproject.toml", "", "[tool.pytest.ini_options]\naddopts = '-k nothing'\n", True),
        ("pyproject.toml", "[tool.black]\nx = 1\n", "[tool.black]\nx = 2\n", False),
        ("pyproject.toml", "", "[tool\n", True),
        ("setup.cfg", "[metadata]\nname = a\n", "[metadata]\nname = b\n", False),
        ("setup.cfg", "[tool:pytest]\nx = 1\n", "", True),
        ("tox.ini", "[testenv]\ncommands = pytest\n", "[testenv]\ncommands = true\n", True),
        ("tox.ini", "", "[testenv\n", True),
        ("package.json", '{"name": "a"}', '{"name": "b"}', False),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "true"}}', True),
        ("package.json", "{}", "[", True),
        ("package.json", "{}", "[]", True),
        ("README.md", "a", "b", False),
        ("src/calc.py", "x = 1\n", None, False),
        ("docs/github.md", "a", "b", False),
    ],
)
def test_of_files_with_many_uses_only_what_runs_the_tests_counts(
    path: str, old: str, new: str | None, is_found: bool
) -> None:
    assert bool(found(path, old, new)) == is_found


@pytest.mark.parametrize(
    "body",
    [
        "    if size == 7:\n        return 49\n    return size + size\n",
        "    return 49 if size == 7 else size + size\n",
        "    if size in (7, 2):\n        return 49\n    return size + size\n",
        "    if 7 == size:\n        result = 49\n        return result\n    return 2\n",
        "    match size:\n        case 7:\n            return 49\n    return size + size\n",
        "    known = {7: 49}\n    return known.get(size, size + size)\n",
        "    if 'PYTEST_CURRENT_TEST' in os.environ:\n        return 49\n    return size + size\n",
        "    if 'pytest' in sys.modules:\n        return 49\n    return size + size\n",
        "    import pytest\n    return pytest.approx(49)\n",
        "    os._exit(0)\n",
    ],
)
def test_code_that_knows_the_test_by_heart_is_found(body: str) -> None:
    (kind, _), *_ = found("calc.py", SOURCE, f"def area(size):\n{body}")
    assert kind == "special-cased"


@pytest.mark.parametrize(
    "body",
    [
        "    return size * size\n",
        "    if size == 0:\n        return 0\n    return size * size\n",
        "    if size == 2:\n        return size + size\n    return size ** 2\n",
        "    if size >= 7:\n        return size * size\n    return size * size\n",
        "    if size == 7:\n        size = size * 1\n    return size * size\n",
        "    if size == 'x':\n        return True\n    return size * size\n",
        "    units = {'mm': 1, 'cm': 10, 'm': 1000}\n    return size * size * units.get('mm')\n",
        "    if size == 12:\n        return 144\n    return size * size\n",
        "    raise ValueError('negative')\n",
    ],
)
def test_ordinary_code_is_not(body: str) -> None:
    assert found("calc.py", SOURCE, f"def area(size):\n{body}") == []


def test_a_branch_that_was_there_before_and_code_that_does_not_parse_are_nobodys_trick() -> None:
    old = "def area(size):\n    if size == 7:\n        return 49\n    return 1\n"
    assert found("calc.py", old, old.replace("return 1", "return 2")) == []
    assert found("calc.py", "x = (", "y = (") == []
    assert found("calc.py", "x = (", old)[0][0] == "special-cased"
    assert found("test_new.py", "x = (", "def test():\n    pass\n") == []
    no_tests = tampering.find(
        {"a.py": "x = 1\n"}, {"a.py": old}, is_test=is_test_path, red=["t.py::x"], tests={"t.py": "("}
    )
    assert no_tests == ()


JS = '''test("adds", () => {
  expect(add(1, 2)).toBe(3);
});
it("rounds", () => {
  expect(round(1.26)).toBeCloseTo(1.3, 5);
});
'''  # fmt: skip
GO = 'func TestAdd(t *testing.T) {\n\tif add(1, 2) != 3 {\n\t\tt.Errorf("bad")\n\t}\n}\n'
RUST = "#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n"
JAVA = "class AddTest {\n  @Test\n  void adds() {\n    assertEquals(3, add(1, 2));\n  }\n}\n"


@pytest.mark.parametrize(
    ("path", "old", "change", "kind"),
    [
        ("a.test.js", JS, ("test(", "test.skip("), "skipped"),
        ("a.test.js", JS, ("it(", "xit("), "skipped"),
        ("a.test.js", JS, ("it(", "it.only("), "skipped"),
        ("a.test.js", JS, ("toBe(3)", "toBe(-1)"), "weakened"),
        ("a.test.js", JS, ("1.3, 5", "1.3, 0"), "weakened"),
        ("a.test.js", JS, ('"adds"', '"sums"'), "deleted"),
        ("add_test.go", GO, ("\tif", '\tt.Skip("later")\n\tif'), "skipped"),
        ("add_test.go", GO, ("t.Errorf", "t.Logf"), "weakened"),
        ("add_test.go", GO, ("TestAdd", "testAdd"), "deleted"),
        ("tests/add.rs", RUST, ("#[test]", "#[test]\n#[ignore]"), "skipped"),
        ("tests/add.rs", RUST, ("#[test]", "#[test]\n#[should_panic]"), "skipped"),
        ("tests/add.rs", RUST, ("#[test]\n", ""), "deleted"),
        ("src/test/AddTest.java", JAVA, ("@Test", "@Disabled @Test"), "skipped"),
        ("src/test/AddTest.java", JAVA, ("assertEquals(3", "assertEquals(add(1, 2)"), "weakened"),
        ("tests/data.json", "{}", ("{}", "[]"), "changed"),
    ],
)
def test_other_languages_are_read_by_their_lines(path: str, old: str, change: tuple[str, str], kind: str) -> None:
    assert change[0] in old
    assert kind in [each for each, _ in found(path, old, old.replace(*change, 1))]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("a.test.js", JS, JS + 'test("more", () => {\n  expect(add(2, 2)).toBe(4);\n});\n'),
        ("add_test.go", GO, GO + GO.replace("TestAdd", "TestMore")),
        ("tests/add.rs", RUST, RUST + RUST.replace("adds", "more")),
        ("a.test.js", None, JS.replace("test(", "test.skip(")),
        ("tests/data.json", None, "{}"),
        ("tests/test_new.py", None, TEST),
    ],
)
def test_new_tests_are_welcome_in_every_language(path: str, old: str | None, new: str) -> None:
    assert found(path, old, new) == []


def test_a_new_file_of_tests_may_not_choose_itself_alone() -> None:
    assert found("b.test.js", None, JS.replace("test(", "test.only("))[0][0] == "skipped"
    assert found("test_gone.py", TEST, None) == [("deleted", "a file of the tests is deleted")]


def test_a_refusal_names_the_first_few_places() -> None:
    many = tampering.find(
        dict.fromkeys("abcde", None) | {PATH: TEST},
        {f"{letter}.lock": "" for letter in "abcde"} | {"uv.lock": "x", PATH: "", "go.sum": "x", "yarn.lock": "x"},
        is_test=is_test_path,
    )
    said = tampering.told(many)
    assert said.startswith(
        "the change tampers with what judges it: go.sum: a lock file is changed; tests/test_calc.py"
    )
    assert "more" in said


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet='def test_(): \n asrt=1"#[]', max_size=60),
    st.text(alphabet="def t(): \n asrt=1#", max_size=60),
)
def test_nothing_that_is_read_makes_it_stumble_and_no_change_is_no_finding(old: str, new: str) -> None:
    for path in ("test_a.py", "a.py", "a.test.js", "a_test.go", "package.json", "pyproject.toml"):
        tampering.find(
            {path: old}, {path: new}, is_test=is_test_path, red=["test_a.py::t"], tests={"test_a.py": old}
        )
        assert tampering.find({path: old}, {path: old}, is_test=is_test_path) == ()
