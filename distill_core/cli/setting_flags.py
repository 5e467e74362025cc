"""A flag for every setting of a config class, with the setting's own doc line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

_Command = TypeVar("_Command", bound=Callable[..., None])


def _flag_of(name: str, short: dict[str, str]) -> str:
    return f"--{short.get(name, name).replace('_', '-')}"


def with_setting_flags(config_class: Any, short: dict[str, str]) -> Callable[[_Command], _Command]:
    """Replace a command's `**settings` by an option for each setting, None where it is not given.

    `short` holds the flags that are not called like their setting, without the dashes.
    """

    def decorate(command: _Command) -> _Command:
        own = list(inspect.signature(command).parameters.values())[:-1]
        hints = get_type_hints(command, include_extras=True)
        kinds = get_type_hints(config_class)
        options = []
        for setting in fields(config_class):
            flag = _flag_of(setting.name, short)
            option = typer.Option(flag, help=setting.metadata["doc"])
            hints[setting.name] = Annotated[kinds[setting.name] | None, option]
            options.append(inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None))
        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            for parameter in [*own, *options]
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given."""
    return {name: value for name, value in settings.items() if value is not None}
