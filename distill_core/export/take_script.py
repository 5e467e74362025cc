"""A model as a program of TorchScript that makes takes: the prior, the codec, and the way from codes to sound.

It is compiled from the functions that `generate` calls. Of its own it has the order in which a whole take needs them,
where `generate` has streams, and the random numbers without NumPy.
"""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants.
import torch
from torch import Tensor, nn

from distill_core.audio.geometry import Geometry
from distill_core.audio.true_peak import PeakMeter
from distill_core.errors import ModelFileError
from distill_core.generation.philox import uniform_numbers_of_units
from distill_core.generation.plan import SECONDS_FADE_S, require_prior, units_of
from distill_core.generation.rendering import CUT_FADE_S, END_FADE_S, cross_fade, end_faded
from distill_core.generation.sampling import draw, keep_top_p, probabilities, ready_for_decoding, unit_steps
from distill_core.models.codec import SoundOfCodes
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Prior, ScriptableDecoder
from distill_core.models.temperature import temperature_of
from distill_core.text import LONGEST_NAME, printable

_DRAWING_PERCENT = 75.0  # of the time that a take needs; the others are its sound's


class TakeScript(nn.Module):
    """A model's takes. Meanwhile another thread may read `progress` (percent) and set `is_cancelled`.

    A take that is cancelled has no samples. `codes_WHQ` are the codes of the last one.
    """

    def __init__(
        self, prior: Prior, decoder: ScriptableDecoder, sound: SoundOfCodes, geometry: Geometry, fitted: float
    ) -> None:
        super().__init__()
        self.fitted_temperature = fitted
        self.decoder, self.sound, self.meter = decoder, sound, PeakMeter()
        self.rate, self.step_samples = geometry.sample_rate, geometry.step_samples
        self.bands, self.levels = geometry.bands, geometry.levels
        self.is_seconds, self.may_end = prior.layout == "chunks", prior.learns_end
        self.unit_codes = geometry.codes_per_step * unit_steps(prior, geometry.bands)
        self.cut_fade, self.end_fade = round(CUT_FADE_S * self.rate), round(END_FADE_S * self.rate)
        self.seconds_fade = round(SECONDS_FADE_S * self.rate)
        self.drawing_percent = _DRAWING_PERCENT
        self.progress, self.is_cancelled = 0.0, False
        self.codes_WHQ = torch.empty(0, geometry.bands, geometry.levels, dtype=torch.long)

    def forward(self, seconds: float, temperature: float, top_p: float, seed: int) -> Tensor:
        """Return the take `[T]` (float32) that `generate` makes, with its gain."""
        with torch.no_grad():
            self.progress = 0.0
            samples = max(1, int(round(seconds * self.rate)))  # noqa: RUF046 - a float in TorchScript
            sounds = self._drawn(self._units(samples), temperature * self.fitted_temperature, top_p, seed)
            self.decoder.begin(0)
            self.codes_WHQ = torch.cat([self.codes_WHQ[:0]] + sounds)  # noqa: RUF005 - TorchScript unpacks no list
            waveform_T = end_faded(self._waveform(sounds, samples)[:samples], self.cut_fade)
            return waveform_T[:0] if self.is_cancelled else waveform_T * self.meter.safe_gain(waveform_T, False, 0.0)

    def _units(self, samples: int) -> int:
        if self.is_seconds:
            return units_of(samples, self.rate, self.seconds_fade)
        return units_of(samples, self.step_samples, 0)

    def _drawn(self, units: int, temperature: float, top_p: float, seed: int) -> list[Tensor]:
        """Return the codes `[W, H, Q]` of a take's sounds, as `draw_sounds` draws them."""
        uniform_UT = uniform_numbers_of_units(seed, units, self.unit_codes + 1)
        sounds: list[Tensor] = []
        drawn = 0
        while drawn < units and not self.is_cancelled:
            self.decoder.begin(1)
            codes_1T = torch.zeros(1, (units - drawn) * self.unit_codes, dtype=torch.long)
            length, has_ended = 0, False
            while drawn < units and not has_ended and not self.is_cancelled:
                for place in range(self.unit_codes):
                    if not self.is_cancelled:
                        shares_1K = probabilities(self.decoder.logits(codes_1T, length), temperature)
                        uniform_1 = uniform_UT[drawn, place : place + 1]
                        codes_1T[:, length] = draw(keep_top_p(shares_1K, top_p), uniform_1)
                        length += 1
                has_ended = self.is_seconds or (self.may_end and self._has_ended(codes_1T, length, uniform_UT[drawn]))
                drawn += 1
                self.progress = self.drawing_percent * drawn / units
            whole = length // self.unit_codes * self.unit_codes  # less than all where it was cancelled
            if whole > 0:
                sounds.append(self.decoder.in_steps(codes_1T[:, :whole], self.bands)[0])
        return sounds

    def _has_ended(self, codes_1T: Tensor, length: int, uniform_T: Tensor) -> bool:
        shares_1 = self.decoder.end_logits(codes_1T, length).double().sigmoid()
        return bool(uniform_T[-1] < shares_1[0])

    def _waveform(self, sounds: list[Tensor], samples: int) -> Tensor:
        """Return the sound of sounds: one after another as they fade, or seconds that fade into each other."""
        waveform_T = torch.zeros(0)
        for codes_WHQ in sounds:
            if not self.is_cancelled:
                sound_T = self._sound(codes_WHQ, len(waveform_T), samples)
                if not self.is_seconds:
                    waveform_T = torch.cat([waveform_T, end_faded(sound_T, self.end_fade)])
                else:
                    sound_T = sound_T[: self.rate]
                    kept = max(0, len(waveform_T) - self.seconds_fade)
                    joined_T = cross_fade(waveform_T[kept:], sound_T[: len(waveform_T) - kept])
                    waveform_T = torch.cat([waveform_T[:kept], joined_T, sound_T[len(joined_T) :]])
        return waveform_T

    def _sound(self, codes_WHQ: Tensor, samples_before: int, samples: int) -> Tensor:
        """Return the sound of one sound's codes, as `Codec.audio_of` makes it of blocks."""
        steps, back, ahead = self.sound.block_steps, self.sound.back_steps, self.sound.ahead_steps
        blocks = [torch.zeros(1, 0)]
        past_BT: Tensor | None = None
        waiting: Tensor | None = None
        done = 0
        while done < len(codes_WHQ) and not self.is_cancelled:
            left = len(codes_WHQ) - done
            own, begin = steps if left >= steps + ahead else left, max(0, done - back)
            log_mel = self.sound.log_mel(codes_WHQ[begin : done + own + ahead], done - begin, own)
            block_1T, past_BT, waiting = self.sound.inversion.next_block(log_mel, past_BT, waiting)
            blocks.append(block_1T)
            done += own
            made = min(1.0, (samples_before + done * self.step_samples) / samples)
            self.progress = self.drawing_percent + (100.0 - self.drawing_percent) * made
        if waiting is not None and not self.is_cancelled:
            blocks.append(self.sound.inversion.last_block(waiting, past_BT))
        return self.sound.finished(torch.cat(blocks, 1)[0])


def take_script(loaded: LoadedVQModel) -> TakeScript:
    """Return the program of a model's takes, to be compiled.

    Raises:
        ModelFileError: the model has no prior that can be read, or its kind of codec or prior has no such program.
    """
    prior = ready_for_decoding(require_prior(loaded), torch.float64)
    decoder, sound = prior.decoder(0), loaded.model.sound_of_codes()
    if not isinstance(decoder, ScriptableDecoder):
        raise _refusal(loaded, f"the prior architecture {prior.architecture}")
    if sound is None:
        raise _refusal(loaded, f"the codec {loaded.model.architecture}")
    return TakeScript(prior, decoder, sound, loaded.geometry, temperature_of(loaded.prior_metadata)).eval()


def _refusal(loaded: LoadedVQModel, kind: str) -> ModelFileError:
    name = printable(loaded.path.name, LONGEST_NAME)
    return ModelFileError(
        f"“{name}” can't be made into a plugin's model: {kind} can't leave Distill yet.",
        "Drag its takes into your DAW instead.",
    )
