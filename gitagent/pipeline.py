"""From a request to a proven pull request: the middle line of docs/architecture.md.

Knows core and ports alone. Whatever a stranger wrote (request, files, replies, test output) is data here.
"""

from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, replace
from typing import Literal

from gitagent import (
    attesting,
    certifying,
    continuing,
    finding,
    guarding,
    recording,
    saving,
    searching,
    solving,
    testfirst,
)
from gitagent.core import intake, ledger, messages, testing
from gitagent.errors import GitagentError, RepositoryError, RequestError
from gitagent.events import (
    Committed,
    Located,
    Noted,
    PullRequestReady,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
)
from gitagent.ports import Ports, Scratch, Workspace
from gitagent.progress import Options, Progress
from gitagent.records import Commit, PullRequest, Report, Request, TestCommand, Verdict
from gitagent.steering import Steering
from gitagent.tree import Tree
from gitagent.workspaces import Workspaces

__all__ = ["Options", "pursue"]

State = Literal["proven", "unproven", "nothing", "interrupted"]


def pursue(request: Request, ports: Ports, options: Options) -> Report:
    """Work on a request until a pull request is proven or a limit is reached.

    The user's HEAD, index and working copy are not touched. Raises GitagentError when the run cannot go on;
    what was committed before stays on the scratch branch and is named in the error's run.
    """
    return _Run(request, ports, options).pursue()


