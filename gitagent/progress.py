"""How one run is to be done, and what has come of it so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitagent.records import Candidate, Commit, Limits, Plan, PullRequest, SandboxLimits, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one run is to be done. `candidates` are diffs asked for one micro-task, by worker name.

    `branch` is the scratch branch where it is not the request's own. With `carry_on` a branch that is there is built
    upon, whoever committed on it; where its proof holds for the base as it is now, there is nothing to do.
    `complexity` is what the request's own command states of it. `settings`
    decide what the workers answer, and are kept for a replay. `resumed` takes up a run that was cut short.
    """

    run: str
    base_branch: str
    limits: Limits = Limits()
    sandbox_limits: SandboxLimits = SandboxLimits()
    test_command: str = ""
    candidates: Mapping[str, int] = field(default_factory=lambda: {"local": 8, "api": 3}, hash=False)
    template_candidates: int = 400
    routing_threshold: float = 0.75
    routing_patience: int = 2
    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
    dry_run: bool = False
    again: bool = False
    branch: str = ""
    carry_on: bool = False
    allow_test_changes: bool = False
    minimal: bool = True
    test_first: bool = True
    planned: bool = False
    approve_plan: bool = False
    resumed: bool = False
    complexity: float = 0.0


@dataclass(slots=True, kw_only=True)
class Progress:
    """What a run has so far; `saved` is called whenever something worth keeping was added.

    `earlier` is what the branch had before this run, where it is gone on with; `settled` is its commit if that turned
    out to be proven.
    `first` is the commit of a failing test that the work is based on, if one had to be written.
    `red` are the tests to be mended, `still_red` those that its commits leave red. `unfinished` has a line for
    each task that came to nothing, by task id; `left_out` has the other things that were not done.
    """

    saved: Callable[[], None]
    earlier: tuple[tuple[Commit, Candidate], ...] = ()
    first: tuple[tuple[Commit, Candidate], ...] = ()
    changes: list[tuple[Commit, Candidate]] = field(default_factory=list)
    plan: Plan | None = None
    verdict: Verdict | None = None
    pull: PullRequest | None = None
    settled: Commit | None = None
    red: tuple[str, ...] = ()
    still_red: tuple[str, ...] = ()
    unfinished: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    refused: str = "no candidate turned the red tests green"

    @property
    def is_proven(self) -> bool:
        """Whether the verdict on the newest commit passed, and on all that was asked."""
        return self.verdict is not None and self.verdict.state == "passed" and not self.still_red

    def leave_out(self, line: str) -> bool:
        """Remember what will not be done; whether that is news."""
        if line in self.left_out:
            return False
        self.left_out.append(line)
        return True

    def not_done(self) -> list[str]:
        """What was not done, a line each."""
        return [*self.unfinished.values(), *self.left_out]
