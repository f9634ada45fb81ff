import os
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex, updating
from gitagent.adapters.index.store import NAME
from gitagent.records import Span
from tests.conftest import Git

SHOP = {
    "shop/basket.py": '''"""What a customer is about to buy."""
from shop.prices import price_of

class Basket:
    def total(self):
        return sum(price_of(ware) for ware in self.wares)

    def discount(self, percent):
        """Take a discount off."""
        return self.total() * percent
''',
    "shop/prices.py": '''def price_of(ware):
    """What a ware costs, tax and all."""
    return TABLE[ware]
''',
    "shop/mail.py": '''def send_receipt(address):
    """Write to the customer."""
''',
    "shop/__init__.py": "",
    "tests/test_basket.py": """def test_discount_percent_is_taken_off():
    assert Basket().discount(10)
""",
    "docs/discount.md": "# Discount\n\nHow a discount percent is taken off.\n",
}


@pytest.fixture
def shop(tmp_path: Path, git: Git) -> Path:
    """A repository of a small shop, with one commit that is like what is asked below."""
    root = tmp_path / "shop"
    for path, text in SHOP.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "shop: begin")
    return root


def paths(index: CodeIndex, commit: str, text: str) -> list[str]:
    return [place.path for place in index.places(commit, text)]


def head(root: Path) -> str:
    return GitRepository(str(root)).head().oid


def test_the_file_and_the_function_a_request_is_about_come_first(shop: Path) -> None:
    index = CodeIndex(GitRepository(str(shop)))
    first, *rest = index.places(head(shop), "The discount of a basket is off by a factor of 100 percent")
    assert first.path == "shop/basket.py" and first.score == 1.0 and "fit" in first.reason
    assert first.symbols[0].name == "Basket.discount" and first.symbols[0].first_line == 8
    assert all(0.0 <= place.score <= 1.0 for place in rest)
    span, score = index.symbols(head(shop), "discount percent")[0]
    assert (span.path, span.name) == ("shop/basket.py", "Basket.discount") and 0 < score <= 1
    index.close()


def test_a_traceback_leads_to_its_deepest_file(shop: Path) -> None:
    index = CodeIndex(GitRepository(str(shop)))
    frames = (("basket", 6, "total"), ("prices", 3, "price_of"))
    text = "\n".join(f'  File "/app/shop/{file}.py", line {line}, in {name}' for file, line, name in frames)
    assert paths(index, head(shop), text)[0] == "shop/prices.py"
    index.close()


def test_what_was_changed_for_similar_messages_is_raised(shop: Path, git: Git) -> None:
    text = "the voucher is ignored"
    index = CodeIndex(GitRepository(str(shop)))
    before = paths(index, head(shop), f"{text} by the customer")
    (shop / "shop/mail.py").write_text(SHOP["shop/mail.py"] + "\n\nSIGN = 1\n")
    git(shop, "commit", "--quiet", "-am", "mail: the voucher is ignored no more")
    after = paths(index, head(shop), f"{text} by the customer")
    assert after.index("shop/mail.py") <= before.index("shop/mail.py") and after[0] == "shop/mail.py"
    index.close()


def test_only_new_blobs_are_read_and_work_trees_share_them(shop: Path, git: Git, tmp_path: Path) -> None:
    first = CodeIndex(GitRepository(str(shop)))
    assert first.update(head(shop)) == len(set(SHOP.values()))
    assert first.update(head(shop)) == 0
    first.close()
    git(shop, "worktree", "add", "--quiet", str(tmp_path / "other"))
    (tmp_path / "other/shop/new.py").write_text("def refund_all():\n    pass\n")
    git(tmp_path / "other", "add", ".")
    git(tmp_path / "other", "commit", "--quiet", "-m", "shop: refund")
    other = CodeIndex(GitRepository(str(tmp_path / "other")))
    assert other.update(head(tmp_path / "other")) == 1
    assert paths(other, head(tmp_path / "other"), "refund_all fails")[0] == "shop/new.py"
    # What the other work tree holds is no part of this one.
    assert "shop/new.py" not in paths(CodeIndex(GitRepository(str(shop))), head(shop), "refund_all fails")
    other.close()
    assert (shop / ".git/gitagent" / NAME).is_file()


def test_a_damaged_index_is_made_anew_without_a_word(shop: Path) -> None:
    index = CodeIndex(GitRepository(str(shop)))
    index.update(head(shop))
    with sqlite3.connect(shop / ".git/gitagent" / NAME) as database:
        database.execute("UPDATE outlines SET data = x'00'")
        database.execute("DROP TABLE commits")
    database.close()
    assert paths(index, head(shop), "discount")[0] == "shop/basket.py"
    index.close()


