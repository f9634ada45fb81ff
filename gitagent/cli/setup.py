"""`gitagent init`, `gitagent config` and `gitagent completion`."""

import os
import re
from pathlib import Path

import click

from gitagent import __version__
from gitagent.errors import RequestError

ACTION = f"gitagent/gitagent@v{__version__}"


@click.command("config")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def config_command(repo: str, as_json: bool) -> None:
    """Print each setting, its value, and where it came from."""
    from gitagent.adapters.git import GitRepository
    from gitagent.cli.building import config_for
    from gitagent.config import settings
    from gitagent.core.secrets import redacted_in

    config = config_for(GitRepository(repo), {})
    rows = [
        (name, redacted_in(config.value(name)), config.origins.get(name, "default"), setting)
        for name, setting in settings().items()
    ]
    if as_json:
        import json

        shown = {name: {"value": value, "origin": origin, "about": s.about} for name, value, origin, s in rows}
        click.echo(json.dumps(shown, indent=1))
        return
    width = max(len(name) for name, *_ in rows)
    values = [repr(value) if isinstance(value, str) else str(value).lower() for _, value, *_ in rows]
    wide = min(32, max(map(len, values)))
    for (name, _, origin, setting), value in zip(rows, values, strict=True):
        click.echo(f"{name:{width}}  {value:{wide}}  {origin:12}  {setting.about}")
    key = next((v for v in (config.api.key_env, "OPENAI_API_KEY") if os.environ.get(v)), "")
    click.echo(f"\nkey for the endpoint: {'in $' + key if key else 'none in $' + config.api.key_env}")


@click.command("init")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--print", "print_only", is_flag=True, help="Print the file instead of writing it.")
@click.option("--github", is_flag=True, help="Write the GitHub workflow instead (docs/action.md).")
@click.option("--label", default="gitagent", show_default=True, help="With --github: the label that asks.")
@click.option("--action", default=ACTION, show_default=True, metavar="OWNER/NAME@REF",
              help="With --github: where the action is taken from; a commit's oid pins it.")  # fmt: skip
@click.option("--approve-plan", is_flag=True,
              help="With --github: no code before somebody who may approves the plan.")  # fmt: skip
def init_command(repo: str, print_only: bool, github: bool, label: str, action: str, approve_plan: bool) -> None:
    """Write `.gitagent.toml` with every setting at its default, commented out; or the GitHub workflow."""
    from gitagent.adapters.git import GitRepository

    name = ".github/workflows/gitagent.yml" if github else ".gitagent.toml"
    text = workflow(label, action, approve_plan=approve_plan) if github else example()
    if print_only:
        click.echo(text, nl=False)
        return
    path = Path(GitRepository(repo).directory) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RequestError(f"{path} is there already. It was not touched.", hint="gitagent config") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be written: {error.strerror}. Nothing was written.") from error
    if github:
        click.echo(f"wrote {path}; commit it, make the label {label!r}, and put it on an issue")
    else:
        click.echo(f"wrote {path}; see what is in force with: gitagent config")


def workflow(label: str, action: str, *, approve_plan: bool = False) -> str:
    """The workflow with this label, taking the action from there. Raises RequestError if either cannot be written."""
    if not re.fullmatch(r"[\w][\w .:/+-]{0,49}", label):
        raise RequestError(
            f"the label {label!r} cannot stand in a workflow, expected letters, digits, spaces and . : / + -. "
            "Nothing was written."
        )
    if not re.fullmatch(r"\./|[\w.-]+/[\w./-]+@[\w./-]+", action):
        raise RequestError(
            f"{action!r} is no action, expected OWNER/NAME@REF. Nothing was written.",
            hint=f"gitagent init --github --action {ACTION}",
        )
    text = (Path(__file__).parent / "workflow.yml").read_text(encoding="utf-8")
    if approve_plan:
        text = text.replace("# approve-plan:", "approve-plan:")
    return text.replace("LABEL", label).replace("ACTION", action)


def example() -> str:
    """A configuration file in which every line a repository may set is commented out."""
    from gitagent.config import settings

    lines = ["# gitagent's settings for this repository. Uncomment what should differ from the default."]
    section = ""
    for name, setting in settings().items():
        if not setting.repository:
            continue
        head, _, key = name.partition(".")
        if head != section:
            lines += ["", f"[{head}]"]
            section = head
        value = f'"{setting.default}"' if isinstance(setting.default, str) else str(setting.default).lower()
        lines += [f"# {setting.about}", f"# {key} = {value}"]
    return "\n".join(lines) + "\n"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell: `source <(gitagent completion bash)`."""
    from click.shell_completion import get_completion_class

    from gitagent.cli import main

    found = get_completion_class(shell)
    if found is None:
        raise RequestError(f"click knows no completion for {shell}.")
    click.echo(found(main, {}, "gitagent", "_GITAGENT_COMPLETE").source())
