"""From a request to a proven pull request: the middle line of docs/architecture.md.

Knows core and ports alone. Whatever a stranger wrote (request, files, replies, test output) is data here.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from gitagent import certifying, finding, saving, searching
from gitagent.core import intake, messages, routing, testing
from gitagent.errors import GitagentError, ModelError, RepositoryError, RequestError
from gitagent.events import (
    Committed,
    Escalated,
    Located,
    Noted,
    Planned,
    PullRequestReady,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
)
from gitagent.ports import Planner, Ports, Scratch, Worker, Workspace
from gitagent.records import (
    Candidate,
    Commit,
    Findings,
    Limits,
    MicroTask,
    Plan,
    PullRequest,
    Report,
    Request,
    SandboxLimits,
    TestCommand,
    Verdict,
)
from gitagent.tree import Tree
from gitagent.workspaces import Workspaces

State = Literal["proven", "unproven", "nothing", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one run is to be done. `candidates` are diffs asked for one micro-task, by worker name."""

    run: str
    base_branch: str
    limits: Limits = Limits()
    sandbox_limits: SandboxLimits = SandboxLimits()
    test_command: str = ""
    candidates: Mapping[str, int] = field(default_factory=lambda: {"local": 8, "api": 3}, hash=False)
    template_candidates: int = 400
    routing_threshold: float = 0.75
    dry_run: bool = False
    again: bool = False


def pursue(request: Request, ports: Ports, options: Options) -> Report:
    """Work on a request until a pull request is proven or a limit is reached.

    The user's HEAD, index and working copy are not touched. Raises GitagentError when the run cannot go on;
    what was committed before stays on the scratch branch and is named in the error's run.
    """
    return _Run(request, ports, options).pursue()