class _Run:
    def __init__(self, request: Request, ports: Ports, options: Options) -> None:
        self.request, self.ports, self.options = request, ports, options
        self.asked = request
        # A dry run must not meet, nor move, the branch of an earlier run of the same request.
        self.branch = (options.branch or intake.branch_of(request)) + (
            f"-dry-run-{options.run}" if options.dry_run else ""
        )
        self.again, self.earlier = options.again, self._earlier() if options.carry_on else ""
        if self.earlier and ports.repository.is_ancestor(self.earlier, request.base):
            self.again, self.earlier = True, ""  # it was merged: what is left to do begins from the base
        if self.earlier:
            self.request = request = replace(request, base=self.earlier)
        before_seconds = ports.steps.seconds if ports.steps else 0.0
        self.budget = searching.Budget(options.limits, before_seconds=before_seconds, stop_asked=ports.stop_asked)
        recorder = recording.Recorder()
        self.ports = ports = replace(
            ports, workers=tuple(recording.RecordedWorker(worker, recorder) for worker in ports.workers)
        )
        self.journal = saving.Journal(ports.runs, options.run, lambda: recorder.files(options.settings))
        self.progress = Progress(saved=lambda: self._save(self._report("nothing", "under way")))
        self.workspaces = Workspaces(self._open)
        self.steering = Steering(ports.steered, ports.stream, ports.steps)
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
        replaced = self._tip() if self.again else self.earlier
        created = False
        try:
            if self.options.carry_on and not self.options.resumed and not self.options.dry_run:
                continuing.refuse_closed(ports.forge, request.key)
            scratch = self._scratch()
            created = True
            report = replace(self._report(*self._work(scratch)), ended=not ports.stop_asked())
        except KeyboardInterrupt:
            report = self._report("interrupted", "stopped by the user")
        except GitagentError as error:
            self._fail(error)
            raise
        finally:
            unfinished = not self.progress.changes and self.progress.pull is None
            if created and (unfinished or self.options.dry_run):
                self._drop(replaced)
        self.emit(
            RunFinished(
                run=self.options.run,
                state=report.state,
                reason=report.reason,
                branch=self.branch if report.commits and not self.options.dry_run else "",
                tried=report.tried,
                ledger=report.ledger,
                took_seconds=report.seconds,
            )
        )
        self._save(report)
        return report

    def _scratch(self) -> Scratch:
        """The branch to work on: one that is built upon, one of this run when it was cut short, or a new one."""
        options, branches = self.options, self.ports.branches
        if self.earlier or options.resumed:
            return branches.resume(self.branch, self.request.base, options.run, again=self.again)
        return branches.create(self.branch, self.request.base, again=self.again)

    def _earlier(self) -> str:
        """The branch's tip as it was when the run began, however often it was taken up again since."""
        steps = self.ports.steps
        known = steps.known("earlier", self.branch) if steps else None
        if known is None:
            known = self._tip()
            if steps:
                steps.keep("earlier", self.branch, answer=known)
        return str(known)

    def _tip(self) -> str:
        """The tip of the request's branch, "" if there is none yet."""
        with suppress(RepositoryError):
            return self.ports.repository.resolve(f"refs/heads/{self.branch}")
        return ""

    def _drop(self, replaced: str) -> None:
        """Take the scratch branch away again, back to where it was before the run."""
        tip = self.progress.changes[-1][0].oid if self.progress.changes else self.request.base
        if tip == replaced:
            return
        try:
            self.ports.branches.drop(self.branch, tip)
            if replaced and not self._tip():
                self.ports.branches.create(self.branch, replaced)
        except RepositoryError as error:
            self.emit(Noted(level="warning", text=f"the scratch branch is left behind: {error}"))

    def _fail(self, error: GitagentError) -> None:
        if self.progress.changes and not self.options.dry_run:
            kept = f"{len(self.progress.changes)} commits are kept on {self.branch}"
            self.emit(Noted(level="warning", text=kept.replace("1 commits are", "1 commit is")))
        self.emit(RunFailed(run=self.options.run, error=str(error), hint=error.hint, exit_code=error.exit_code))
        self._save(self._report("unproven" if self.progress.changes else "nothing", str(error)))

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
            if self.earlier and (settled := self._go_on(scratch, command)):
                return "proven", settled
            with self.workspaces.fresh() as workspace:
                error = self._within(workspace, scratch, command)
        except searching.OutOfBudget as limit:
            self.progress.leave_out(str(limit))
        return self._hand_over(error)

    def _go_on(self, scratch: Scratch, command: TestCommand) -> str:
        """Take up the branch of an earlier run, with the base as it is now; why nothing is left to do, or ""."""
        request, ports, branch = self.asked, self.ports, self.branch
        same = continuing.is_same_request(ports.repository, self._commits(self.earlier), request)
        if same and continuing.proof_holds(ports, request.base, self.earlier):
            pull = continuing.open_pull(ports.forge, branch, self.earlier)
            if pull is not None:
                tree = ports.repository.tree(self.earlier)
                self.progress.pull = pull
                self.progress.settled = Commit(branch=branch, oid=self.earlier, tree=tree)
                return f"{branch} is proven already for base {request.base[:12]}, and nothing was run"
        self.workspaces.renew()
        self.emit(StepStarted(step="go on", detail=f"{branch} at {self.earlier[:12]}"))
        merged = continuing.bring_base(ports, scratch, request, self.earlier, run=self.options.run)
        tip = merged or Commit(branch=branch, oid=self.earlier, tree=ports.repository.tree(self.earlier))
        self.request = replace(request, base=tip.oid)
        self.tree = Tree(ports.repository, tip.oid)
        self.progress.earlier = tuple(
            continuing.earlier_changes(ports.repository, request.base, tip, self._commits(tip.oid))
        )
        if not same:
            return ""
        verdict = self._held_against(command, tip)
        if verdict is None or verdict.state != "passed":
            return ""
        self.progress.verdict = verdict
        self.progress.settled = tip
        self._publish()
        return verdict.reason

    def _held_against(self, command: TestCommand, tip: Commit) -> Verdict | None:
        """What the tests say of the branch as it is against the base as it is; None if base shows nothing wrong."""
        bases = Workspaces(lambda: self._open(self.asked.base))
        certifier = certifying.Certifier(
            self.ports,
            self.asked,
            command,
            bases,
            self.budget,
            self.options.sandbox_limits,
            run=self.options.run,
        )
        try:
            with bases.fresh() as fresh:
                certifier.suite = certifier.tests(fresh, "base")
            try:
                red = tuple(test.id for test in finding.red_tests(self.asked, certifier.suite))
            except RequestError:
                return None
            if not red:
                return None
            with self.workspaces.fresh() as there:
                return certifier.certify_commit(there, tip.tree, red)
        finally:
            bases.close()

    def _commits(self, tip: str) -> tuple[str, ...]:
        """The branch's commits above the base that was asked about, newest first."""
        return tuple(self.ports.repository.between(self.asked.base, tip))

    def _within(self, workspace: Workspace, scratch: Scratch, command: TestCommand) -> GitagentError | None:
        """Look, then solve, in one warm workspace; the error that stopped a model, if any."""
        certifier = certifying.Certifier(
            self.ports,
            self.request,
            command,
            self.workspaces,
            self.budget,
            self.options.sandbox_limits,
            run=self.options.run,
        )
        base_run = certifier.tests(workspace, "base", self.request.tests)
        if self.request.tests and base_run.state == "inconclusive" and base_run.exit_code is not None:
            # A name that is no path, or no test at all: the whole suite knows which are meant, or come near.
            base_run = certifier.suite = certifier.tests(workspace, "base")
        if not self.request.tests:
            certifier.suite = base_run
        red = finding.red_tests(self.request, base_run)
        if not red and self._test_first(scratch, command):
            with self.workspaces.fresh() as renewed:
                return self._within(renewed, scratch, command)
        self.progress.red = tuple(result.id for result in red)
        self.workspaces.prepare()  # for the certificate; there is time while tests run and models think
        self.emit(StepStarted(step="locate", detail=f"{len(red)} red tests"))
        gate = guarding.Gate(self.tree, allowed=self.options.allow_test_changes)
        gate.red = self.progress.red
        search = searching.Search(
            workspace=workspace,
            command=command,
            red=red,
            read=self.tree.text,
            budget=self.budget,
            stream=self.ports.stream,
            wanted=self.options.candidates,
            timeout_seconds=self.options.sandbox_limits.timeout_seconds,
            refuses=gate.refusal,
            steps=self.ports.steps,
            passing_seconds=max((one.seconds for one in base_run.results if one.outcome == "passed"), default=0.0),
            patience=self.options.routing_patience,
            corrected=self.steering.corrected,
        )
        solver = solving.Solver(
            request=self.request,
            ports=self.ports,
            options=self.options,
            progress=self.progress,
            budget=self.budget,
            tree=self.tree,
            scratch=scratch,
            search=search,
            certifier=certifier,
            gate=gate,
            told=self.steering.told,
        )
        findings = finding.findings(
            self.request,
            self.tree,
            workspace,
            certifier,
            base_run,
            red,
            solver.leaves_alone,
            self.ports.index,
            self.ports.steps,
        )
        search.coverage = findings.coverage
        self.emit(Located(suspects=findings.suspects[:10]))
        stopped: GitagentError | None = None
        try:
            stopped = solver.solve(findings)
        except searching.OutOfBudget as limit:
            self.progress.leave_out(str(limit))
        if not self.progress.changes and search.partial:
            solver.in_steps()
        return stopped

    def _test_first(self, scratch: Scratch, command: TestCommand) -> bool:
        """Commit a test that fails because of what is asked, and go on from there; whether there is one."""
        wanted = self.options.test_first and not self.request.tests and not self.progress.first
        if not wanted or not testfirst.worth_it(self.ports.workers, self.request.text):
            return False
        proposer = testfirst.TestFirst(
            request=self.request,
            ports=self.ports,
            tree=self.tree,
            command=command,
            workspaces=self.workspaces,
            budget=self.budget,
            limits=self.options.sandbox_limits,
        )
        found = proposer.found()
        if found is None:
            return False
        task, candidate = found
        verdict = "fails on base, as asked"
        message = messages.commit_message(self.request, task, candidate, run=self.options.run, verdict=verdict)
        commit = scratch.commit(candidate.texts, message)
        self.progress.first = ((commit, candidate),)
        subject = message.partition("\n")[0]
        self.emit(
            Committed(task=task.id, branch=self.branch, oid=commit.oid, subject=subject, diff=candidate.diff.text)
        )
        self.request = replace(self.request, base=commit.oid)
        self.tree = Tree(self.ports.repository, commit.oid)
        self.workspaces.renew()
        return True

    def _open(self, commit: str = "") -> AbstractContextManager[Workspace]:
        """A sandbox holding a commit's tree, that of the base if none is named."""
        return self.ports.sandbox.open(
            lambda directory: self.ports.repository.checkout(commit or self.request.base, directory),
            self.options.sandbox_limits,
        )

    # -- handing over ------------------------------------------------------------------------------------

    def _hand_over(self, error: GitagentError | None) -> tuple[State, str]:
        """Publish what was committed; the run's state and why, in words."""
        done = self.progress
        why = done.not_done()[-1] if done.not_done() else ""
        for text in self.steering.too_late():
            line = f"a correction came too late: {text}"
            done.leave_out(line)
            self.emit(Noted(level="warning", text=line))
        if not done.changes:
            if error is not None:
                raise error
            return "nothing", f"{why or done.refused}; {self.budget.tried} candidates tried"
        reason = done.verdict.reason if done.verdict else why or "no tests were run on it"
        if done.still_red:
            count = len(done.still_red)
            reason += f"; {count} of the {len(done.red)} red tests still fail{'s' if count == 1 else ''}"
        if done.verdict and done.plan and done.unfinished:
            reason += f"; {len(done.unfinished)} of the {len(done.plan.tasks)} tasks came to nothing"
        if not self.options.dry_run:
            self._publish()
        return ("proven" if done.is_proven else "unproven"), reason

    def _publish(self) -> None:
        done = self.progress
        tip = done.settled or done.changes[-1][0]
        base = self.asked.base if done.settled else self.request.base
        body = messages.pull_body(
            run=self.options.run,
            request=self.request,
            plan=done.plan,
            changes=[*done.earlier, *done.first, *done.changes],
            verdict=done.verdict,
            ledger=self.budget.ledger,
            limits=self.options.limits,
            seconds=self.budget.seconds,
            tried=self.budget.tried,
            not_done=done.not_done(),
            share=ledger.share_in_words(self.budget.ledger) if self.budget.ledger else "",
            certificate=attesting.attest(self.ports, done.verdict, base=base, tip=tip),
        )
        wanted = PullRequest(
            title=messages.pull_title(self.request, proven=done.is_proven),
            body=body,
            branch=self.branch,
            base_branch=self.options.base_branch,
            base=self.asked.base,
            tip=tip.oid,
            key=self.request.key,
        )
        steps = self.ports.steps
        known = steps.known("pull", self.ports.forge.name, wanted.branch, tip.oid) if steps else None
        if known is None:
            # A forge looks for the open pull request of the branch first: one whose answer was lost is found again.
            pull = self.ports.forge.publish(wanted)
            if steps:
                steps.keep("pull", self.ports.forge.name, wanted.branch, tip.oid, answer=asdict(pull))
        else:
            pull = PullRequest(**known)
        done.pull = pull
        self.emit(
            PullRequestReady(forge=self.ports.forge.name, number=pull.number, url=pull.url, title=pull.title)
        )

    def _report(self, state: State, reason: str) -> Report:
        settled = (self.progress.settled,) if self.progress.settled else ()
        return Report(
            run=self.options.run,
            state=state,
            request=self.asked,
            reason=reason,
            plan=self.progress.plan,
            commits=settled or tuple(commit for commit, _ in (*self.progress.first, *self.progress.changes)),
            verdict=self.progress.verdict,
            pull=self.progress.pull,
            ledger=self.budget.ledger,
            seconds=round(self.budget.seconds, 3),
            tried=self.budget.tried,
        )
