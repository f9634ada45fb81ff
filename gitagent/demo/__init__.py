"""A small real repository with a real bug, for `gitagent demo`.

`project/` holds the files as they are committed. What the fix is stands nowhere: the run has to find it.
"""

from pathlib import Path

import pygit2

PROJECT = Path(__file__).parent / "project"

# The history the repository gets: message, and the paths that commit adds.
COMMITS = (
    ("units: read amounts as people write them", ("README.md", "pyproject.toml", "larder/__init__.py",
     "larder/units.py", "tests/__init__.py", "tests/test_units.py")),
    ("stock: lots, reservations, and what is thrown away", ("larder/lots.py", "larder/stock.py")),
    ("orders: reserve all lines or none, bill them by lot",
     ("larder/pricing.py", "larder/orders.py", "tests/test_pricing.py", "tests/test_orders.py")),
    ("report: print the shelves of a file", ("larder/report.py", "larder/__main__.py", "tests/test_report.py")),
    ("stock: test reservations over several lots, which fails", ("tests/test_stock.py", "ISSUE.md")),
)  # fmt: skip


def build(directory: Path) -> None:
    """Make the repository in an empty directory, five commits on `main`, checked out."""
    repository = pygit2.init_repository(str(directory), initial_head="main")
    # A mark by which a later demo knows that the directory is its own.
    (directory / ".git" / "gitagent-demo").touch()
    parents: list[pygit2.Oid] = []
    for number, (message, paths) in enumerate(COMMITS):
        for path in paths:
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((PROJECT / path).read_bytes())
            repository.index.add(path)
        repository.index.write()
        ada = pygit2.Signature("Ada Example", "ada@example.com", 1_715_000_000 + 86_400 * number, 0)
        tree = repository.index.write_tree()
        parents = [repository.create_commit("HEAD", ada, ada, message + "\n", tree, parents)]


def is_ours(directory: Path) -> bool:
    """Whether an earlier demo made this directory."""
    return (directory / ".git" / "gitagent-demo").exists()


def issue() -> str:
    """The issue's text."""
    return (PROJECT / "ISSUE.md").read_text(encoding="utf-8")
