"""The packages of the extra `local`, imported late, and the one command that adds them."""

import importlib
from pathlib import Path
from typing import Any

from gitagent import local_build
from gitagent.errors import ModelError


def llama_cpp() -> Any:
    """The low-level bindings of llama.cpp. Raises ModelError, with the command to add them, if absent."""
    return _imported("llama_cpp").llama_cpp


def llguidance() -> Any:
    """The library that holds decoding to a grammar. Raises ModelError if absent."""
    return _imported("llguidance")


def chat_formatter(template: str, *, bos: str, eos: str) -> Any:
    """A renderer of a model's own chat template, in Jinja's sandbox since templates come from strangers."""
    module = _imported("llama_cpp.llama_chat_format")
    return module.Jinja2ChatFormatter(template=template, bos_token=bos, eos_token=eos)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        # llama_cpp raises the last two when its library was built for another machine.
        in_clone = (Path(__file__).parents[3] / "Makefile").is_file()
        raise ModelError(
            f"the local model needs {name.split('.')[0]}, which is not there: {error}",
            hint=f"{local_build.command(in_clone=in_clone)}  ({local_build.HOW_LONG}; see gitagent doctor)",
        ) from error
