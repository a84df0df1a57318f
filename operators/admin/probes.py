"""Operators' page for probes: what nodes are tried with, and what came of it."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from operators.admin.pools import WordsField
from operators.console.permissions import find_console
from operators.db.probe_models import MOST_BYTES, SpeechProbe, read_clip
from scheduling.model.languages import normalize

if TYPE_CHECKING:
    # The stubs' parameters do not exist when the program runs.
    ProbePages = admin.ModelAdmin[SpeechProbe]
    ProbeFields = forms.ModelForm[SpeechProbe]
else:
    ProbePages = admin.ModelAdmin
    ProbeFields = forms.ModelForm


class SpeechProbeForm(ProbeFields):
    """Words as words, the clip as a file."""

    words = WordsField(
        label=_("Words"), help_text=_("All of them must be heard: few and plain ones.")
    )
    clip_file = forms.FileField(
        label=_("Clip"),
        required=False,
        help_text=_("WAV with one channel and 16 bits, a sentence long. Empty: the clip stays."),
    )

    class Meta:
        model = SpeechProbe
        fields = ("language", "words", "enabled")

    def clean_clip_file(self) -> bytes | None:
        """Read the clip, and say what is wrong with it.

        :raises ValidationError: there is none, or nobody could use it
        """
        uploaded = self.cleaned_data["clip_file"]
        if uploaded is None:
            if not self.instance.clip:
                raise ValidationError(_("A probe needs its clip."))
            return None
        clip: bytes = uploaded.read(MOST_BYTES + 1)
        read_clip(clip)
        return clip

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Keep the clip with the rest."""
        clip = self.cleaned_data["clip_file"]
        if clip is not None:
            self.instance.clip = clip
        self.instance.found = ""
        return super().save(commit)


@admin.register(SpeechProbe)
class SpeechProbeAdmin(ProbePages):
    """Clips and their words, in use within a second after they are saved."""

    form: Any = SpeechProbeForm
    list_display = ("language", "list_words", "enabled", "found")
    readonly_fields = ("found",)

    def save_model(self, request: HttpRequest, obj: SpeechProbe, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save, and tell where no node will be probed by it."""
        super().save_model(request, obj, form, change)
        console = find_console(request)
        service = console.fleet_service if console else None
        if service is not None and not service.hears(normalize(obj.language)):
            told = _(
                "No node that is connected understands {language}: none is probed by this."
            ).format(language=obj.language)
            self.message_user(request, told, messages.WARNING)

    @admin.display(description=_("words"))
    def list_words(self, probe: SpeechProbe) -> str:
        return " ".join(probe.words)