def test_links_submodules_and_binary_files_are_passed_over(shop: Path, git: Git) -> None:
    (shop / "shop/link.py").symlink_to("basket.py")
    (shop / "shop/data.py").write_bytes(b"discount\0discount")
    (shop / "shop/logo.png").write_bytes(b"discount")
    (shop / "shop/latin.py").write_bytes(b"# caf\xe9 discount\n")
    git(shop, "add", ".")
    git(shop, "commit", "--quiet", "-m", "shop: odd files")
    index = CodeIndex(GitRepository(str(shop)))
    found = paths(index, head(shop), "discount")
    assert "shop/latin.py" in found and not {"shop/link.py", "shop/logo.png"} & set(found)
    index.close()


def test_the_map_shows_the_best_file_first_and_the_rest_after(shop: Path) -> None:
    index = CodeIndex(GitRepository(str(shop)))
    shown = index.repository_map(head(shop), "send the receipt", budget_tokens=2_000, count=len)
    assert shown.split("\n")[:2] == ["shop/mail.py", "  1: def send_receipt(address)"]
    assert "shop/prices.py" in shown
    index.close()


def test_a_large_tree_is_read_in_several_processes(tmp_path: Path, git: Git) -> None:
    root = tmp_path / "large"
    root.mkdir()
    for number in range(updating.IN_ONE_PROCESS):
        (root / f"m{number}.py").write_text(f"def work_{number}():\n    return {number}\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "begin")
    index = CodeIndex(GitRepository(str(root)))
    assert index.update(head(root)) == updating.IN_ONE_PROCESS
    assert paths(index, head(root), "work_77 is wrong")[0] == "m77.py"
    index.close()


def test_a_process_that_helps_ends_when_whoever_asked_is_gone(shop: Path, git: Git) -> None:
    program = "from gitagent.adapters.index.updating import serve; serve()"
    blob = git(shop, "rev-parse", "HEAD:shop/prices.py")
    for asking, told in ((os.getpid(), ""), (1, "whoever asked was killed\n")):
        asked = pickle.dumps((([(blob, "shop/prices.py")], 1), str(shop), asking))
        done = subprocess.run([sys.executable, "-c", program], input=asked, capture_output=True, check=False)
        assert done.stderr.decode() == told and bool(done.stdout) == (not told)


def test_a_program_without_a_file_or_a_guard_can_use_the_index(shop: Path, git: Git) -> None:
    """Nothing of the program that asks is run again in the processes that help."""
    for number in range(updating.IN_ONE_PROCESS):
        (shop / f"m{number}.py").write_text(f"def work_{number}(): pass\n")
    git(shop, "add", ".")
    git(shop, "commit", "--quiet", "-m", "many")
    program = (
        "from gitagent.adapters.git import GitRepository\nfrom gitagent.adapters.index import CodeIndex\n"
        f"r = GitRepository({str(shop)!r})\nprint(CodeIndex(r).places(r.head().oid, 'work_5')[0].path)\n"
    )
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=False)
    assert done.stdout == "m5.py\n" and done.stderr == ""


def test_what_a_process_that_cannot_start_leaves_is_done_here(
    shop: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(updating.IN_ONE_PROCESS):
        (shop / f"m{number}.py").write_text(f"def work_{number}(): pass\n")
    git(shop, "add", ".")
    git(shop, "commit", "--quiet", "-m", "many")
    for broken in ("/bin/false", str(shop / "nowhere")):
        monkeypatch.setattr(sys, "executable", broken)
        (shop / ".git/gitagent" / NAME).unlink(missing_ok=True)
        index = CodeIndex(GitRepository(str(shop)))
        assert paths(index, head(shop), "work_299 fails")[0] == "m299.py"
        index.close()


def test_a_repository_without_git_history_to_read_still_has_words(shop: Path, git: Git, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{shop}", str(tmp_path / "shallow"))
    index = CodeIndex(GitRepository(str(tmp_path / "shallow")))
    assert paths(index, head(tmp_path / "shallow"), "discount")[0] == "shop/basket.py"
    index.close()


def test_the_files_that_use_a_stretch_are_counted_without_itself_and_without_tests(shop: Path, git: Git) -> None:
    (shop / "shop/till.py").write_text("from shop import basket\n\n\ndef pay(one):\n    return one.total()\n")
    (shop / "shop/report.py").write_text("def total(rows):\n    return len(rows)\n\n\nMOST = total([])\n")
    (shop / "tests/test_prices.py").write_text("from shop.prices import price_of\n")
    git(shop, "add", ".")
    git(shop, "commit", "--quiet", "-m", "more")
    index = CodeIndex(GitRepository(str(shop)))
    spans = [
        Span(path="shop/prices.py", name="price_of", first_line=1, last_line=3),
        Span(path="shop/prices.py", name="", first_line=3, last_line=3),
        Span(path="shop/basket.py", name="Basket.total", first_line=1, last_line=1),
        Span(path="shop/basket.py", name="", first_line=1, last_line=2),
        Span(path="shop/nowhere.py", name="", first_line=1, last_line=2),
    ]
    # basket calls price_of; till writes total and imports the basket; report has a total of its own.
    assert index.dependents(head(shop), spans) == (1, 1, 1, 1, 0)
    index.close()
