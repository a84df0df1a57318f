"""What nodes are tried with, a clip for each language: edited by operators (ND10)."""

import io
import pathlib
import wave
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from operators.db.pool_models import check_languages
from scheduling.model.languages import normalize
from scheduling.model.probes import Probe, read_words

CLIPS = pathlib.Path(__file__).parent.parent / "clips"
MOST_BYTES = 1_000_000
_MOST_WORDS = 50
_LEAST_S, _MOST_S = 0.3, 20.0
_RATES = (8_000, 48_000)


def check_language(code: Any) -> None:
    """Refuse what names no language.

    :raises ValidationError: it does not
    """
    check_languages([code])


def check_words(words: Any) -> None:
    """Refuse what is not a list of words somebody could say.

    :raises ValidationError: it says what is wrong
    """
    if not words or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValidationError(_("a list of words"))
    if len(words) > _MOST_WORDS:
        raise ValidationError(_("at most {most} words").format(most=_MOST_WORDS))
    silent = [word for word in words if not read_words(word)]
    if silent:
        raise ValidationError(_("{word} is no word: nobody says it").format(word=repr(silent[0])))


def check_clip(clip: Any) -> None:
    """Refuse what cannot be sent to a node as speech.

    :raises ValidationError: it says what is wrong
    """
    read_clip(bytes(clip))


def read_clip(clip: bytes) -> tuple[bytes, int]:
    """Return the samples of a WAV file, and how many of them are a second.

    :raises ValidationError: it is none of ours; it says what is wrong
    """
    if len(clip) > MOST_BYTES:
        told = _("The clip has more than {most} bytes; a sentence is enough.")
        raise ValidationError(told.format(most=MOST_BYTES))
    try:
        with wave.open(io.BytesIO(clip)) as read:
            channels, width, rate = read.getnchannels(), read.getsampwidth(), read.getframerate()
            samples = read.readframes(read.getnframes())
    except (wave.Error, EOFError, ValueError) as error:
        raise ValidationError(_("The clip is no WAV file with PCM samples.")) from error
    if (channels, width) != (1, 2) or not _RATES[0] <= rate <= _RATES[1]:
        raise ValidationError(_("The clip must have one channel, 16 bits, and 8 to 48 kHz."))
    if not _LEAST_S <= len(samples) / (2 * rate) <= _MOST_S:
        told = _("The clip must last {least} to {most} seconds.")
        raise ValidationError(told.format(least=_LEAST_S, most=f"{_MOST_S:.0f}"))
    if not any(samples):
        raise ValidationError(_("The clip is silent: nobody hears a word in it."))
    return samples, rate


class SpeechProbe(models.Model):
    """A clip in one language, and words that every node must hear in it."""

    language = models.CharField(
        max_length=35,
        unique=True,
        validators=[check_language],
        help_text="of the clip; nodes that understand it are probed",
    )
    words = models.JSONField(
        validators=[check_words],
        help_text="all of them must be heard; few, plain ones that no node writes as figures",
    )
    clip = models.BinaryField(validators=[check_clip], help_text="WAV")
    enabled = models.BooleanField(default=True)
    found = models.CharField(max_length=200, blank=True, editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["language"]
        verbose_name = "probe"

    def __str__(self) -> str:
        return self.language

    def clean(self) -> None:
        """Refuse a second probe of a language that is spelt in another way.

        :raises ValidationError: there is one
        """
        others = SpeechProbe.objects.exclude(pk=self.pk).only("language")
        if any(normalize(other.language) == normalize(self.language) for other in others):
            raise ValidationError({"language": _("There is a probe of this language already.")})

    def to_probe(self) -> Probe | None:
        """Return it as nodes are tried with it, None where the row is none."""
        try:
            check_language(self.language)
            check_words(self.words)
            samples, rate = read_clip(bytes(self.clip or b""))
        except ValidationError:
            return None
        return Probe(
            language=normalize(self.language),
            words=tuple(self.words),
            audio=samples,
            sample_rate=rate,
        )


def note_found(language: str, *, passed: bool, failed: int) -> None:
    """Keep what came of a probe, for its page."""
    told = "some node heard these words"
    if not passed:
        told = f"no node heard these words yet, {failed} did not: so none is judged by them"
    for row in SpeechProbe.objects.only("language"):
        if normalize(row.language) == language:
            SpeechProbe.objects.filter(pk=row.pk).update(found=told)
