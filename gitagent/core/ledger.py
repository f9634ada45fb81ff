"""What runs cost: prices, sums by worker, the share that stayed on this machine, and the bound told beforehand."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitagent.records import Limits, Spending


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million prompt tokens and for a million answer tokens."""

    prompt: float = 0.0
    answer: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The most one run can take. `dollars` is None where the model's price is not known."""

    tokens: int
    dollars: float | None
    minutes: float


def price_of(prices: Mapping[str, tuple[float, float]], model: str) -> Price | None:
    """The price of the longest name that begins the model's, None if there is none."""
    names = [name for name in prices if model.startswith(name)]
    return Price(*prices[max(names, key=len)]) if names else None


def quote(limits: Limits, *, window: int, price: Price | None, side_by_side: int = 1) -> Quote:
    """The most a run can take within its limits.

    A limit is looked at before each question, so those that are under way then may go over it, each by one window at
    most.
    """
    more = window * max(side_by_side, 1)
    tokens = limits.tokens + more
    if price is None:
        return Quote(tokens=tokens, dollars=None, minutes=limits.minutes)
    each = max(price.prompt, price.answer) / 1_000_000
    return Quote(tokens=tokens, dollars=min(tokens * each, limits.dollars + more * each), minutes=limits.minutes)


def summed(spent: Iterable[Spending]) -> tuple[Spending, ...]:
    """One sum for each worker, in the order they first come; what stayed here and what left are summed apart."""
    sums: dict[tuple[str, bool], Spending] = {}
    for one in spent:
        key = (one.worker, one.stays_here)
        sums[key] = sums.get(key, Spending(worker=one.worker, stays_here=one.stays_here)).plus(one)
    return tuple(sums.values())


def total(spent: Iterable[Spending]) -> Spending:
    """The sum of everything."""
    sum_ = Spending(worker="total")
    for one in spent:
        sum_ = sum_.plus(one)
    return sum_


def tokens_of(spent: Iterable[Spending]) -> int:
    """Prompt and answer tokens together."""
    return sum(one.prompt_tokens + one.answer_tokens for one in spent)


def share_here(spent: Sequence[Spending]) -> float | None:
    """The share of tokens, 0 to 1, that never left this machine; None if no model was asked."""
    every = tokens_of(spent)
    return tokens_of(one for one in spent if one.stays_here) / every if every else None


def share_in_words(spent: Sequence[Spending]) -> str:
    """`87 % of tokens stayed local`; rounded so that only all is called 100 %, and only none 0 %."""
    share = share_here(spent)
    if share is None:
        return "no model was asked"
    percent = round(100 * share)
    if 0 < share < 1:
        percent = min(max(percent, 1), 99)
    return f"{percent} % of tokens stayed local"


def spent_in(report: str) -> tuple[Spending, ...]:
    """The ledger in the text of a recorded report; whatever is no ledger is none."""
    try:
        told = json.loads(report)
    except (ValueError, RecursionError):
        return ()
    return spent_of(told) if isinstance(told, dict) else ()


def spent_of(report: Mapping[str, Any]) -> tuple[Spending, ...]:
    """The ledger in a recorded report."""
    entries = report.get("ledger")
    return tuple(_spendings(entries if isinstance(entries, list) else []))


def _spendings(entries: list[Any]) -> Iterator[Spending]:
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("worker"), str):
            yield Spending(
                worker=entry["worker"],
                calls=int(_number(entry, "calls")),
                prompt_tokens=int(_number(entry, "prompt_tokens")),
                answer_tokens=int(_number(entry, "answer_tokens")),
                dollars=_number(entry, "dollars"),
                seconds=_number(entry, "seconds"),
                stays_here=entry.get("stays_here", entry["worker"] == "local") is True,
            )


def _number(entry: Mapping[str, Any], name: str) -> float:
    value = entry.get(name)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0.0
