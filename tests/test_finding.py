from pathlib import Path

import pytest

from gitagent import finding
from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex
from gitagent.certifying import Certifier
from gitagent.planners import LocalizerPlanner
from gitagent.ports import Workspace
from gitagent.records import Findings, Request, TestResult, TestRun
from gitagent.tree import Tree
from tests.conftest import Git

FILES = {
    "src/cart.js": "// what a customer buys\nfunction addVoucher(code) {\n  return code;\n}\n",
    "src/mail.js": "function sendReceipt(to) {\n  return to;\n}\n",
    "test/cart.test.js": "test('voucher', () => addVoucher('x'));\n",
}


@pytest.fixture
def shop(tmp_path: Path, git: Git) -> GitRepository:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "shop: begin")
    return GitRepository(str(tmp_path))


def found(repository: GitRepository, text: str, *, with_index: bool = True) -> tuple[Request, Findings]:
    """What is found for a request that no test shows; nothing is run, so neither sandbox nor certifier is asked."""
    base = repository.head().oid
    request = Request(text=text, source="text", reference="", asked_by="ada", base=base, key="k")
    base_run = TestRun(tree="", sandbox="", argv=(), state="passed", results=(), exit_code=0, seconds=0.0)
    workspace: Workspace = None  # type: ignore[assignment]
    certifier: Certifier = None  # type: ignore[assignment]
    tree = Tree(repository, base)
    index = CodeIndex(repository) if with_index else None
    red: tuple[TestResult, ...] = ()
    findings = finding.findings(request, tree, workspace, certifier, base_run, red, lambda path: False, index)
    if index is not None:
        index.close()
    return request, findings


def test_without_a_failing_test_the_index_says_where_to_look(shop: GitRepository) -> None:
    _, findings = found(shop, "A voucher is ignored")
    assert findings.files[0] == "src/cart.js" == findings.places[0].path
    assert "test/cart.test.js" not in findings.files


def test_without_an_index_words_in_paths_decide_as_before(shop: GitRepository) -> None:
    _, findings = found(shop, "the mail is late", with_index=False)
    assert findings.files == ("src/mail.js",) and findings.places == ()


def test_the_localizer_begins_with_the_function_the_index_found(shop: GitRepository) -> None:
    request, findings = found(shop, "A voucher is ignored")
    read = Tree(shop, request.base).text
    plan, _ = LocalizerPlanner().plan(request, findings, read)
    assert plan.tasks[0].path == "src/cart.js" and "addVoucher" in plan.tasks[0].excerpt
