"""From what was found to commits: plans, tasks, the workers asked about them, and the answers the tests accept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gitagent import searching, trimming
from gitagent.certifying import Certifier
from gitagent.choosing import Chooser
from gitagent.core import diffs, instructions, messages, microtasks, turns
from gitagent.core.microtasks import outlines
from gitagent.core.texts import lines_of
from gitagent.errors import DiffError, GitagentError, ModelDownError, ModelError, RequestError
from gitagent.events import Committed, Escalated, Noted, Planned, ReplyRefused, StepStarted, TaskStarted
from gitagent.guarding import Gate
from gitagent.ports import Planner, Ports, Scratch, Worker
from gitagent.progress import Options, Progress
from gitagent.records import Candidate, Findings, MicroTask, Note, Plan, Request, Verdict
from gitagent.tree import Tree

# So many tasks are looked at at once, and as many answers may be paid for beyond a limit that is reached meanwhile.
MOST_AHEAD = 8
# So many of a new file's definitions are told to whoever builds on it.
MOST_DEFINED = 8


class Solver:
    """Asks planners and workers, commits what holds on the scratch branch, and notes it in the run's progress."""

    def __init__(
        self,
        *,
        request: Request,
        ports: Ports,
        options: Options,
        progress: Progress,
        budget: searching.Budget,
        tree: Tree,
        scratch: Scratch,
        search: searching.Search,
        certifier: Certifier,
        gate: Gate,
        told: Callable[[MicroTask], MicroTask] = lambda task: task,
    ) -> None:
        self._told = told
        self._firsts: dict[str, str] = {}  # the worker a task begins with, by task, where that was settled before
        self._request, self._ports, self._options, self._progress = request, ports, options, progress
        self._budget, self._tree, self._scratch = budget, tree, scratch
        self._search, self._certifier, self._gate = search, certifier, gate
        self._emit = ports.stream
        self._chooser = Chooser(options, ports.stream, base=request.base, index=ports.index)

    def solve(self, findings: Findings) -> GitagentError | None:
        """Cheapest workers first, up only when the tests say so; the error that stopped a model, if any."""
        templates = [worker for worker in self._ports.workers if worker.name == "templates"]
        models = [worker for worker in self._ports.workers if worker.name != "templates"]
        if not models and findings.red and not findings.suspects:
            test = findings.red[0]
            if self._certifier.command.runner not in ("pytest", "unittest", "custom"):
                raise RequestError(
                    f"{test.id} fails on base {self._request.base[:12]}, and repair patterns know Python only. "
                    "Nothing was committed.",
                    hint="gitagent fix --api … or gitagent models list: a model can work on any language",
                )
            said = test.message.rstrip().rpartition("\n")[2].removeprefix("E ") or test.outcome
            why = " ".join(said.split())[:200]
            raise RequestError(
                f"{test.id} fails on base {self._request.base[:12]} ({why}), but no line of the project is under "
                "suspicion. Nothing was committed.",
                hint="gitagent fix --python VENV if a package is missing, "
                "else name the file in the request, or use --api",
            )
        if not models and not findings.red:
            raise RequestError(
                f"no test fails on base {self._request.base[:12]}, so nothing shows what is wrong without a model. "
                "Nothing was committed.",
                hint="gitagent fix --test NODEID names a failing test; --api or a local model can work from words",
            )
        localizer, chats = self._ports.planners[0], self._ports.planners[1:]
        stopped: GitagentError | None = None
        plan: Plan | None = None
        others: Plan | None = None
        if self._options.planned:
            plan, chats = self._planned(chats[0], findings), ()
            if plan.mode == "all" or not findings.red:
                return self._whole(self._approved(plan), models)
        elif findings.red and findings.suspects:
            try:
                plan = self._planned(localizer, findings)
            except RequestError as error:
                if not chats:
                    raise
                self._emit(Noted(level="info", text=str(error)))
        if plan is not None:
            self._approved(plan)
            alternatives = plan.tasks[: searching.MODEL_TASKS]
            limit = self._options.template_candidates if models else self._options.limits.candidates
            for worker in templates:
                self._chooser.free(worker.name, alternatives, plan)
                if self._any(plan, self._search.templates(worker, plan, limit)):
                    return None
                self._budget.check()
            asked = models if not chats or turns.is_pointed(findings) else models[:-1]
            names = [worker.name for worker in models]
            begin = self._chooser.alternatives(names, alternatives, plan) if asked else ()
            asked = [worker for worker in asked if worker.name in begin]
            for place, worker in enumerate(asked):
                is_last, places = worker is models[-1], plan
                if worker.name == "api" and chats:
                    # A plan costs what a question or two do: it is asked for before every other place is tried.
                    is_last, places = False, replace(plan, tasks=alternatives[:1])
                    others = replace(plan, tasks=alternatives[1:])
                try:
                    if self._any(places, self._search.model(worker, places, is_last=is_last)):
                        return None
                except ModelError as error:
                    stopped = error
                    if worker is not asked[-1]:
                        self._emit(Noted(level="warning", text=f"{worker.name}: {error}"))
                else:
                    stopped = None
                for stronger in asked[place + 1 : place + 2]:
                    reason = str(stopped) if stopped else "no answer of it turned the red tests green"
                    task = plan.tasks[0].id
                    self._emit(Escalated(task=task, worker=worker.name, to=stronger.name, reason=reason))
        if stopped is not None:
            return stopped  # the planner would ask the same endpoint
        for planner in chats or ([localizer] if models and not findings.red else []):
            try:
                if self._all(self._approved(self._planned(planner, findings)), models):
                    return None
            except ModelError as error:
                stopped = error
                self._progress.leave_out(f"{planner.name}: {error}")
        if stopped is None or others is None or self._progress.changes or isinstance(stopped, ModelDownError):
            return stopped
        try:
            return None if self._any(others, self._search.model(models[-1], others)) else stopped
        except ModelError as error:
            return error

    def _whole(self, plan: Plan, models: list[Worker]) -> ModelError | None:
        """Carry out a plan that was written down; the error that stopped a model, if any."""
        try:
            self._all(plan, models)
        except ModelError as error:
            self._progress.leave_out(f"{plan.planner}: {error}")
            return error
        return None

    def _planned(self, planner: Planner, findings: Findings) -> Plan:
        whole = self._directives("", instructions.PLANNER_TOKENS)
        plan, _ = planner.plan(self._request, replace(findings, directives=whole), self._tree.shown)
        paths = dict.fromkeys(path for task in plan.tasks for path in (task.path, task.to) if path)
        refused = {path for path in paths if self.leaves_alone(path)} | self._blocked(plan)
        kept = tuple(task for task in plan.tasks if not {task.path, task.to} & refused)
        needed = {need for task in kept for need in task.depends_on}
        for task in plan.tasks:
            if task.id in needed and task not in kept:
                self._progress.unfinished[task.id] = f"task {task.id} in {task.path}: it was left alone"
        if not kept:
            raise RequestError(
                f"the plan by {planner.name} changes nothing that may be changed. Nothing was committed.",
                hint="gitagent fix --test NODEID",
            )
        directed = (
            replace(task, notes=(*task.notes, *self._directives(task.path, instructions.WORKER_TOKENS)))
            for task in kept
        )
        self._progress.plan = replace(plan, tasks=tuple(directed))
        self._emit(Planned(plan=self._progress.plan))
        self._progress.saved()
        return self._progress.plan

    def _blocked(self, plan: Plan) -> set[str]:
        """The paths of new files that something is in the way of; the reason is told."""
        leaving = {task.path for task in plan.tasks if task.action in ("delete", "rename")}
        blocked = set[str]()
        for task in plan.tasks:
            made = task.to or (task.path if task.action == "add" else "")
            if made and (reason := self._tree.blocks(made, leaving)):
                blocked.add(made)
                line = f"{made} {reason}, so nothing was put there"
                self._progress.leave_out(line)
                self._emit(Noted(level="warning", text=line))
        return blocked

    def _directives(self, path: str, tokens: int) -> tuple[Note, ...]:
        """What the repository's instructions say for a file, and the project's lasting facts."""
        said = instructions.notes(path, self._tree.shown, budget_tokens=tokens, count=microtasks.estimate)
        return (*said, *self._ports.remembered())

    def _approved(self, plan: Plan) -> Plan:
        """The plan again. Raises RequestError if somebody is to be asked about it and says no."""
        if self._ports.approves is not None and not self._ports.approves(plan):
            what = f"--issue {self._request.reference}" if self._request.source == "issue" else '"…"'
            written = "edit the plan's file, then the same command again"
            anew = f"write it down and edit it: gitagent plan {what} --out plan.toml; gitagent run plan.toml"
            raise RequestError(
                "the plan was not approved. Nothing was committed.",
                hint=written if self._options.planned else anew,
            )
        return plan

    def leaves_alone(self, path: str) -> bool:
        """Whether no task may be about this path; the reason is told once."""
        named = {name.split("::")[0] for name in self._progress.red if self._request.tests}
        reason = self._tree.refusal(path, named)
        line = f"{path} {reason} and was left alone"
        if reason and self._progress.leave_out(line):
            self._emit(Noted(level="warning", text=line))
        return bool(reason)

    def _any(self, plan: Plan, survivors: Iterable[Candidate]) -> bool:
        """Commit the first survivor that the whole suite accepts too."""
        tasks = {task.id: task for task in plan.tasks}
        for survivor in survivors:
            for answer in self._smallest_first(survivor):
                verdict = self._certifier.certify(self._scratch, dict(answer.texts), self._progress.red)
                if self._without_flaky(verdict):
                    verdict = self._certifier.certify(self._scratch, dict(answer.texts), self._progress.red)
                if verdict.state == "passed":
                    self._progress.verdict = verdict
                    self._commit(tasks[answer.task], answer, _counted(verdict))
                    return True
                self._progress.refused = (
                    f"candidates turned the red tests green, but the verdict was {verdict.state}: {verdict.reason}"
                )
        return False

    def _smallest_first(self, survivor: Candidate) -> Iterator[Candidate]:
        """What the red tests need of a model's answer, in the project's layout; then the answer as it came.

        Templates are as small as they can be.
        """
        if self._options.minimal and survivor.worker != "templates":
            self._emit(StepStarted(step="minimize", detail=survivor.pattern))
            tree, first_passing = self._tree.text, self._search.first_passing
            small = trimming.trimmed(survivor, read=tree, first_passing=first_passing, budget=self._budget)
            tidy = trimming.formatted(small, read=tree, workspace=self._search.workspace)
            if tidy is not small and first_passing([tidy]) is not None:
                yield tidy
            if small is not survivor:
                yield small
        yield survivor

    def _without_flaky(self, verdict: Verdict) -> bool:
        """Whether red tests that nobody named turned out to be flaky, and others are left that can be judged."""
        steady = tuple(test for test in self._progress.red if test not in verdict.flaky)
        if self._request.tests or not steady or steady == self._progress.red:
            return False
        for test in self._progress.red:
            if test in verdict.flaky:
                line = f"{test} is flaky: it came out differently when run again, and was left out"
                self._progress.leave_out(line)
                self._emit(Noted(level="warning", text=line))
        self._progress.red = steady
        return True

    def in_steps(self) -> None:
        """Where no one edit was enough: edits that turn some of the red tests green, committed one by one."""
        assert self._progress.plan is not None
        tasks = {task.id: task for task in self._progress.plan.tasks}
        wanted, green = self._progress.red, set[str]()
        self._emit(Noted(level="info", text=f"no one edit turns all {len(wanted)} red tests green; one by one"))
        for trial in searching.steps(self._search.partial):
            changed = trial.candidate.texts
            if set(trial.passed) & set(wanted) <= green or changed.keys() & self._tree.changed.keys():
                continue
            gained = set(self._search.whole(trial).passed) & set(wanted)
            goal = tuple(test for test in wanted if test in green | gained)
            if self._search.refusal(trial.candidate):
                continue
            verdict = self._certifier.certify(self._scratch, {**self._tree.changed, **changed}, goal)
            if verdict.state == "passed":
                self._progress.verdict = verdict
                self._commit(tasks[trial.candidate.task], trial.candidate, _counted(verdict))
                green |= gained
        flaky = self._progress.verdict.flaky if self._progress.verdict else ()
        self._progress.still_red = tuple(test for test in wanted if test not in green and test not in flaky)
        for test in self._progress.still_red if green else ():
            self._progress.leave_out(f"{test} still fails, as it did on base")

    def _all(self, plan: Plan, workers: list[Worker]) -> bool:
        """Commit every task of the plan in dependency order, then ask the whole suite; mend what it names."""
        self._search.forget()
        tasks: list[MicroTask] = list(turns.in_order(plan.tasks))
        known = {task.id: task for task in tasks}
        for attempt in range(1, self._options.limits.attempts + 1):
            changed = self._in_turn(tasks, workers, plan)
            if not self._progress.changes:
                return False
            if attempt > 1 and not any(changed):
                return True  # the verdict on this tree is known
            self._progress.verdict = self._certifier.certify(self._scratch, self._tree.changed, self._progress.red)
            if self._progress.verdict.state != "failed" or attempt == self._options.limits.attempts:
                return True
            told = turns.failures(self._progress.verdict)
            named = {task.id for task in turns.named(plan.tasks, told)} | self._progress.unfinished.keys()
            self._chooser.blame(named, [answer for _, answer in self._progress.changes])
            known |= {name: replace(known[name].retried_after(told), attempt=attempt + 1) for name in named}
            tasks = [known[task.id] for task in turns.in_order(plan.tasks) if task.id in named]
        return True

    def _in_turn(self, tasks: list[MicroTask], workers: list[Worker], plan: Plan) -> list[bool]:
        """Whether each of these tasks led to a commit; one that does not stops only those that depend on it.

        Raises ModelError, after the tasks that need no model and those asked elsewhere, if nobody could be asked.
        """
        changed: list[bool] = []
        self._firsts.clear()
        stopped: ModelError | None = None
        for place, task in enumerate(tasks):
            if task.id not in self._firsts and plan.mode == "all":
                self._ask_ahead(tasks[place:], workers, plan)
            if waits := [need for need in task.depends_on if need in self._progress.unfinished]:
                self._progress.unfinished[task.id] = (
                    f"task {task.id} in {task.path}: it depends on {waits[0]}, which came to nothing"
                )
                continue
            try:
                changed.append(self._commit_task(task, workers, plan))
            except DiffError as error:  # what was to make room for it is still there, say
                self._progress.unfinished[task.id] = f"task {task.id} in {task.path}: {error}"
            except ModelDownError:
                raise
            except ModelError as error:
                if stopped is not None:
                    raise
                stopped = error
                self._progress.unfinished[task.id] = f"task {task.id} in {task.path}: {error}"
            if plan.mode == "any" and changed and changed[-1]:
                break  # the rest are other places for the same change
        if stopped is not None:
            raise stopped
        return changed

    def _ask_ahead(self, tasks: Sequence[MicroTask], workers: list[Worker], plan: Plan) -> None:
        """Ask about the next tasks side by side: those that none before them has to be done for, or touches."""
        paths, ids, asked = set[str](), set[str](), dict[str, list[tuple[MicroTask, str]]]()
        names = [worker.name for worker in workers]
        for task in tasks:
            if len(self._firsts) == MOST_AHEAD:
                break
            waits = {*task.depends_on} & (ids | self._progress.unfinished.keys()) or {task.path, task.to} & paths
            ids.add(task.id)
            paths |= {task.path, task.to} - {""}
            if task.action in ("delete", "rename") or waits or task.id in self._firsts:
                continue
            first = self._firsts[task.id] = self._chooser.first(names, task, plan)
            text = self._tree.text(task.path)
            now = self._told(self._informed(turns.refreshed(task, text)))
            asked.setdefault(first, []).append((now, text or ""))
        self._budget.check()
        for name, questions in asked.items():
            if name in self._ports.ahead:
                self._ports.ahead[name](questions)

    def _commit_task(self, task: MicroTask, workers: list[Worker], plan: Plan) -> bool:
        if task.action in ("delete", "rename"):
            return self._take_away(task)
        names = [worker.name for worker in workers]
        first = self._firsts.pop(task.id, "") or self._chooser.first(names, task, plan)
        task_now = self._informed(turns.refreshed(task, self._tree.text(task.path)))
        chosen, trial = self._search.best(task_now, workers, first)
        if chosen is None:
            if not any(candidate.task == task.id for _, candidate in self._progress.changes):
                self._progress.unfinished[task.id] = f"task {task.id} in {task.path}: {trial}"
            return False
        self._commit(task, chosen, trial)
        self._progress.unfinished.pop(task.id, None)
        self._search.accept(chosen)
        return True

    def _informed(self, task: MicroTask) -> MicroTask:
        """The task with what the tasks it depends on have done; of a new file, with what that defines."""
        done = {answer.task: answer for _, answer in self._progress.changes if answer.task in task.depends_on}
        notes = []
        for answer in done.values():
            said = [f"{' and '.join(answer.texts)}: {answer.pattern}"]
            for path, text in answer.texts.items():
                if text is not None and self._tree.on_base(path) is None and answer.worker != "plan":
                    spans = outlines.outline(path, text)[:MOST_DEFINED]
                    said += [outlines.header(lines_of(text), span) for span in spans]
            notes.append(Note(title="Done before this", text="\n".join(said), priority=3))
        return replace(task, state=(*notes, *task.state))

    def _take_away(self, task: MicroTask) -> bool:
        """Commit a file's end, or its new path: nobody need be asked what that looks like."""
        text = self._tree.text(task.path)
        if text is None:
            return False
        if task.to and self._tree.text(task.to) is not None:
            self._progress.unfinished[task.id] = f"task {task.id} in {task.path}: {task.to} exists"
            return False
        entry = self._tree.entries.get(task.path)
        texts: dict[str, str | None] = {task.path: None}
        if task.to:
            texts[task.to] = text
        modes = {task.path: (entry.mode, None), task.to: (None, entry.mode)} if entry else {}
        candidate = Candidate(
            task=task.id,
            worker="plan",
            diff=diffs.between(
                {path: (text if path == task.path else None, new) for path, new in texts.items()}, modes=modes
            ),
            texts=texts,
            pattern=f"{task.action} {task.path}{f' to {task.to}' if task.to else ''}",
        )
        self._emit(TaskStarted(task=task.id, path=task.path, worker="plan", attempt=task.attempt))
        if refusal := self._gate.refusal(candidate):
            self._emit(ReplyRefused(task=task.id, worker="plan", reason=refusal))
            self._progress.unfinished[task.id] = f"task {task.id} in {task.path}: {refusal}"
            return False
        self._commit(task, candidate, "as planned")
        self._progress.unfinished.pop(task.id, None)
        self._search.accept(candidate)
        return True

    def _commit(self, task: MicroTask, candidate: Candidate, verdict: str) -> None:
        """Commit an answer; what the user allowed it to change of the tests becomes a commit of its own."""
        for part, tampers in self._gate.parts(candidate):
            message = messages.commit_message(
                self._request,
                task,
                part,
                run=self._options.run,
                verdict=verdict,
                tampers=[str(finding) for finding in tampers],
            )
            entry = self._tree.entries.get(task.path) if task.to in part.texts else None
            modes = {task.to: entry.mode} if entry is not None else None
            commit = self._scratch.commit(part.texts, message, modes=modes)
            self._progress.changes.append((commit, part))
            self._tree.changed.update(part.texts)
            self._emit(
                Committed(
                    task=task.id,
                    branch=self._scratch.branch,
                    oid=commit.oid,
                    subject=message.partition("\n")[0],
                    diff=part.diff.text,
                )
            )
        self._progress.saved()


def _counted(verdict: Verdict) -> str:
    return f"{verdict.state} ({len(verdict.fail_to_pass)} red to green, {len(verdict.pass_to_pass)} still green)"
