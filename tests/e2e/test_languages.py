"""A bug in each language, mended by a scripted model and proven red to green by the language's own tests."""

import json
import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adapters.sandboxing import bubblewrap_or_skip
from tests.e2e.running import Project
from tests.e2e.test_api import endpoint
from tests.scripted_server import Answer, Asked, ScriptedServer


@dataclass(frozen=True, kw_only=True)
class Language:
    """A project with one bug. `line` is what is wrong in `path`, `right` what mends it, `before` the line above.

    `filler` is a function that makes the file large; the excerpt should then be `function` alone.
    """

    files: Mapping[str, str]
    path: str
    before: str
    line: str
    right: str
    red: str
    green: str
    symbol: str
    function: str
    filler: str
    needs: tuple[str, ...]

    @property
    def large(self) -> dict[str, str]:
        """The files, the one with the bug made too large for a prompt."""
        more = "".join(self.filler % (number, number) for number in range(300))
        return {**self.files, self.path: self.files[self.path].replace(self.before, more + self.before)}

    @property
    def diff(self) -> str:
        first = self.large[self.path].split("\n").index(self.line)
        return f"@@ -{first},2 +{first},2 @@\n {self.before}\n-{self.line}\n+{self.right}\n"


NODE = Language(
    files={
        "package.json": '{"name": "calc", "scripts": {"test": "node --test"}}\n',
        "calc.js": "const unit = 2;\n\nfunction twice(a) {\n  return a * unit;\n}\n\nfunction add(a, b) {\n"
        "  return a - b;\n}\n\nmodule.exports = { add, twice };\n",
        "test/calc.test.js": "const { describe, it } = require('node:test');\nconst assert = require('node:assert');\n"
        "const { add, twice } = require('../calc.js');\n\ndescribe('calc', () => {\n"
        "  it('adds', () => assert.strictEqual(add(2, 3), 5));\n"
        "  it('doubles', () => assert.strictEqual(twice(2), 4));\n});\n",
    },
    path="calc.js", before="function add(a, b) {", line="  return a - b;", right="  return a + b;",
    red="calc > adds", green="calc > doubles", needs=("node",), symbol="add",
    function="function add(a, b) {\n  return a - b;\n}",
    filler="function more_%d(a) {\n  return a * %d;\n}\n\n",
)  # fmt: skip
RUST = Language(
    files={
        "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n',
        "Cargo.lock": 'version = 3\n\n[[package]]\nname = "calc"\nversion = "0.1.0"\n',
        "src/lib.rs": "pub fn twice(a: i32) -> i32 {\n    a * 2\n}\n\n"
        "pub fn add(a: i32, b: i32) -> i32 {\n    a - b\n}\n",
        "tests/calc.rs": "#[test]\nfn adds() {\n    assert_eq!(calc::add(2, 3), 5);\n}\n\n"
        "#[test]\nfn doubles() {\n    assert_eq!(calc::twice(2), 4);\n}\n",
    },
    path="src/lib.rs", before="pub fn add(a: i32, b: i32) -> i32 {", line="    a - b", right="    a + b",
    red="adds", green="doubles", needs=("cargo", "rustc", "cc"), symbol="add",
    function="pub fn add(a: i32, b: i32) -> i32 {\n    a - b\n}",
    filler="pub fn more_%d(a: i32) -> i32 {\n    a * %d\n}\n\n",
)  # fmt: skip
GO = Language(
    files={
        "go.mod": "module example.org/calc\n\ngo 1.18\n",
        "calc.go": "package calc\n\nfunc Twice(a int) int {\n\treturn a * 2\n}\n\n"
        "func Add(a, b int) int {\n\treturn a - b\n}\n",
        "calc_test.go": 'package calc\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
        '\tif got := Add(2, 3); got != 5 {\n\t\tt.Fatalf("got %d", got)\n\t}\n}\n\n'
        "func TestTwice(t *testing.T) {\n\tif Twice(2) != 4 {\n\t\tt.Fail()\n\t}\n}\n",
    },
    path="calc.go", before="func Add(a, b int) int {", line="\treturn a - b", right="\treturn a + b",
    red="example.org/calc.TestAdd", green="example.org/calc.TestTwice", needs=("go",), symbol="Add",
    function="func Add(a, b int) int {\n\treturn a - b\n}",
    filler="func More_%d(a int) int {\n\treturn a * %d\n}\n\n",
)  # fmt: skip
DEBIAN_MAVEN = "/usr/share/maven-repo"
JAVA = Language(
    files={
        "pom.xml": '<project xmlns="http://maven.apache.org/POM/4.0.0">\n  <modelVersion>4.0.0</modelVersion>\n'
        "  <groupId>calc</groupId><artifactId>calc</artifactId><version>1</version>\n  <properties>\n"
        "    <maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target>\n"
        "    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>\n  </properties>\n"
        "  <dependencies><dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4.x</version>"
        "<scope>test</scope></dependency></dependencies>\n</project>\n",
        ".mvn/maven.config": f"-Dmaven.repo.local={DEBIAN_MAVEN}\n",
        "src/main/java/calc/Calc.java": "package calc;\n\npublic class Calc {\n    public static int twice(int a) {\n"
        "        return a * 2;\n    }\n\n    public static int add(int a, int b) {\n        return a - b;\n    }\n}\n",
        "src/test/java/calc/CalcTest.java": "package calc;\n\nimport static org.junit.Assert.assertEquals;\n\n"
        "import org.junit.Test;\n\npublic class CalcTest {\n    @Test public void adds() {\n"
        "        assertEquals(5, Calc.add(2, 3));\n    }\n\n    @Test public void doubles() {\n"
        "        assertEquals(4, Calc.twice(2));\n    }\n}\n",
    },
    path="src/main/java/calc/Calc.java", before="    public static int add(int a, int b) {",
    line="        return a - b;", right="        return a + b;",
    red="calc.CalcTest.adds", green="calc.CalcTest.doubles", needs=("mvn", "java"), symbol="Calc.add",
    function="    public static int add(int a, int b) {\n        return a - b;\n    }",
    filler="    public static int more_%d(int a) {\n        return a * %d;\n    }\n\n",
)  # fmt: skip


