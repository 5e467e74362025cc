"""A flag for every setting of a training's settings classes, with the setting's own doc line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from functools import wraps
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from distill_core.training.settings import flag_of

Command: TypeAlias = Callable[..., None]


def _option_of(setting: Field[Any], kind: Any) -> inspect.Parameter:
    option = typer.Option(flag_of(setting.name), help=setting.metadata["doc"])
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def with_setting_flags(*config_classes: type[Any]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command an option for each setting, in the place of its last parameter.

    That one is `**settings`, where a setting that is not given is None. A setting of several classes has the doc line
    of the first one.
    """
    options: dict[str, inspect.Parameter] = {}
    for config_class in config_classes:
        kinds = get_type_hints(config_class)
        for setting in fields(config_class):
            options.setdefault(setting.name, _option_of(setting, kinds[setting.name]))

    def decorate(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            for parameter in [*inspect.signature(command).parameters.values()][:-1]
        ]

        @wraps(command)
        def with_flags(**arguments: Any) -> None:
            command(**arguments)

        parameters = [*own, *options.values()]
        with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_flags.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_flags

    return decorate


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given."""
    return {name: value for name, value in settings.items() if value is not None}
