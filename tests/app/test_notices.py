"""The messages and buttons of the banners and the questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.flows import questions
from app.presentation.notices import Notice, begins_to_warn, notice, refusal, warning
from app.session.activity import Activity, Runner
from app.session.problems import Problem
from app.session.state import State
from app.session.tasks.models import OpenedModel, restoring
from app.session.training import TrainingState
from app.words import PERPLEXITY_EXPLAINED
from distill_core import read_summary
from distill_core.models.summary import ModelSummary
from distill_core.training.events import Ended, OlderStateTaken
from distill_core.training.prior.events import FilePrior, Keep, PriorEpochMetrics, PriorTrainingStartEvent, Verdict
from distill_core.training.prior.trained import TrainedPrior
from distill_core.training.prior.words import PRIOR
from distill_core.training.run_folder.facts import UnfinishedRun

Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]
RUN = UnfinishedRun("an id", Path("drums.distill"), (Path("kicks"),), 31, 100, 29, 7.42, False, PRIOR)
REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"


@pytest.fixture
def model(shared_tiny_model: Path) -> ModelSummary:
    return read_summary(shared_tiny_model)


@pytest.fixture
def with_prior(model: ModelSummary) -> ModelSummary:
    facts = {"final_perplexity": 8.23, "best_perplexity": 8.0, "measure": 2, "dataset_file_count": 24}
    return replace(model, prior_architecture="frames", prior_is_readable=True, prior_metadata=facts)


HEART = "It knows its sounds by heart."


def _texts(shown: Notice | None) -> list[str]:
    assert shown is not None
    return [text for _, text in shown.actions]


# While training


def test_memorizing_offers_to_stop_and_says_what_that_keeps(an_epoch: Epoch) -> None:
    state = State(work=Activity.TRAINING)
    memorizing = replace(an_epoch(13, 4.8, "memorizing", HEART, kept=11), memorizing_from=12)
    for epoch in (an_epoch(11, 4.9, "fitting"), memorizing):
        state = state.with_epoch(epoch)
    shown = warning(state)
    assert shown == Notice(
        "warning",
        "Memorizing since epoch 12.",
        "It knows its sounds by heart. Stopping keeps epoch 11 (4.9).",
        (("stop", "Stop, Keep Epoch 11 (Before It)"), ("goOn", "Go On")),
        "stop",
    )
    from_the_first = replace(an_epoch(1, 1.2, "memorizing", "By heart."), memorizing_from=1)
    assert _texts(warning(State(work=Activity.TRAINING).with_epoch(from_the_first))) == ["Stop, Keep Epoch 1", "Go On"]


def test_whoever_goes_on_is_warned_no_more_of_this_training(an_epoch: Epoch) -> None:
    state = State(work=Activity.TRAINING).with_training(hides_warning=True)
    for epoch in (an_epoch(1, 4.9, "memorizing", HEART), an_epoch(2, 1.2, "fitting", "Listen for copies.")):
        state = state.with_epoch(epoch)
        assert warning(state) is None
        assert not begins_to_warn(state.training)
    assert not state.training.going_on.hides_warning
    assert not state.without_training().training.hides_warning


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.MEMORIZING])
def test_any_other_verdict_warns_in_milder_words_and_stops_nothing(an_epoch: Epoch, verdict: Verdict) -> None:
    training = State(work=Activity.TRAINING)
    shown = warning(training.with_epoch(an_epoch(3, 1.84, verdict, "Perplexity 1.84 – listen for copies.")))
    assert _texts(shown) == ["Explain"]
    assert shown is not None
    alike = "The sounds kept aside are near-copies of the others, so 1.8 may be memory: listen for copies."
    easy = "It predicts the sounds kept aside nearly without a doubt (1.8): listen for copies."
    assert shown.detail == (alike if verdict is Verdict.SIBLINGS else easy)
    assert "memorizing" not in shown.title
    assert warning(training.with_epoch(an_epoch(3, 1.84, verdict))) is None


def test_sounds_that_are_one_are_told_while_they_are_trained_on(model: ModelSummary) -> None:
    state = State(work=Activity.TRAINING).with_training(sameness="All 9 sounds are one sound to this model.")
    shown = notice(state)
    assert shown == Notice("info", "These sounds are too much alike.", "All 9 sounds are one sound to this model.")
    assert notice(replace(state, work=Activity.NONE).with_open(model=model)) is None


def test_near_copies_are_told_while_they_are_trained_on(
    model: ModelSummary, start_event: Callable[..., PriorTrainingStartEvent]
) -> None:
    start = replace(start_event(), near_copies=(("a.wav", "b.wav"),))
    state = State(work=Activity.TRAINING).with_training(started=start)
    detail = "2 sounds are nearly the same: a.wav, b.wav; they stay on one side of the split."
    assert notice(state) == Notice("info", "Nearly the same sound.", detail)
    assert notice(state.with_training(started=start_event())) is None
    assert notice(replace(state, work=Activity.NONE).with_open(model=model)) is None


# Afterwards


def test_the_notice_says_what_is_kept_and_offers_the_rest(
    model: ModelSummary, make_trained: Make, an_epoch: Epoch
) -> None:
    verdicts = [(4.9, "fitting"), (4.5, "memorizing"), (4.6, "memorizing")]
    epochs = [an_epoch(number, *each) for number, each in enumerate(verdicts, start=11)]
    trained = make_trained(epochs, Ended.NO_BETTER)
    state = State().with_open(model=model).with_training(unsaved=True, trained=trained)
    shown = notice(state)
    assert shown is not None
    assert shown.title == "Trained – not saved yet."
    assert shown.detail == (
        "It knows your sounds well (4.9 of 16). It knows the sounds it learned from better than new ones. Epoch 11, "
        "the best before memorizing, is kept. The best is epoch 12 (4.5). The last is epoch 13 (4.6). Ended: it got no "
        "better."
    )
    assert _texts(shown) == ["Save into tiny.distill", "Keep Best", "Keep Last"]
    shown = notice(state.with_training(trained=trained.keeping(Keep.BEST)))
    assert _texts(shown) == ["Save into tiny.distill", "Keep Last", "Keep Best Before Memorizing"]
    assert shown is not None
    assert "It knows your sounds by heart (4.5 of 16)." in shown.detail
    assert "What it makes may be copies." in shown.detail


def test_the_notice_of_a_prior_that_is_no_better_than_guessing_says_so(
    model: ModelSummary, make_trained: Make, an_epoch: Epoch
) -> None:
    trained = make_trained([an_epoch(1, 30.0, "cant_tell")])
    state = State().with_open(model=model)
    state = state.with_training(unsaved=True, trained=trained, older_state=OlderStateTaken(1))
    shown = notice(state)
    assert shown is not None
    assert shown.detail.startswith("The newest state of the unfinished training is damaged; ")
    assert "It knows no more than how common each code is. Epoch 1, the best, is kept." in shown.detail
    assert _texts(shown) == ["Save into tiny.distill"]


@pytest.mark.parametrize(
    ("run", "title", "detail", "buttons"),
    [
        (
            RUN,
            "Unfinished training found: epoch 31 of 100, best perplexity 7.42.",
            "Continue goes on with the sounds in kicks.",
            ["Continue", "Use Best", "Discard…"],
        ),
        (
            replace(RUN, under_way=32, share=0.5),
            "Unfinished training found: epoch 32 of 100, 50% in, best perplexity 7.42.",
            "Continue goes on with the sounds in kicks.",
            ["Continue", "Use Best", "Discard…"],
        ),
        (
            replace(RUN, epoch=0, best_epoch=0, best=None, under_way=1, share=0.409),
            "Unfinished training found: epoch 1 of 100, 40% in.",
            "Continue goes on with the sounds in kicks.",
            ["Continue", "Discard…"],
        ),
        (
            replace(RUN, has_ended=True),
            "A trained prior was never saved: epoch 31 of 100, best perplexity 7.42.",
            "Use Best takes it, to be saved into the model.",
            ["Use Best", "Discard…"],
        ),
        (
            replace(RUN, is_older=True),
            "Unfinished training of an older Distill found: epoch 31 of 100, best perplexity 7.42 by an older measure.",
            "It can't be gone on with. Use Best takes its best epoch, to be saved into the model.",
            ["Use Best", "Discard…"],
        ),
    ],
)
def test_what_is_offered_of_an_unfinished_training(
    model: ModelSummary, run: UnfinishedRun, title: str, detail: str, buttons: list[str]
) -> None:
    opened = State().with_open(model=model, real_path=model.path.resolve())
    shown = notice(opened.with_open(unfinished=replace(run, model=model.path.resolve())))
    assert shown is not None
    afresh = f"{detail} Train starts afresh and takes its place."
    assert (shown.title, shown.detail, _texts(shown)) == (title, afresh, buttons)
    moved = notice(opened.with_open(unfinished=run))
    assert moved is not None
    assert moved.detail == (
        f"{detail} It was into “drums.distill”, which is this model by another name or in another place."
    )
    at_the_start = notice(State().with_open(recoverable=(run,)))
    assert at_the_start is not None
    assert (at_the_start.title, _texts(at_the_start)) == (title, ["Open drums.distill"])


def test_a_problem_comes_first(model: ModelSummary, make_trained: Make, an_epoch: Epoch) -> None:
    unsaved = State().with_open(model=model).with_training(unsaved=True, trained=make_trained([an_epoch(3, 8.17)]))
    problem = Problem("The disk is full.", "Make room.")
    changed = replace(problem, may_replace=True)
    assert _texts(notice(replace(unsaved, problem=problem))) == ["Save a Copy…"]
    assert _texts(notice(replace(unsaved, problem=changed))) == ["Save a Copy…", "Replace, Keep a Backup"]
    assert _texts(notice(State(problem=problem))) == []
    assert notice(State()) is None  # the start page invites


@pytest.mark.parametrize(
    "refused",
    [
        State().with_open(model_refusal="No."),
        State().with_open(sounds_refusal="No."),
        State().with_takes(problem="No."),
    ],
)
def test_a_refusal_is_told_until_something_else_is_tried(refused: State) -> None:
    assert refusal(refused) == Notice("error", "No.", can_be_closed=True)
    assert notice(refused) is None
    assert refusal(refused.without_refusals()) is None
    for activity in (Activity.PREPARING, Activity.SAVING):
        assert refusal(refused.doing(Runner.WORK, activity)) is None
    assert refusal(refused.doing(Runner.WORK, Activity.SCANNING)) is not None  # a drop is taken in part


@pytest.mark.parametrize("activity", [Activity.TRAINING, Activity.STOPPING, Activity.SAVING])
def test_what_is_refused_because_of_a_task_is_not_refused_after_it(activity: Activity) -> None:
    busy = State(work=activity).with_open(model_refusal="Stop training first.")
    assert refusal(busy.following(busy)) is not None
    assert refusal(replace(busy, work=Activity.NONE).following(busy)) is None


def test_a_refusal_hides_nothing_that_could_be_lost(model: ModelSummary, make_trained: Make, an_epoch: Epoch) -> None:
    unsaved = State().with_open(model=model, model_refusal="No.")
    shown = notice(unsaved.with_training(unsaved=True, trained=make_trained([an_epoch(3, 8.17)])))
    assert shown is not None
    assert shown.title == "Trained – not saved yet."


# Before a prior is replaced


def _over(summary: ModelSummary, trained: TrainedPrior) -> TrainedPrior:
    """Return a training that has measured the prior of this file."""
    measured = trained.file_prior or FilePrior(None, decides=False)
    return replace(trained, file_prior=replace(measured, sha256=summary.stamp.sha256))


def _asked(summary: ModelSummary, trained: TrainedPrior) -> questions.Question:
    trained = _over(summary, trained)
    return questions.replace_prior(summary, trained)


KEPT = (
    "“tiny.distill” as it is now stays beside it as “tiny.distill.bak” until the next save: "
    "File ▸ Restore Previous Version brings it back."
)
IN_THE_FILE = "Has learned your sounds (8.2 of 16), 24 sounds."


def test_a_better_prior_is_asked_about_as_ever(with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch) -> None:
    question = _asked(with_prior, make_trained([an_epoch(3, 7.42)], file_prior=FilePrior(8.4, decides=True)))
    assert question.id == "replacePriorQuestion"
    better = "The new one is better: 7.4 instead of 8.4, on the same sounds kept aside."
    assert question.text == f"{IN_THE_FILE} {better} {KEPT}"


@pytest.mark.parametrize("stops", [Ended.LAST_EPOCH, Ended.STOPPED])
def test_a_worse_prior_is_asked_about_with_both_values(
    with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch, stops: Ended
) -> None:
    question = _asked(with_prior, make_trained([an_epoch(3, 9.5)], stops, FilePrior(8.4, decides=True)))
    assert (question.id, question.default, question.escape) == ("worsePriorQuestion", "copy", "cancel")
    assert [(choice.text, choice.role) for choice in question.choices] == [
        ("Save a Copy…", "accept"),
        ("Save Anyway", "destroy"),
        ("Cancel", "reject"),
    ]
    assert "with a worse one?" in question.title
    assert question.text == f"The new one is worse: 9.5 instead of 8.4, on the same sounds kept aside. {KEPT}"


@pytest.mark.parametrize(
    ("new", "old", "sentence"),
    [
        (8.42, 8.44, "The new one is better: 8.42 instead of 8.44, on the same sounds kept aside."),
        (8.44, 8.42, "The new one is worse: 8.44 instead of 8.42, on the same sounds kept aside."),
        (8.4, 8.4, "Both are equally good: 8.40 on the same sounds kept aside."),
        (8.4049, 8.4, "Both are equally good: 8.40 on the same sounds kept aside."),
        (9.0, None, "The new one reaches 9.0; the one in the file can't be measured on the sounds that are kept aside"),
    ],
)
def test_both_values_are_shown_as_exactly_as_they_differ(
    with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch, new: float, old: float | None, sentence: str
) -> None:
    question = _asked(with_prior, make_trained([an_epoch(3, new)], file_prior=FilePrior(old, decides=True)))
    assert sentence in question.text


def test_one_worse_than_guessing_is_asked_about_whatever_the_file_reaches(
    with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch
) -> None:
    guesses = "The new one knows no more than how common each code is."
    for file_prior, more in [
        (FilePrior(8.4, decides=True), "The new one is worse: 400 instead of 8.4, on the same sounds kept aside. "),
        (
            FilePrior(500.0, decides=False),
            "The new one reaches 400. The one in the file reaches 500, but may have learned from the sounds that "
            "are kept aside now. ",
        ),
        (FilePrior(None, decides=False), ""),
    ]:
        question = _asked(with_prior, make_trained([an_epoch(3, 400.0)], file_prior=file_prior))
        assert (question.id, question.text) == ("worsePriorQuestion", f"{guesses} {more}{KEPT}")


def test_what_the_file_may_have_learned_from_is_shown_and_decides_nothing(
    with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch
) -> None:
    question = _asked(with_prior, make_trained([an_epoch(3, 9.5)], file_prior=FilePrior(8.23, decides=False)))
    assert question.id == "replacePriorQuestion"
    unsure = "The one in the file reaches 8.2, but may have learned from the sounds that are kept aside now."
    assert f"The new one reaches 9.5. {unsure}" in question.text


def test_a_model_without_a_prior_takes_any(model: ModelSummary, make_trained: Make, an_epoch: Epoch) -> None:
    trained = make_trained([an_epoch(3, 400.0)], file_prior=FilePrior(8.4, decides=True))
    state = State().with_open(model=model).with_training(trained=trained)
    assert state.objection == ""


def test_a_file_that_was_restored_is_compared_by_what_it_tells_itself(
    with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch
) -> None:
    trained = make_trained([an_epoch(3, 9.5)], file_prior=FilePrior(8.4, decides=True))
    state = State().with_open(model=with_prior)
    state = state.with_training(unsaved=True, trained=_over(with_prior, trained))
    assert state.objection
    restored = replace(with_prior, stamp=replace(with_prior.stamp, sha256="another file's"))
    opened = OpenedModel(restored, restored.path, None, has_previous=True, unfinished=None)
    state, news = restoring(restored.path).take(state, (restored.path, opened))
    assert state.objection == ""
    assert news == [("model_changed", restored), ("restored", restored.path)]
    assert state.training.trained is not None
    unmeasured = "The new one reaches 9.5; the one in the file can't be measured on the sounds that are kept aside now."
    assert questions.replace_prior(restored, state.training.trained).text == f"{IN_THE_FILE} {unmeasured} {KEPT}"


def test_one_worse_than_guessing_is_asked_about_also_over_a_prior_that_came_back(
    model: ModelSummary, with_prior: ModelSummary, make_trained: Make, an_epoch: Epoch
) -> None:
    state = State().with_open(model=model).with_training(unsaved=True, trained=make_trained([an_epoch(3, 400.0)]))
    assert state.objection == ""
    opened = OpenedModel(with_prior, with_prior.path, None, has_previous=True, unfinished=None)
    state, _ = restoring(with_prior.path).take(state, (with_prior.path, opened))
    assert "no better than guessing" in state.objection


def test_numbers_of_an_older_measure_are_marked(make_trained: Make, an_epoch: Epoch) -> None:
    older = read_summary(REFERENCE)
    told = "Has learned your sounds (8.2 of 64, by an older measure), "
    assert told in _asked(older, make_trained([an_epoch(3, 7.0)])).text
    assert told in questions.restore_previous(REFERENCE, older).text


def test_quitting_names_the_epoch_that_a_stop_keeps(an_epoch: Epoch) -> None:
    training = TrainingState().with_epoch(an_epoch(11, 4.9)).with_epoch(an_epoch(14, 4.5, kept=11))
    question = questions.quit_while_training(training)
    assert question.text.startswith("Epoch 14 of 50. What it has learned by epoch 11 (4.9) is not saved. Distill ")
    assert [choice.id for choice in questions.quit_while_training(TrainingState()).choices] == ["discard", "cancel"]


def test_perplexity_is_explained_with_the_verdicts_of_today() -> None:
    for word in ("memorizing", "fitting", "learning"):
        assert f"“{word}”" in PERPLEXITY_EXPLAINED
    assert "flat architecture" not in PERPLEXITY_EXPLAINED
