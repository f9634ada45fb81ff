"""`gitagent init`, `config` and `completion`."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitagent.cli import main
from gitagent.config import settings

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in settings().values():
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def said(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def test_init_writes_every_setting_a_repository_may_make_commented_out(repo: Path) -> None:
    assert said("init", "--repo", str(repo)).startswith(f"wrote {repo}/.gitagent.toml")
    text = (repo / ".gitagent.toml").read_text()
    assert tomllib.loads(text).keys() <= {name.split(".")[0] for name in settings()}
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line and ":" not in line.split(" = ")[0]
        else line for line in text.split("\n")
    )  # fmt: skip
    found = {f"{section}.{key}" for section, keys in tomllib.loads(uncommented).items() for key in keys}
    assert found == {name for name, setting in settings().items() if setting.repository}
    (repo / ".gitagent.toml").write_text(uncommented)
    assert "default" in said("config", "--repo", str(repo))


def test_init_does_not_write_over_a_file(repo: Path) -> None:
    (repo / ".gitagent.toml").write_text("[run]\n")
    shown = said("init", "--repo", str(repo), code=2)
    assert shown == f"error: {repo}/.gitagent.toml is there already. It was not touched.\nhint: gitagent config\n"
    assert (repo / ".gitagent.toml").read_text() == "[run]\n"


def test_init_prints_without_writing(repo: Path) -> None:
    assert "[run]" in said("init", "--repo", str(repo), "--print")
    assert not (repo / ".gitagent.toml").exists()


def test_config_says_each_value_and_where_it_came_from(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / ".gitagent.toml").write_text("[tests]\ntimeout_seconds = 7.5\n")
    monkeypatch.setenv("GITAGENT_RUN_TOKENS", "5000")
    monkeypatch.setenv("GITAGENT_API_KEY", "sk-very-secret")
    lines = said("config", "--repo", str(repo)).split("\n")
    rows = {line.split()[0]: line.split()[1:3] for line in lines if line}
    assert rows["tests.timeout_seconds"] == ["7.5", ".gitagent.toml"]
    assert rows["run.tokens"] == ["5000", "environment"] and rows["run.minutes"] == ["30.0", "default"]
    assert "key for the endpoint: in $GITAGENT_API_KEY" in lines and "sk-very" not in "".join(lines)
    assert rows.keys() >= settings().keys()


def test_config_as_json_is_one_object(repo: Path) -> None:
    shown = json.loads(said("config", "--repo", str(repo), "--json"))
    assert shown.keys() == settings().keys()
    assert shown["run.mode"]["value"] == "local" and shown["run.mode"]["origin"] == "default"


@pytest.mark.parametrize(("shell", "holds"), [("bash", "complete"), ("zsh", "#compdef"), ("fish", "complete")])
def test_completion_is_a_script_for_each_shell(shell: str, holds: str) -> None:
    script = said("completion", shell)
    assert holds in script and "_GITAGENT_COMPLETE" in script


def test_an_unknown_command_is_a_usage_error() -> None:
    assert "No such command" in said("nonsense", code=2)
