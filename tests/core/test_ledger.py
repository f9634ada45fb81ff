import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitagent.core.ledger import Price, price_of, quote, share_here, share_in_words, summed, tokens_of, total
from gitagent.records import Limits, Spending

spendings = st.lists(
    st.builds(
        Spending,
        worker=st.sampled_from(["local", "api", "chat"]),
        calls=st.integers(0, 9),
        prompt_tokens=st.integers(0, 9999),
        answer_tokens=st.integers(0, 999),
        stays_here=st.booleans(),
    ),
    max_size=8,
)


def spent(worker: str, tokens: int, *, here: bool = False, dollars: float = 0.0) -> Spending:
    return Spending(worker=worker, calls=1, prompt_tokens=tokens, dollars=dollars, stays_here=here)


def test_the_longest_name_that_begins_the_models_sets_the_price() -> None:
    prices = {"big": (3.0, 15.0), "big-mini": (0.1, 0.4), "other": (9.0, 9.0)}
    assert price_of(prices, "big-mini-2") == Price(0.1, 0.4)
    assert price_of(prices, "bigger") == Price(3.0, 15.0)
    assert price_of(prices, "none") is None


def test_a_quote_is_the_limits_and_one_window_more_or_what_the_tokens_can_cost() -> None:
    limits = Limits(tokens=10_000, dollars=1.0, minutes=5.0)
    cheap = quote(limits, window=4096, price=Price(1.0, 4.0))
    assert (cheap.tokens, cheap.minutes) == (14_096, 5.0)
    assert cheap.dollars == pytest.approx(14_096 * 4 / 1e6)
    assert quote(limits, window=4096, price=Price(1000.0, 4000.0)).dollars == pytest.approx(1 + 4096 * 4000 / 1e6)
    assert quote(limits, window=4096, price=None).dollars is None
    assert quote(limits, window=4096, price=Price()).dollars == 0


@given(spendings)
def test_sums_by_worker_lose_nothing(many: list[Spending]) -> None:
    sums = summed(many)
    assert tokens_of(sums) == tokens_of(many) == tokens_of([total(many)])
    assert share_here(sums) == share_here(many)
    assert len({(one.worker, one.stays_here) for one in sums}) == len(sums)
    assert summed(sums) == sums


@pytest.mark.parametrize(
    ("here", "away", "words"),
    [
        (0, 0, "no model was asked"),
        (10, 0, "100 % of tokens stayed local"),
        (0, 10, "0 % of tokens stayed local"),
        (9999, 1, "99 % of tokens stayed local"),
        (1, 9999, "1 % of tokens stayed local"),
        (87, 13, "87 % of tokens stayed local"),
    ],
)
def test_the_share_that_stayed_is_rounded_to_say_all_or_none_only_where_it_is(
    here: int, away: int, words: str
) -> None:
    assert share_in_words([spent("local", here, here=True), spent("api", away)]) == words
