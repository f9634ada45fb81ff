"""The chat worker behind a server that takes a grammar: the same constraint as the local model's."""

import pytest

from gitagent.core.grammar import as_gbnf, grammar_of, ground_for
from gitagent.core.grammar.ground import Bounds
from gitagent.errors import DiffError
from gitagent.events import Event
from gitagent.records import Candidate, Reply, Spending
from gitagent.workers import ModelWorker
from tests.fakes import FakeModel
from tests.test_workers import DIFF, EXCERPT, FIXED, TEXT, task

WITHIN = (
    "```diff\n--- a/shop/basket.py\n+++ b/shop/basket.py\n@@ -8 +8 @@\n     def total(self):\n         total = 0\n"
    "-        for item in self.items[1:]:\n+        for item in self.items:\n             total += price_of(item)\n"
)


def answers(*replies: str | Reply, text: str = TEXT, **fields: object) -> tuple[list[Candidate], FakeModel]:
    model, events = FakeModel(replies, takes_grammar=True), list[Event]()
    worker = ModelWorker(model, events.append)
    return list(worker.candidates(task(**fields), text, limit=len(replies))), model


def test_the_grammar_sent_is_the_local_models_and_its_answer_is_replayed() -> None:
    (one,), model = answers(WITHIN + "```")
    assert one.texts == {"shop/basket.py": FIXED}
    ground = ground_for("shop/basket.py", 8, EXCERPT, TEXT, bounds=Bounds(context_characters=240))
    assert model.asked[0].grammar == as_gbnf(grammar_of(ground))
    assert " 8     def total(self):" in model.asked[0].text


def test_an_answer_cut_within_its_grammar_is_read_to_its_last_whole_line() -> None:
    cut = Reply(text=WITHIN + "+            pass  # and th", spending=Spending(worker="api"), finish="length")
    (one,), _ = answers(cut)
    assert one.texts == {"shop/basket.py": FIXED}


def test_an_answer_outside_its_grammar_is_read_like_any_other() -> None:
    (one,), model = answers(f"Sure:\n```diff\n{DIFF}```\n")
    assert model.asked[0].grammar and one.texts == {"shop/basket.py": FIXED}
    with pytest.raises(DiffError, match="no unified diff"):
        answers("No, I would rather not.")


def test_an_excerpt_with_a_secret_is_not_spelled_out_in_a_grammar() -> None:
    secret = EXCERPT + "    token = 'ghp_" + "a1B2" * 9 + "'\n"
    text = TEXT.replace(EXCERPT, secret)
    (_,), model = answers(DIFF, text=text, excerpt=secret)
    assert model.asked[0].grammar == "" and "ghp_" not in model.asked[0].text


def test_a_file_that_no_grammar_can_be_made_for_is_asked_about_freely() -> None:
    text = TEXT.replace("price_of(item)", "price_of(item)  # \udce9")
    (_,), model = answers(DIFF.replace("price_of(item)", "price_of(item)  # \udce9"), text=text,
                          excerpt=EXCERPT.replace("price_of(item)", "price_of(item)  # \udce9"))  # fmt: skip
    assert model.asked[0].grammar == ""


def test_a_new_file_is_written_within_a_grammar_too() -> None:
    said = "```diff\n--- /dev/null\n+++ b/shop/new.py\n@@ -0,0 +1 @@\n+x = 1\n"
    (one,), model = answers(said, text="", path="shop/new.py", first_line=1, excerpt="")
    assert one.texts == {"shop/new.py": "x = 1\n"} and model.asked[0].grammar