def toolchain_or_skip(language: Language) -> dict[str, str]:
    """Where the toolchain of the machine's owner is, whose home the tests do not have; a skip where there is none."""
    missing = [program for program in language.needs if not shutil.which(program)]
    if (
        language is JAVA
        and not missing
        and not Path(DEBIAN_MAVEN, "org/apache/maven/surefire/surefire-junit4").is_dir()
    ):
        missing = ["maven's plugins and junit as Debian packages (maven-debian-helper, libsurefire-java, junit4)"]
    if language is JAVA and not missing and not os.environ.get("GITAGENT_REQUIRE_LANGUAGES"):
        pytest.skip("Maven takes a minute or two: GITAGENT_REQUIRE_LANGUAGES=1 runs it")
    if missing:
        if os.environ.get("GITAGENT_REQUIRE_LANGUAGES"):
            pytest.fail(f"required here: {', '.join(missing)}")
        pytest.skip(f"not installed: {', '.join(missing)}")
    home = pwd.getpwuid(os.getuid()).pw_dir
    homes = {"CARGO_HOME": f"{home}/.cargo", "RUSTUP_HOME": f"{home}/.rustup"}
    return {name: path for name, path in homes.items() if os.path.isdir(path)}


@pytest.mark.bubblewrap
@pytest.mark.parametrize("language", [NODE, RUST, GO, JAVA], ids=["node", "rust", "go", "java"])
def test_a_bug_is_mended_and_proven_test_by_test(making: Callable[..., Project], language: Language) -> None:
    homes = toolchain_or_skip(language)
    bubblewrap_or_skip()
    project = making(language.large)
    prompts: list[str] = []

    def answer(asked: Asked) -> Answer:
        if "You plan a change" in asked.prompt:
            task = {"id": "a", "path": language.path, "symbol": language.symbol, "lines": None, "new": False,
                    "depends_on": [], "instruction": "Add the two numbers.", "priority": 1}  # fmt: skip
            return Answer(text=json.dumps({"summary": "add adds", "tasks": [task]}))
        prompts.append(asked.prompt)
        return Answer(text=f"```diff\n{language.diff}```\n")

    with ScriptedServer(answer) as server:
        done = project.gitagent(
            "fix", "add does not add", "--test", language.red, "--api", "--candidates", "1", "--json",
            env={**endpoint(server), **homes, "GITAGENT_SANDBOX_BACKEND": "bubblewrap"},
        )  # fmt: skip
    assert done.code == 0, done.err + done.out[-3000:]
    verdict = done.event("verdict_reached")
    assert verdict["fail_to_pass"] == [language.red] and verdict["pass_to_pass"] == 1
    (branch,) = project.branches()
    assert project.git("diff", "--stat", "--format=", "main", branch).startswith(f" {language.path} |")
    assert language.right in project.git("show", f"{branch}:{language.path}").split("\n")
    # The function, and nothing of those around it.
    assert language.function in prompts[-1] and "ore_150" not in prompts[-1]
    body = project.pull()
    assert f"`{language.red}`" in body and language.green in body
