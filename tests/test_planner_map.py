"""The map of the repository in a planner's prompt: what it shows, and how much of the window it takes."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from gitagent.adapters.git import GitRepository
from gitagent.adapters.index import CodeIndex
from gitagent.core.microtasks import estimate
from gitagent.planners import MAP_TOKENS, ChatPlanner
from gitagent.records import Findings, Place, Request, Suspect
from tests.fakes import FakeModel

BASKET = """\
class Basket:
    def discount(self, percent):
        secret_recipe = percent * 2
        return secret_recipe

    def total(self):
        return 0
"""
PLAN = json.dumps(
    {"tasks": [{"path": "shop/basket.py", "symbol": "Basket.discount", "instruction": "Do not double it."}]}
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CodeIndex, Request]]:
    root = tmp_path_factory.mktemp("shop")
    (root / "shop").mkdir()
    (root / "shop/basket.py").write_text(BASKET)
    for number in range(150):
        body = "".join(f"def step_{number}_{at}(order, table):\n    return order\n\n\n" for at in range(8))
        (root / f"shop/part_{number:03}.py").write_text(body)
    git = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "--quiet"], ["add", "."], [*git, "commit", "--quiet", "-m", "begin"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    repository = GitRepository(str(root))
    request = Request(text="The discount of a basket is twice the percent.", source="text", reference="",
                      asked_by="", base=repository.head().oid, key="k")  # fmt: skip
    code = CodeIndex(repository)
    yield code, request
    code.close()


def asked(index: tuple[CodeIndex, Request], window: int, findings: Findings) -> str:
    """The prompt of a planner whose model has so large a window."""
    code, request = index
    model = FakeModel([PLAN], window=window)  # it fails by itself on a prompt that is too long
    planner = ChatPlanner(
        model,
        lambda event: None,
        repository_map=lambda wanted, budget, count: code.repository_map(
            wanted.base, wanted.text, budget_tokens=budget, count=count
        ),
    )
    texts = {"shop/basket.py": BASKET}
    plan, _ = planner.plan(request, findings, texts.get)
    assert [task.path for task in plan.tasks] == ["shop/basket.py"]
    return model.asked[0].text


def map_of(prompt: str) -> str:
    titled = r"^The repository, likeliest first, with lines:\n(`{3,})\n(.*?)\n\1"
    found = re.search(titled, prompt, re.DOTALL | re.MULTILINE)
    assert found is not None, prompt
    return found[2]


FOUND = Findings(
    files=("shop/basket.py",), places=(Place(path="shop/basket.py", score=1.0, reason="its words fit"),)
)


def test_it_shows_paths_and_signatures_with_lines_the_likeliest_first_and_no_bodies(
    index: tuple[CodeIndex, Request],
) -> None:
    shown = map_of(asked(index, 4096, FOUND)).split("\n")
    assert shown[0] == "shop/basket.py"
    assert [line.strip() for line in shown[1:4]] == [
        "1: class Basket",
        "2: def discount(self, percent)",
        "6: def total(self)",
    ]
    assert any(line.startswith("shop/part_") for line in shown)
    assert "secret_recipe" not in "\n".join(shown)


def test_it_takes_an_eighth_of_the_window_and_two_thousand_tokens_at_most(
    index: tuple[CodeIndex, Request],
) -> None:
    sizes = {window: estimate(map_of(asked(index, window, FOUND))) for window in (2048, 4096, 8192, 100_000)}
    assert all(size <= min(MAP_TOKENS, window // 8) for window, size in sizes.items()), sizes
    # It is not just small: what there is room for is used.
    assert all(size > 0.8 * min(MAP_TOKENS, window // 8) - 40 for window, size in sizes.items()), sizes


def test_where_a_failing_test_leads_the_way_it_is_half_as_large(index: tuple[CodeIndex, Request]) -> None:
    suspect = Suspect(path="shop/basket.py", line=3, score=1.0, reason="run by 1 failing")
    shown = map_of(asked(index, 4096, Findings(suspects=(suspect,), files=FOUND.files)))
    assert shown.startswith("shop/basket.py\n") and "shop/part_" in shown and estimate(shown) <= 4096 // 16
