"""What is asked while an endpoint is down: whole small models that are up or not."""

from typing import Any

import pytest

from gitagent.budgets import OutOfBudget
from gitagent.core.ledger import Price
from gitagent.errors import ModelDownError, ModelError
from gitagent.events import Event, Quoted, RunStarted, StoodIn, Stream, Waited
from gitagent.records import Limits, Message
from gitagent.standby import Clock, StandbyModel
from tests.fakes import FakeModel

ASK = (Message(role="user", content="What?"),)
BUSY = ModelDownError("models.example is over its limit.", hint="later", wait_seconds=20.0)
GONE = ModelDownError("nothing answers.", hint="start it")
BROKE = ModelDownError("no credit left.", hint="billing", passes=False)
STARTED = RunStarted(run="r", title="t", source="text", base="b", branch="b")


class Standby:
    """A standby model over fakes, with what it slept and said; sleeping moves the run's clock."""

    def __init__(
        self,
        *models: FakeModel,
        waits: bool = False,
        minutes: float = 30.0,
        price: Price | None = None,
        **more: Any,
    ) -> None:
        self.events, self.slept, self._time = list[Event](), list[float](), 100.0
        clock = Clock(Limits(minutes=minutes), lambda: self._time)
        clock.heard(STARTED)
        self.model = StandbyModel(models, Stream(self.events.append), limits=Limits(minutes=minutes), price=price,
                                  clock=clock, waits=waits, sleep=self._sleep, **more)  # fmt: skip

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._time += seconds

    def ask(self) -> str:
        return self.model.reply(ASK, answer_tokens=50).text

    def said(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]


def test_the_most_a_run_can_take_is_said_before_its_first_question_and_once() -> None:
    standby = Standby(FakeModel(["yes"], name="m"), price=Price(1.0, 10.0))
    assert standby.ask() == standby.ask() == "yes"
    (told,) = standby.said(Quoted)
    assert told == Quoted(worker="api", model="m", tokens=204_096, dollars=pytest.approx(1.041), minutes=30.0)  # type: ignore[arg-type]
    assert standby.events[0] == told


@pytest.mark.parametrize("down", [BUSY, GONE, BROKE])
def test_another_model_stands_in_for_the_rest_of_the_run(down: ModelDownError) -> None:
    first, second = FakeModel([down], name="first"), FakeModel(["yes"], name="second", window=2048)
    standby = Standby(first, second)
    assert standby.model.window == 2048 and standby.model.name == "first"
    assert [standby.ask(), standby.ask()] == ["yes", "yes"]
    assert standby.said(StoodIn) == [StoodIn(worker="api", model="first", to="second", reason=str(down))]
    assert (standby.model.name, standby.model.digest, standby.slept) == ("second", second.digest, [])
    assert len(first.asked) == 1 and standby.model.count(ASK) == second.count(ASK)
    assert not standby.model.takes_grammar()


def test_without_another_model_the_error_stands() -> None:
    with pytest.raises(ModelDownError, match="nothing answers"):
        Standby(FakeModel([GONE])).ask()
    with pytest.raises(ModelError, match="refuses"):
        Standby(FakeModel([ModelError("it refuses")]), FakeModel(["never"])).ask()


def test_an_endpoint_is_waited_for_as_long_as_it_asks_or_twice_as_long_each_time() -> None:
    standby = Standby(FakeModel([BUSY, GONE, GONE, "yes"]), waits=True)
    assert standby.ask() == "yes"
    assert standby.slept == [20.0, 30.0, 60.0]
    assert [event.wait_seconds for event in standby.said(Waited)] == standby.slept  # type: ignore[attr-defined]


def test_no_wait_outlasts_the_run() -> None:
    standby = Standby(FakeModel([BUSY]), waits=True, minutes=1.0)
    with pytest.raises(ModelError, match=r"a wait of 20 s is longer than the 20 s this run has left"):
        standby.ask()
    assert standby.slept == [20.0, 20.0]
    standby = Standby(FakeModel([BUSY]), FakeModel(["yes"]), waits=True, minutes=0.1)
    assert standby.ask() == "yes" and standby.slept == []


def test_no_question_is_asked_once_a_limit_is_reached_nor_does_another_model_stand_in() -> None:
    reached = iter([False, True])

    def check() -> None:
        if next(reached):
            raise OutOfBudget("the limit run.minutes = 30 was reached")

    first, second = FakeModel([GONE], name="first"), FakeModel(["never"], name="second")
    standby = Standby(first, second, check=check)
    with pytest.raises(OutOfBudget):
        standby.ask()
    assert (len(first.asked), second.asked, standby.said(StoodIn)) == (1, [], [])


def test_a_run_that_is_taken_up_again_has_only_what_is_left_of_its_minutes() -> None:
    assert Clock(Limits(minutes=2), lambda: 7.0, before_seconds=50.0).left() == 70.0


def test_the_most_a_run_can_take_counts_every_question_that_may_be_under_way() -> None:
    standby = Standby(FakeModel(["yes"], name="m"), price=Price(1.0, 10.0), side_by_side=4)
    standby.ask()
    (told,) = standby.said(Quoted)
    assert told == Quoted(worker="api", model="m", tokens=216_384, dollars=pytest.approx(1.1638), minutes=30.0)  # type: ignore[arg-type]


def test_waiting_is_of_no_use_without_credit() -> None:
    standby = Standby(FakeModel([BROKE]), waits=True)
    with pytest.raises(ModelDownError):
        standby.ask()
    assert standby.slept == []
