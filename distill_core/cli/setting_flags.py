"""A flag for every setting of a training, with the setting's own doc line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import wraps
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from distill_core.training.settings import flag_of, setting_docs

Command: TypeAlias = Callable[..., None]


def _help_of(name: str, config_classes: Mapping[str, type[Any]]) -> str:
    """Return the doc line of a setting; where it does not hold for all, each line stands behind its name."""
    docs = {of: setting_docs(config_class).get(name) for of, config_class in config_classes.items()}
    own = {of: doc for of, doc in docs.items() if doc is not None}
    if len({*docs.values()}) == 1:
        return next(iter(own.values()))
    return " ".join(f"{of}: {doc}" for of, doc in own.items())


def _option_of(setting: Field[Any], kind: Any, shown: str) -> inspect.Parameter:
    annotation = Annotated[kind | None, typer.Option(flag_of(setting.name), help=shown)]
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def with_setting_flags(config_classes: Mapping[str, type[Any]]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command an option for each setting, in the place of its last parameter.

    That one is `**settings`, where a setting that is not given is None. `config_classes` has the classes of settings by
    the name of their codec or prior, which stands before a doc line that does not hold for all.
    """
    options: dict[str, inspect.Parameter] = {}
    for config_class in config_classes.values():
        kinds = get_type_hints(config_class)
        for setting in fields(config_class):
            shown = _help_of(setting.name, config_classes)
            options.setdefault(setting.name, _option_of(setting, kinds[setting.name], shown))

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