class _Run:
    def __init__(self, request: Request, ports: Ports, options: Options) -> None:
        self.request, self.ports, self.options = request, ports, options
        # A dry run must not meet, nor move, the branch of an earlier run of the same request.
        self.branch = intake.branch_of(request) + (f"-dry-run-{options.run}" if options.dry_run else "")
        self.budget = searching.Budget(options.limits)
        self.journal = saving.Journal(ports.runs, options.run)
        self.changes: list[tuple[Commit, Candidate]] = []
        self.plan: Plan | None = None
        self.verdict: Verdict | None = None
        self.pull: PullRequest | None = None
        self.not_done: list[str] = []
        self.still_red: tuple[str, ...] = ()
        self.refused = "no candidate turned the red tests green"
        self.unfinished: dict[str, str] = {}
        self._red_names: tuple[str, ...] = ()
        self.workspaces = Workspaces(self._open)
        self.tree = Tree(ports.repository, request.base)
        self.emit = ports.stream
        ports.stream.add(self.budget.heard)
        ports.stream.add(self.journal.heard)

    # -- the whole ---------------------------------------------------------------------------------------

    def pursue(self) -> Report:
        try:
            return self._pursue()
        finally:
            self.workspaces.close()

    def _pursue(self) -> Report:
        request, ports = self.request, self.ports
        self.emit(
            RunStarted(
                run=self.options.run,
                title=request.title,
                source=request.source,
                base=request.base,
                branch=self.branch,
            )
        )
        replaced = self._replaced()
        created = False
        try:
            scratch = ports.branches.create(self.branch, request.base, again=self.options.again)
            created = True
            report = self._report(*self._work(scratch))
        except KeyboardInterrupt:
            report = self._report("interrupted", "stopped by the user")
        except GitagentError as error:
            self._fail(error)
            raise
        finally:
            if created and (not self.changes or self.options.dry_run):
                self._drop(replaced)
        self.emit(
            RunFinished(
                run=self.options.run,
                state=report.state,
                reason=report.reason,
                branch=self.branch if self.changes and not self.options.dry_run else "",
                tried=report.tried,
                ledger=report.ledger,
                took_seconds=report.seconds,
            )
        )
        self._save(report)
        return report

    def _replaced(self) -> str:
        """The tip of the branch that this run starts anew, "" if there is none."""
        if self.options.again:
            with suppress(RepositoryError):
                return self.ports.repository.resolve(f"refs/heads/{self.branch}")
        return ""

    def _drop(self, replaced: str) -> None:
        """Take the scratch branch away again, back to where it was before the run."""
        tip = self.changes[-1][0].oid if self.changes else self.request.base
        try:
            self.ports.branches.drop(self.branch, tip)
            if replaced:
                self.ports.branches.create(self.branch, replaced)
        except RepositoryError as error:
            self.emit(Noted(level="warning", text=f"the scratch branch is left behind: {error}"))

    def _fail(self, error: GitagentError) -> None:
        if self.changes and not self.options.dry_run:
            kept = f"{len(self.changes)} commits are kept on {self.branch}"
            self.emit(Noted(level="warning", text=kept.replace("1 commits are", "1 commit is")))
        self.emit(RunFailed(run=self.options.run, error=str(error), hint=error.hint, exit_code=error.exit_code))
        self._save(self._report("unproven" if self.changes else "nothing", str(error)))

    def _save(self, report: Report) -> None:
        """Write the run down; a run is worth more than its record, so a full disk is only told."""
        try:
            self.journal.save(report)
        except RepositoryError as error:
            self.emit(Noted(level="warning", text=f"the run is not written down: {error}"))

    def _work(self, scratch: Scratch) -> tuple[State, str]:
        self.workspaces.prepare()
        if self.ports.repository.is_dirty():
            self.emit(Noted(level="info", text="uncommitted changes in the working copy are not part of this run"))
        command = testing.detect(self.tree.entries, self.tree.on_base, configured=self.options.test_command)
        self.emit(StepStarted(step="sandbox", detail=self.ports.sandbox.name))
        error: GitagentError | None = None
        try:
            with self.workspaces.fresh() as workspace:
                error = self._within(workspace, scratch, command)
        except searching.OutOfBudget as limit:
            self._left_out(str(limit))
        return self._publish(error)

    def _within(self, workspace: Workspace, scratch: Scratch, command: TestCommand) -> GitagentError | None:
        """Look, then solve, in one warm workspace; the error that stopped a model, if any."""
        certifier = certifying.Certifier(
            self.ports, self.request, command, self.workspaces, self.budget, self.options.sandbox_limits
        )
        base_run = certifier.tests(workspace, "base", self.request.tests)
        if self.request.tests and base_run.state == "inconclusive" and base_run.exit_code is not None:
            # A name that is no path, or no test at all: the whole suite knows which are meant, or come near.
            base_run = certifier.suite = certifier.tests(workspace, "base")
        if not self.request.tests:
            certifier.suite = base_run
        red = finding.red_tests(self.request, base_run)
        self._red_names = tuple(result.id for result in red)
        self.workspaces.prepare()  # for the certificate; there is time while tests run and models think
        self.emit(StepStarted(step="locate", detail=f"{len(red)} red tests"))
        findings = finding.findings(
            self.request, self.tree, workspace, certifier, base_run, red, self._leaves_alone
        )
        self.emit(Located(suspects=findings.suspects[:10]))
        search = searching.Search(
            workspace=workspace,
            command=command,
            red=red,
            read=self.tree.text,
            budget=self.budget,
            stream=self.ports.stream,
            wanted=self.options.candidates,
            timeout_seconds=self.options.sandbox_limits.timeout_seconds,
        )
        stopped: GitagentError | None = None
        try:
            stopped = self._solve(scratch, search, findings, certifier)
        except searching.OutOfBudget as limit:
            self._left_out(str(limit))
        if not self.changes and search.partial:
            self._in_steps(scratch, search, certifier)
        return stopped

    def _not_done(self) -> list[str]:
        return [*self.unfinished.values(), *self.not_done]

    def _left_out(self, line: str) -> None:
        if line not in self.not_done:
            self.not_done.append(line)

    # -- solving -----------------------------------------------------------------------------------------

    def _solve(
        self, scratch: Scratch, search: searching.Search, findings: Findings, certifier: certifying.Certifier
    ) -> GitagentError | None:
        """Cheapest workers first, up only when the tests say so; the error that stopped a model, if any."""
        templates = [worker for worker in self.ports.workers if worker.name == "templates"]
        models = [worker for worker in self.ports.workers if worker.name != "templates"]
        if not models and findings.red and not findings.suspects:
            test = findings.red[0]
            if certifier.command.runner not in ("pytest", "unittest", "custom"):
                raise RequestError(
                    f"{test.id} fails on base {self.request.base[:12]}, and repair patterns know Python only. "
                    "Nothing was committed.",
                    hint="gitagent fix --api … or gitagent models list: a model can work on any language",
                )
            said = test.message.rstrip().rpartition("\n")[2].removeprefix("E ") or test.outcome
            why = " ".join(said.split())[:200]
            raise RequestError(
                f"{test.id} fails on base {self.request.base[:12]} ({why}), but no line of the project is under "
                "suspicion. Nothing was committed.",
                hint="gitagent fix --python VENV if a package is missing, "
                "else name the file in the request, or use --api",
            )
        if not models and not findings.red:
            raise RequestError(
                f"no test fails on base {self.request.base[:12]}, so nothing shows what is wrong without a model. "
                "Nothing was committed.",
                hint="gitagent fix --test NODEID names a failing test; --api or a local model can work from words",
            )
        localizer, chats = self.ports.planners[0], self.ports.planners[1:]
        stopped: GitagentError | None = None
        plan: Plan | None = None
        if findings.red and findings.suspects:
            try:
                plan = self._planned(localizer, findings)
            except RequestError as error:
                if not chats:
                    raise
                self.emit(Noted(level="info", text=str(error)))
        if plan is not None:
            limit = self.options.template_candidates if models else self.options.limits.candidates
            for worker in templates:
                if self._any(scratch, plan, search.templates(worker, plan, limit), certifier):
                    return None
                self.budget.check()
            asked = models if not chats or searching.is_pointed(findings) else models[:-1]
            for worker in asked:
                try:
                    if self._any(scratch, plan, search.model(worker, plan), certifier):
                        return None
                except ModelError as error:
                    stopped = error
                    if worker is not asked[-1]:
                        self.emit(Noted(level="warning", text=f"{worker.name}: {error}"))
                else:
                    stopped = None
        if stopped is not None:
            return stopped  # the planner would ask the same endpoint
        for planner in chats or ([localizer] if models and not findings.red else []):
            try:
                if self._all(scratch, self._planned(planner, findings), search, models, certifier):
                    return None
            except ModelError as error:
                stopped = error
                self._left_out(f"{planner.name}: {error}")
        return stopped

    def _planned(self, planner: Planner, findings: Findings) -> Plan:
        plan, _ = planner.plan(self.request, findings, self.tree.text)
        refused = {path for path in dict.fromkeys(task.path for task in plan.tasks) if self._leaves_alone(path)}
        kept = tuple(task for task in plan.tasks if task.path not in refused)
        if not kept:
            raise RequestError(
                f"the plan by {planner.name} changes nothing that may be changed. Nothing was committed.",
                hint="gitagent fix --test NODEID",
            )
        self.plan = replace(plan, tasks=kept)
        self.emit(Planned(plan=self.plan))
        self._save(self._report("nothing", "under way"))
        return self.plan

    def _leaves_alone(self, path: str) -> bool:
        """Whether no task may be about this path; the reason is told once."""
        named = {name.split("::")[0] for name in self._red_names if self.request.tests}
        reason = self.tree.refusal(path, named)
        line = f"{path} {reason} and was left alone"
        if reason and line not in self.not_done:
            self.not_done.append(line)
            self.emit(Noted(level="warning", text=line))
        return bool(reason)

    def _any(
        self, scratch: Scratch, plan: Plan, survivors: Iterable[Candidate], certifier: certifying.Certifier
    ) -> bool:
        """Commit the first survivor that the whole suite accepts too."""
        tasks = {task.id: task for task in plan.tasks}
        for survivor in survivors:
            verdict = certifier.certify(scratch, dict(survivor.texts), self._red_names)
            if self._without_flaky(verdict):
                verdict = certifier.certify(scratch, dict(survivor.texts), self._red_names)
            if verdict.state == "passed":
                self.verdict = verdict
                self._commit(scratch, tasks[survivor.task], survivor, _counted(verdict))
                return True
            self.refused = (
                f"candidates turned the red tests green, but the verdict was {verdict.state}: {verdict.reason}"
            )
        return False

    def _without_flaky(self, verdict: Verdict) -> bool:
        """Whether red tests that nobody named turned out to be flaky, and others are left that can be judged."""
        steady = tuple(test for test in self._red_names if test not in verdict.flaky)
        if self.request.tests or not steady or steady == self._red_names:
            return False
        for test in self._red_names:
            if test in verdict.flaky:
                line = f"{test} is flaky: it came out differently when run again, and was left out"
                self._left_out(line)
                self.emit(Noted(level="warning", text=line))
        self._red_names = steady
        return True

    def _in_steps(self, scratch: Scratch, search: searching.Search, certifier: certifying.Certifier) -> None:
        """Where no one edit was enough: edits that turn some of the red tests green, committed one by one."""
        assert self.plan is not None
        tasks = {task.id: task for task in self.plan.tasks}
        wanted, green = self._red_names, set[str]()
        self.emit(Noted(level="info", text=f"no one edit turns all {len(wanted)} red tests green; one by one"))
        for trial in searching.steps(search.partial):
            changed, gained = trial.candidate.texts, set(trial.passed) & set(wanted)
            if gained <= green or changed.keys() & self.tree.changed.keys():
                continue
            goal = tuple(test for test in wanted if test in green | gained)
            verdict = certifier.certify(scratch, {**self.tree.changed, **changed}, goal)
            if verdict.state == "passed":
                self.verdict = verdict
                self._commit(scratch, tasks[trial.candidate.task], trial.candidate, _counted(verdict))
                green |= gained
        flaky = self.verdict.flaky if self.verdict else ()
        self.still_red = tuple(test for test in wanted if test not in green and test not in flaky)
        for test in self.still_red if green else ():
            self._left_out(f"{test} still fails, as it did on base")

    def _all(
        self,
        scratch: Scratch,
        plan: Plan,
        search: searching.Search,
        workers: list[Worker],
        certifier: certifying.Certifier,
    ) -> bool:
        """Commit every task of the plan in dependency order, then ask the whole suite; mend what it names."""
        tasks: list[MicroTask] = list(searching.in_order(plan.tasks))
        for attempt in range(1, self.options.limits.attempts + 1):
            changed = []
            for task in tasks:
                changed.append(self._commit_task(scratch, search, task, self._worth_asking(workers, task, plan)))
                if plan.mode == "any" and changed[-1]:
                    break  # the rest are other places for the same change
            if not self.changes:
                return False
            if attempt > 1 and not any(changed):
                return True  # the verdict on this tree is known
            self.verdict = certifier.certify(scratch, self.tree.changed, self._red_names)
            if self.verdict.state != "failed" or attempt == self.options.limits.attempts:
                return True
            told = searching.failures(self.verdict)
            named = {task.id for task in searching.named(plan.tasks, told)} | self.unfinished.keys()
            tasks = [task.retried_after(told) for task in searching.in_order(plan.tasks) if task.id in named]
        return True

    def _worth_asking(self, workers: list[Worker], task: MicroTask, plan: Plan) -> list[Worker]:
        """The workers from the one that the task's complexity begins with; docs/models.md has the formula."""
        names = [worker.name for worker in workers]
        whole = routing.facts_of(plan)
        facts = replace(routing.facts_of(task, errors=task.attempt - 1), files=whole.files)
        first = routing.first_worker(names, routing.score(facts), threshold=self.options.routing_threshold)
        if first != names[0]:
            reason = f"complexity {routing.score(facts):.2f} of {self.options.routing_threshold:g}"
            self.emit(Escalated(task=task.id, worker=names[0], to=first, reason=reason))
        return workers[names.index(first) :]

    def _commit_task(
        self, scratch: Scratch, search: searching.Search, task: MicroTask, workers: list[Worker]
    ) -> bool:
        chosen, trial = search.best(searching.refreshed(task, self.tree.text(task.path)), workers)
        if chosen is None:
            if not any(candidate.task == task.id for _, candidate in self.changes):
                self.unfinished[task.id] = f"task {task.id} in {task.path}: {trial}"
            return False
        self._commit(scratch, task, chosen, trial)
        self.unfinished.pop(task.id, None)
        search.accept(chosen)
        return True

    def _commit(self, scratch: Scratch, task: MicroTask, candidate: Candidate, verdict: str) -> None:
        message = messages.commit_message(self.request, task, candidate, run=self.options.run, verdict=verdict)
        commit = scratch.commit(candidate.texts, message)
        self.changes.append((commit, candidate))
        self.tree.changed.update(candidate.texts)
        self.emit(
            Committed(
                task=task.id,
                branch=self.branch,
                oid=commit.oid,
                subject=messages.subject(candidate),
                diff=candidate.diff.text,
            )
        )
        self._save(self._report("nothing", "under way"))

    def _open(self) -> AbstractContextManager[Workspace]:
        """A sandbox holding the base tree."""
        return self.ports.sandbox.open(
            lambda directory: self.ports.repository.checkout(self.request.base, directory),
            self.options.sandbox_limits,
        )

    # -- handing over ------------------------------------------------------------------------------------

    def _publish(self, error: GitagentError | None) -> tuple[State, str]:
        if not self.changes:
            if error is not None:
                raise error
            why = self._not_done()[-1] if self._not_done() else self.refused
            return "nothing", f"{why}; {self.budget.tried} candidates tried"
        proven = self.verdict is not None and self.verdict.state == "passed" and not self.still_red
        reason = (
            self.verdict.reason if self.verdict else "; ".join(self._not_done()[-1:]) or "no tests were run on it"
        )
        if self.still_red:
            count = len(self.still_red)
            reason += f"; {count} of the {len(self._red_names)} red tests still fail{'s' if count == 1 else ''}"
        if self.options.dry_run:
            return ("proven" if proven else "unproven"), reason
        body = messages.pull_body(
            run=self.options.run,
            request=self.request,
            plan=self.plan,
            changes=self.changes,
            verdict=self.verdict,
            ledger=self.budget.ledger,
            limits=self.options.limits,
            seconds=self.budget.seconds,
            tried=self.budget.tried,
            not_done=self._not_done(),
        )
        tip = self.changes[-1][0].oid
        self.pull = self.ports.forge.publish(
            PullRequest(
                title=messages.pull_title(self.request, proven=proven),
                body=body,
                branch=self.branch,
                base_branch=self.options.base_branch,
                base=self.request.base,
                tip=tip,
                key=self.request.key,
            )
        )
        self.emit(
            PullRequestReady(
                forge=self.ports.forge.name, number=self.pull.number, url=self.pull.url, title=self.pull.title
            )
        )
        return ("proven" if proven else "unproven"), reason

    def _report(self, state: State, reason: str) -> Report:
        return Report(
            run=self.options.run,
            state=state,
            request=self.request,
            reason=reason,
            plan=self.plan,
            commits=tuple(commit for commit, _ in self.changes),
            verdict=self.verdict,
            pull=self.pull,
            ledger=self.budget.ledger,
            seconds=round(self.budget.seconds, 3),
            tried=self.budget.tried,
        )


def _counted(verdict: Verdict) -> str:
    return f"{verdict.state} ({len(verdict.fail_to_pass)} red to green, {len(verdict.pass_to_pass)} still green)"
