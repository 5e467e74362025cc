"""What an act would lose: the one place that decides what a person is asked about first."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.session.state import State


class Loss(StrEnum):
    """A result of hours that is in no file: a new model, or a prior."""

    MODEL = "model"
    PRIOR = "prior"


class Act(StrEnum):
    """What a person is about to do; to go on with a training, or to take its best, is to make a model or to train."""

    CLOSE = "close"
    OPEN = "open"
    MAKE = "make"
    TRAIN = "train"
    SAVE_MODEL = "saveModel"


_TAKES_THE_PLACE_OF = {
    Act.CLOSE: (Loss.MODEL, Loss.PRIOR),
    Act.OPEN: (Loss.MODEL, Loss.PRIOR),
    Act.MAKE: (Loss.MODEL, Loss.PRIOR),
    Act.TRAIN: (Loss.PRIOR,),
    Act.SAVE_MODEL: (Loss.PRIOR,),  # which is opened in place of the prior's
}


def losses(state: State, act: Act) -> tuple[Loss, ...]:
    """Return what an act would lose, in the order of the questions: what can be saved is asked about last.

    A model that is kept on disk is not lost: it is offered again. A prior is asked about even so, for only a save puts
    it where it is heard.
    """
    is_there = {
        Loss.MODEL: state.making.is_lost_if_left,
        Loss.PRIOR: state.training.unsaved and state.open.model is not None,
    }
    return tuple(loss for loss in _TAKES_THE_PLACE_OF[act] if is_there[loss])


def subject_of(state: State, loss: Loss) -> object:
    """Return what tells one result from another, by identity; it stays when other weights of a training are kept."""
    trained = state.making.trained if loss is Loss.MODEL else state.training.trained
    return None if trained is None else trained.history
