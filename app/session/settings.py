"""Conveniences that outlive the window: recent files, last folders, its size. Never anything that changes a result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PySide6.QtCore import QByteArray, QDir, QLockFile, QSettings, QStandardPaths

from app.session.appearance import AppearanceChoice
from app.session.remembered import SHOWN, RememberedSession, from_text, to_text, with_session
from app.session.takes import LEAST_VARIETY, MOST_VARIETY, TakeOptions
from distill_core.generation.request import LONGEST_S

MAX_RECENTS = 8
_LOCK_MS = 200  # on the window's thread; a change takes a few


class Settings:
    """Typed access to an INI file in the user's configuration folder."""

    def __init__(self) -> None:
        self._store = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "Distill", "Distill")

    def recent_models(self) -> list[Path]:
        """Return the models opened last, newest first."""
        stored = self._store.value("recentModels", [])
        texts = [stored] if isinstance(stored, str) else stored if isinstance(stored, list) else []
        return [Path(text) for text in texts if isinstance(text, str) and text][:MAX_RECENTS]

    def add_recent_model(self, path: Path) -> None:
        """Put a model first among the recent ones."""
        with self._changing():
            others = [other for other in self.recent_models() if other != path]
            self._store.setValue("recentModels", [str(kept) for kept in [path, *others][:MAX_RECENTS]])

    def remove_recent_model(self, path: Path) -> None:
        """Forget one recent model."""
        with self._changing():
            self._store.setValue("recentModels", [str(other) for other in self.recent_models() if other != path])

    def clear_recent_models(self) -> None:
        """Forget all recent models."""
        self._store.remove("recentModels")

    def sessions(self) -> tuple[RememberedSession, ...]:
        """Return what was open together last, newest first."""
        return self._all_sessions()[:SHOWN]

    def add_session(self, session: RememberedSession) -> None:
        """Put a session first, in place of the same one before."""
        with self._changing():
            self._store.setValue("sessions", to_text(with_session(self._all_sessions(), session)))

    def remove_session(self, session: RememberedSession) -> None:
        """Forget a session."""
        with self._changing():
            self._store.setValue("sessions", to_text([other for other in self._all_sessions() if other != session]))

    def _all_sessions(self) -> tuple[RememberedSession, ...]:
        return from_text(self._text("sessions"))

    def last_folder(self, kind: str) -> Path:
        """Return the folder that a file dialog of this kind starts in."""
        return Path(self._text(f"lastFolder/{kind}") or QDir.homePath())  # Path.home() raises if there is none

    def set_last_folder(self, kind: str, folder: Path) -> None:
        """Remember where a file dialog of this kind ended."""
        self._store.setValue(f"lastFolder/{kind}", str(folder))

    def geometry(self) -> QByteArray | None:
        """Return the window's size and place."""
        value = self._store.value("geometry")
        return value if isinstance(value, QByteArray) else None

    def set_geometry(self, geometry: QByteArray) -> None:
        """Remember the window's size and place."""
        self._store.setValue("geometry", geometry)

    def drawer(self) -> str:
        """Return the side of the drawer that was open last, or "closed"; "" if nobody chose yet."""
        return self._text("drawer")

    def set_drawer(self, side: str) -> None:
        """Remember the open side of the drawer."""
        self._store.setValue("drawer", side)

    def appearance(self) -> AppearanceChoice:
        """Return the choice between light and dark."""
        text = self._text("appearance")
        return AppearanceChoice(text) if text in {*AppearanceChoice} else AppearanceChoice.SYSTEM

    def set_appearance(self, choice: AppearanceChoice) -> None:
        """Remember the choice between light and dark."""
        self._store.setValue("appearance", choice.value)

    def plots_time(self) -> bool:
        """Return whether the curve's axis counts minutes instead of epochs."""
        return self._text("plot/time") == "yes"

    def set_plots_time(self, is_wanted: bool) -> None:
        """Remember whether the curve's axis counts minutes."""
        self._store.setValue("plot/time", "yes" if is_wanted else "no")

    def plots_evenly(self) -> bool:
        """Return whether the curve's axis has even steps of perplexity instead of those of its logarithm."""
        return self._text("plot/even") == "yes"

    def set_plots_evenly(self, is_wanted: bool) -> None:
        """Remember whether the curve's axis has even steps."""
        self._store.setValue("plot/even", "yes" if is_wanted else "no")

    def training_speed(self) -> float | None:
        """Return the speed of the last training on this computer, in work per second; None if it is not known."""
        try:
            speed = float(self._text("trainingSpeed"))
        except ValueError:
            return None
        return speed if speed > 0 else None

    def set_training_speed(self, speed: float) -> None:
        """Remember the last training's speed."""
        self._store.setValue("trainingSpeed", repr(speed))

    def making_speed(self) -> float | None:
        """Return the speed of the last making of a model on this computer, in seconds of sound per second."""
        return self._number("makingSpeed", 1e-3, 1e9, 0.0) or None

    def set_making_speed(self, speed: float) -> None:
        """Remember the last making's speed."""
        self._store.setValue("makingSpeed", repr(speed))

    def models_folder(self) -> Path:
        """Return the folder of the models that are made here."""
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        usual = Path(documents or QDir.homePath()) / "Distill Models"
        return Path(self._text("modelsFolder") or usual)

    def set_models_folder(self, folder: Path) -> None:
        """Remember another folder for models."""
        self._store.setValue("modelsFolder", str(folder))

    def model_before_prior(self) -> Path | None:
        """Return the place of the model whose making a prior's training was to follow; None for no such one."""
        text = self._text("modelBeforePrior")
        return Path(text) if text else None

    def set_model_before_prior(self, path: Path | None) -> None:
        """Remember the place of a model that is to have a prior; None if the one that is made is not."""
        self._store.setValue("modelBeforePrior", "" if path is None else str(path))

    def take_options(self) -> TakeOptions:
        """Return the choices for takes that outlive the window; not the sound to start from, nor the seed."""
        usual = TakeOptions()
        return TakeOptions(
            seconds=self._number("take/seconds", 0.1, LONGEST_S, usual.seconds),
            one_sound=self._text("take/oneSound") == "yes",
            variety=self._number("take/variety", LEAST_VARIETY, MOST_VARIETY, usual.variety),
        )

    def set_take_options(self, options: TakeOptions) -> None:
        """Remember the choices for takes."""
        self._store.setValue("take/seconds", repr(options.seconds))
        self._store.setValue("take/oneSound", "yes" if options.one_sound else "no")
        self._store.setValue("take/variety", repr(options.variety))

    def saves_sidecar(self) -> bool:
        """Return whether a take is saved with a JSON of how it was made."""
        return self._text("take/sidecar") == "yes"

    def set_saves_sidecar(self, is_wanted: bool) -> None:
        """Remember whether a take is saved with a JSON of how it was made."""
        self._store.setValue("take/sidecar", "yes" if is_wanted else "no")

    def volume(self) -> float:
        """Return the loudness of the player, 0 to 1."""
        try:
            return min(max(0.0, float(self._text("player/volume"))), 1.0)
        except ValueError:
            return 1.0

    def set_volume(self, volume: float) -> None:
        """Remember the loudness of the player."""
        self._store.setValue("player/volume", repr(volume))

    def output_device(self) -> str:
        """Return the id of the chosen sound output, "" for the computer's own choice."""
        return self._text("player/device")

    def set_output_device(self, device: str) -> None:
        """Remember the chosen sound output."""
        self._store.setValue("player/device", device)

    def is_loop(self) -> bool:
        """Return whether the player begins again at the end."""
        return self._text("player/loop") == "on"

    def set_loop(self, is_loop: bool) -> None:
        """Remember whether the player begins again at the end."""
        self._store.setValue("player/loop", "on" if is_loop else "off")

    def is_unfolded(self, name: str) -> bool:
        """Return whether a fold of the window was left open; it is closed at first."""
        return self._text(f"unfolded/{name}") == "yes"

    def set_unfolded(self, name: str, is_open: bool) -> None:
        """Remember whether a fold of the window is open."""
        self._store.setValue(f"unfolded/{name}", "yes" if is_open else "no")

    def sync(self) -> None:
        """Write pending changes into the file."""
        self._store.sync()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Read the file anew, change a list of it, and write it, while no other window does so.

        Where the lock is not to be had, the list is changed all the same: it is a convenience.
        """
        path = Path(self._store.fileName())
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        lock = QLockFile(f"{path}.change")  # Qt's own lock of the file has another name, and is taken within
        lock.tryLock(_LOCK_MS)
        self._store.sync()
        yield
        self._store.sync()
        lock.unlock()

    def _number(self, key: str, least: float, most: float, usual: float) -> float:
        """Return a number of the file, `usual` for none or an impossible one."""
        try:
            number = float(self._text(key))
        except ValueError:
            return usual
        return number if least <= number <= most else usual

    def _text(self, key: str) -> str:
        value = self._store.value(key, "")
        return value if isinstance(value, str) else ""
