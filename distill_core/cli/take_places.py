"""Where `distill generate` writes its takes: one file, or files in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from distill_core.audio.sound_format import Container, SoundFormat, Subtype
from distill_core.cli.terminal import check_output
from distill_core.errors import ConfigError, SaveError
from distill_core.files.new_file import check_new_file
from distill_core.files.save_errors import save_error
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.name import take_name
from distill_core.generation.takes.sidecar import sidecar_path

_CONTAINERS = {".wav": Container.WAV, ".wave": Container.WAV, ".flac": Container.FLAC}
_EITHER = "Name a file that ends in .wav or .flac, or a folder."


@dataclass(frozen=True, slots=True)
class TakePlaces:
    """The files of a request's takes, in order, and their format; `folder` is None for a single file that is named."""

    folder: Path | None
    paths: list[Path]
    form: SoundFormat

    def check(self, request: GenerateRequest, force: bool, others: list[Path], *, sidecar: bool = False) -> None:
        """Refuse, before any work, files that exist, that cannot be written, or that are among `others`.

        With `sidecar` there is a JSON beside each of them.

        Raises:
            SaveError: a file exists and not `force`, or cannot be written.
            ConfigError: the takes would replace what they are made from.
        """
        if self.folder is not None and self.folder.exists() and not self.folder.is_dir():
            raise SaveError(f"“{self.folder}” is a file, and no folder; nothing was written.", "Choose another name.")
        for path in self.paths:
            check_output(path, force, f".{self.form.container}")
            if sidecar:
                check_output(sidecar_path(path), force, ".json")
            if any(_is_same(path, other) for other in others):
                raise ConfigError("output", f"“{path}” is what the takes are made from.", "Choose another name.")
        seconds = (request.seconds or request.usual_seconds) * request.count
        needed = round(seconds * self.form.sample_rate * self.form.subtype.bytes)
        missing = [] if self.folder is None else [path for path in _upwards(self.folder) if not path.exists()]
        check_new_file(missing[-1] if missing else self.paths[0], needed, replace=force)

    def make_folder(self) -> None:
        """Make the folder of several takes, if need be: with the first of them, so that no empty one is left behind.

        Raises:
            SaveError: it cannot be made.
        """
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise save_error(error, self.folder) from error


def _upwards(folder: Path) -> list[Path]:
    return [folder, *folder.absolute().parents]


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def _is_folder(output: str, count: int) -> bool:
    ends_as_one = output.endswith((os.sep, os.altsep or os.sep))
    return ends_as_one or Path(output).is_dir() or (count > 1 and _container(Path(output)) is None)


def _container(path: Path) -> Container | None:
    return _CONTAINERS.get(path.suffix.lower())


def _container_of(path: Path, wanted: Container | None) -> Container:
    """Return the format of a single file, by its ending or as it is wanted.

    Raises:
        ConfigError: these contradict each other, or there is neither.
    """
    by_name = _container(path)
    if by_name is None and (path.suffix or wanted is None):
        raise ConfigError("output", f"“{path}” is neither a WAV nor a FLAC file by its name.", _EITHER)
    if by_name and wanted and by_name is not wanted:
        reason = f"“{path}” ends in {path.suffix}, but --format says {wanted}."
        raise ConfigError("format", reason, "Leave out --format, or change the name.")
    return by_name or wanted or Container.WAV


def places_of(
    output: str, model: Path, request: GenerateRequest, container: Container | None, subtype: Subtype, rate: int
) -> TakePlaces:
    """Return where the takes go: into the folder `output` if it is one, or there are several; else into that file.

    Raises:
        ConfigError: an impossible format, or one file for several takes.
    """
    if not output:
        raise ConfigError("output", "The name after --output is empty; nothing was made.", _EITHER)
    path = Path(output)
    if not _is_folder(output, request.count):
        form = SoundFormat(_container_of(path, container), subtype, rate)
        if request.count > 1:
            reason = f"{request.count} takes do not fit into one file, “{path}”."
            raise ConfigError("output", reason, "Name a folder for them.")
        return TakePlaces(None, [path], form)
    form = SoundFormat(container or Container.WAV, subtype, rate)
    takes = range(request.count)
    names = [take_name(model, take + 1, request.seed + take, form.container) for take in takes]
    return TakePlaces(path, [path / name for name in names], form)
