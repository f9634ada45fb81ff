"""Other programs for the same job, each installed by its name; what fails to install is told and left out."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.repositories import Bug
from bench.runs import Contender


def installed(folder: Path) -> list[Contender]:
    """Those that could be installed below the folder; a line is printed for each that could not."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for make in (_aider, _mini_swe_agent, _codex):
        name = make.__name__.strip("_").replace("_", "-")
        print(f"peers: installing {name} ...", flush=True)
        try:
            found.append(make(folder / name))
        except (OSError, subprocess.CalledProcessError) as error:
            output = getattr(error, "stderr", None) or b""
            last = output.decode(errors="replace").strip().rpartition("\n")[2] or str(error)
            print(f"peers: {name} is left out, it could not be installed: {last[:300]}", flush=True)
    return found


def _from_python(folder: Path, script: str, *packages: str) -> str:
    path = folder / "bin" / script
    if not path.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return str(path)


def _aider(folder: Path) -> Contender:
    script = _from_python(folder, "aider", "aider-chat")

    def command(url: str, repository: Path, bug: Bug) -> Sequence[str]:
        quiet = ["--no-check-update", "--no-show-model-warnings", "--no-show-release-notes", "--no-gitignore"]
        quiet += ["--analytics-disable", "--no-detect-urls", "--no-suggest-shell-commands", "--no-pretty"]
        # The way of editing that it chooses by itself for any model it knows.
        words = [script, "--model", "openai/scripted", "--edit-format", "diff", "--yes-always", *quiet]
        return [*words, "--message", bug.request]

    return Contender(name="aider", command=command, settings=_openai)


def _mini_swe_agent(folder: Path) -> Contender:
    # Its model library imports mcp without asking for it.
    script = _from_python(folder, "mini", "mini-swe-agent", "mcp")

    def command(url: str, repository: Path, bug: Bug) -> Sequence[str]:
        output = str(repository.parent / "home" / "trajectory.json")
        return [script, "-m", "openai/scripted", "-t", bug.request, "-y", "--exit-immediately", "-o", output]

    def settings(url: str, home: Path) -> dict[str, str]:
        own = {"MSWEA_CONFIGURED": "true", "MSWEA_GLOBAL_CONFIG_DIR": str(home / "mini")}
        return _openai(url, home) | own | {"MSWEA_COST_TRACKING": "ignore_errors", "MSWEA_SILENT_STARTUP": "1"}

    return Contender(name="mini-swe-agent", command=command, settings=settings)


def _codex(folder: Path) -> Contender:
    path = folder / "node_modules" / ".bin" / "codex"
    if not path.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise OSError("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        words = [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), "@openai/codex"]
        subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=os.environ)

    def command(url: str, repository: Path, bug: Bug) -> Sequence[str]:
        provider = f'{{name="bench", base_url="{url}", env_key="OPENAI_API_KEY", wire_api="responses"}}'
        words = [str(path), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        words += ["-c", f"model_providers.bench={provider}", "-c", 'model_provider="bench"', "-m", "scripted"]
        return [*words, bug.request]

    def settings(url: str, home: Path) -> dict[str, str]:
        own = home / "codex"
        own.mkdir(parents=True, exist_ok=True)
        return _openai(url, home) | {"CODEX_HOME": str(own)}

    return Contender(name="codex", command=command, settings=settings)


def _openai(url: str, home: Path) -> dict[str, str]:
    own = {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": url, "OPENAI_BASE_URL": url}
    # Prices come with the package; where the network is closed, asking for newer ones would cost it seconds.
    return own | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
