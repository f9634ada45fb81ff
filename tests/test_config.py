import re
from pathlib import Path
from typing import Any

import pytest

from gitagent.config import Config, load, load_for, settings, user_config_path
from gitagent.errors import RequestError


def loaded(**layers: Any) -> Config:
    given = {"user_file": None, "repository_files": {}, "environment": {}, "flags": {}} | layers
    return load(**given)


def in_repository(toml: str) -> Config:
    return loaded(repository_files={".gitagent.toml": toml})


def test_each_layer_wins_over_the_one_below_and_is_named_as_the_origin() -> None:
    config = loaded(
        user_file=("user.toml", "[run]\nminutes = 1\ncandidates = 11\nattempts = 1\ndiff_lines = 1\n"),
        repository_files={".gitagent.toml": "[run]\nminutes = 2\ncandidates = 22\nattempts = 2\n"},
        environment={"GITAGENT_RUN_MINUTES": "3", "GITAGENT_RUN_CANDIDATES": "33"},
        flags={"run.minutes": 4.0},
    )
    run = config.run
    assert (run.minutes, run.candidates, run.attempts, run.diff_lines) == (4.0, 33, 2, 1)
    assert [config.origins[f"run.{key}"] for key in ("minutes", "candidates", "attempts", "diff_lines")] == [
        "flag", "environment", ".gitagent.toml", "user.toml",
    ]  # fmt: skip


def test_pyproject_is_read_where_it_has_a_table_of_ours() -> None:
    config = loaded(repository_files={"pyproject.toml": '[tool.gitagent.tests]\ncommand = "make check"\n'})
    assert config.tests.command == "make check"
    assert loaded(repository_files={"pyproject.toml": "[project]\nname = 'x'\n"}).origins == {}


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[api]\nmodle = 'x'", "no setting 'api.modle'; the nearest is 'api.model'"),
        ("[sandbx]\nimage = 'x'", "no setting 'sandbx.image'; the nearest is 'sandbox.image'"),
        ("minutes = 3", "no setting 'minutes'; the nearest is 'run.minutes'"),
        ("[run]\nminutes = 'x'", "run.minutes: expected a number, got 'x'"),
        ("[run]\nattempts = true", "run.attempts: expected a whole number, got True"),
        ("[run]\nminutes = -1", "expected 0 or more, got -1.0"),
        ("[run]\nminutes = inf", "expected 0 or more, got inf"),
        ("[forge]\nname = 'gitea'", "expected one of auto, github, local, got 'gitea'"),
        ("= 3", "not TOML"),
    ],
)
def test_a_wrong_setting_is_one_line_naming_file_and_key(toml: str, says: str) -> None:
    with pytest.raises(RequestError, match=re.escape(says)) as caught:
        in_repository(toml)
    assert str(caught.value).startswith(".gitagent.toml: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "toml",
    [
        "[sandbox]\nbackend = 'none'",
        "[sandbox]\npython = '/tmp/evil'",
        "[run]\nmode = 'api'",
        "[run]\ndollars = 100.0",
        "[run]\ntokens = 100000000",
        "[api]\nkey_env = 'AWS_SECRET_ACCESS_KEY'",
        "[forge]\nbase_url = 'https://evil.example'",
        "[local]\nmodel = '/tmp/evil.gguf'",
    ],
)
def test_a_repository_cannot_widen_its_own_permissions(toml: str) -> None:
    with pytest.raises(RequestError, match="not a repository's to say"):
        in_repository(toml)


def test_a_repository_may_lower_limits_and_its_user_may_do_all() -> None:
    assert in_repository("[run]\ndollars = 0.5").run.dollars == 0.5
    config = loaded(environment={"GITAGENT_SANDBOX_BACKEND": "none", "GITAGENT_RUN_DOLLARS": "50"})
    assert (config.sandbox.backend, config.run.dollars) == ("none", 50.0)


def test_two_files_of_one_repository_are_one_too_many() -> None:
    files = {".gitagent.toml": "[run]\nattempts = 2\n", "pyproject.toml": "[tool.gitagent.run]\nattempts = 3\n"}
    with pytest.raises(RequestError, match="both"):
        loaded(repository_files=files)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"GITAGENT_RUN_MINUTE": "3"}, "no setting GITAGENT_RUN_MINUTE; the nearest is GITAGENT_RUN_MINUTES"),
        ({"GITAGENT_RUN_MINUTES": "soon"}, "GITAGENT_RUN_MINUTES: expected a number, got 'soon'"),
        ({"GITAGENT_TEMPLATES_ENABLED": "maybe"}, "expected true or false, got 'maybe'"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], says: str) -> None:
    with pytest.raises(RequestError, match=re.escape(says)):
        loaded(environment=environment)


def test_variables_of_other_programs_and_the_key_are_let_alone() -> None:
    config = loaded(environment={"GITAGENT_API_KEY": "secret", "GITAGENT_OTHER": "1", "PATH": "/bin"})
    assert config == Config()
    assert loaded(environment={"GITAGENT_TEMPLATES_ENABLED": "no"}).templates.enabled is False


def test_the_users_file_is_found_below_its_configuration_directory(tmp_path: Path) -> None:
    path = Path(user_config_path({"XDG_CONFIG_HOME": str(tmp_path)}))
    path.parent.mkdir(parents=True)
    path.write_text("[local]\nmodel = '/models/a.gguf'\n")
    config = load_for(flags={}, read=lambda name: None, environment={"XDG_CONFIG_HOME": str(tmp_path)})
    assert config.local.model == "/models/a.gguf" and config.origins == {"local.model": str(path)}


def test_every_setting_is_documented_and_typed() -> None:
    for name, setting in settings().items():
        assert setting.about and type(setting.default) is setting.kind, name


def test_limits_carry_their_units() -> None:
    config = in_repository("[sandbox]\nmemory_mb = 3\ndisk_mb = 5\n[tests]\ntimeout_seconds = 7\n")
    limits = config.sandbox_limits()
    assert (limits.memory_bytes, limits.disk_bytes, limits.timeout_seconds) == (3 * 2**20, 5 * 2**20, 7.0)
    assert config.limits().minutes == config.run.minutes


def test_the_users_price_table_is_read_and_a_repository_has_none() -> None:
    config = loaded(user_file=("user.toml", '[prices]\n"big" = [3, 15.5]\n[run]\nminutes = 1\n'))
    assert config.prices == {"big": (3.0, 15.5)} and config.run.minutes == 1
    with pytest.raises(RequestError, match=re.escape(".gitagent.toml: [prices] is not a repository's to say")):
        in_repository('[prices]\n"big" = [0, 0]\n')
    with pytest.raises(RequestError, match=r"api\.prompt_price = 0\.0 is not a repository's to say"):
        in_repository("[api]\nprompt_price = 0.0\n")


@pytest.mark.parametrize("toml", ["prices = 3", '[prices]\nbig = 3', "[prices]\nbig = [1]", "[prices]\nbig = [1, -1]",
                                  '[prices]\nbig = [1, "2"]', "[prices]\nbig = [1, 2, 3]"])  # fmt: skip
def test_a_price_that_is_not_two_numbers_is_named(toml: str) -> None:
    with pytest.raises(RequestError, match=r"^user\.toml: prices: .*expected two numbers"):
        loaded(user_file=("user.toml", toml))
