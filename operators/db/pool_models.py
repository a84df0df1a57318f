"""What operators own of placement: pools, tenants and switches, checked when they are saved."""

import math
from typing import Any, ClassVar

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _

from scheduling.model import ids
from scheduling.model.languages import AUTO, UnreadableLanguage, normalize, read_language
from scheduling.placement.pool_config import PoolRules, TenantRule
from scheduling.placement.pools import Pool, PoolKind

SERVICE_TYPES = ("asr", "nmt", "tts", "semantic", "tone")
_OWN_PREFIXES = ("p-", "bucket-")
_NAMING = (("pair", "one direction"), ("bidirectional", "both directions"))
_MODES = (("two_level", "pools, then nodes"), ("single", "nodes alone"))
_SCOPES = (("core_only", "asr, nmt and tts"), ("all_required", "all services"))
_MATCHES = (("contains", "may offer more"), ("exact", "must offer just that"))


def check_id(text: str) -> None:
    """Refuse what cannot be part of a Redis key.

    :raises ValidationError: it cannot
    """
    if not ids.is_tag_safe(text):
        raise ValidationError(_("1 to 64 letters, digits, dots, underscores or dashes"))


def check_services(types: Any) -> None:
    """Refuse what is not a list of known service types.

    :raises ValidationError: it names the unknown one
    """
    _check_list(types)
    unknown = sorted(set(types) - set(SERVICE_TYPES))
    if unknown:
        told = _("no service is called {name}: {known}")
        raise ValidationError(told.format(name=unknown[0], known=", ".join(SERVICE_TYPES)))


def check_languages(codes: Any) -> None:
    """Refuse what is not a list of language codes.

    :raises ValidationError: it names the one that is none
    """
    _check_list(codes)
    for code in codes:
        try:
            key = read_language(code)
        except UnreadableLanguage as error:
            raise ValidationError(str(error)) from error
        if key == AUTO:
            raise ValidationError(_("{code} names no language").format(code=repr(code)))


def check_nodes(node_ids: Any) -> None:
    """Refuse what is not a list of node ids.

    :raises ValidationError: it is none
    """
    _check_list(node_ids)
    for node_id in node_ids:
        check_id(node_id)


def _check_list(rows: Any) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise ValidationError(_("a list of texts"))


class OwnedPool(models.Model):
    """A pool that operators make; pools of languages Lingua makes by itself."""

    KINDS: ClassVar = [
        (PoolKind.CAPABILITY.value, "capability: each node is in the most specific one"),
        (PoolKind.TENANT.value, "tenant: for the tenants that are sent there, nobody else"),
    ]

    pool_id = models.CharField(
        max_length=64,
        unique=True,
        validators=[check_id],
        help_text="what tenants, decisions and metrics call it; never changed afterwards",
    )
    name = models.CharField(max_length=100, blank=True, help_text="for people")
    kind = models.CharField(max_length=16, choices=KINDS, default=PoolKind.CAPABILITY.value)
    required = models.JSONField(
        "required services",
        default=list,
        blank=True,
        validators=[check_services],
        help_text="a node must have all of them installed",
    )
    languages = models.JSONField(
        default=list,
        blank=True,
        validators=[check_languages],
        help_text="languages a node must know, for instance en de; empty: any",
    )
    nodes = models.JSONField(
        default=list,
        blank=True,
        validators=[check_nodes],
        help_text="of a tenant pool: the only nodes in it; empty: any that qualifies",
    )

    class Meta:
        ordering: ClassVar = ["pool_id"]
        verbose_name = "pool"

    def __str__(self) -> str:
        return f"{self.name} ({self.pool_id})" if self.name else self.pool_id

    def clean(self) -> None:
        """Refuse pools that could not do what they seem to.

        :raises ValidationError: for each field, what is wrong and what to do
        """
        if self.pool_id.startswith(_OWN_PREFIXES):
            raise ValidationError(
                {
                    "pool_id": _(
                        "Ids that begin with p- or bucket- are those of pools made by Lingua."
                    )
                }
            )
        if self.kind == PoolKind.CAPABILITY:
            if not self.required:
                raise ValidationError(
                    {
                        "required": _(
                            "A capability pool needs at least one service: without, it"
                            " would say nothing of its nodes."
                        )
                    }
                )
            if self.nodes:
                raise ValidationError(
                    {
                        "nodes": _(
                            "Nodes enter a capability pool by what they have installed; only"
                            " a tenant pool can name them."
                        )
                    }
                )

    def to_pool(self) -> Pool:
        """Return it as the published document has it."""
        return Pool(
            pool_id=self.pool_id,
            kind=PoolKind(self.kind),
            languages=tuple(sorted({normalize(code) for code in self.languages})),
            required=tuple(kind for kind in SERVICE_TYPES if kind in self.required),
            name=self.name,
            nodes=tuple(sorted(self.nodes)),
        )


class TenantPolicy(models.Model):
    """What one tenant may have, and where its jobs go."""

    tenant_id = models.CharField(max_length=64, unique=True, validators=[check_id])
    pool = models.ForeignKey(
        OwnedPool,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="its jobs go there and nowhere else; empty: where everyone's go",
    )
    max_jobs = models.PositiveIntegerField(default=0, help_text="jobs at a time; 0: no limit")
    jobs_per_s = models.FloatField(
        "jobs per second",
        default=0,
        validators=[MinValueValidator(0)],
        help_text="on average; 0: no limit",
    )
    burst = models.PositiveIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="jobs that may come at once where their rate is limited",
    )
    min_slots = models.PositiveIntegerField(
        "guaranteed slots", default=0, help_text="others borrow no more than leaves it these"
    )
    weight = models.FloatField(
        default=1, help_text="waiting jobs are served in proportion to it; above 0"
    )

    class Meta:
        ordering: ClassVar = ["tenant_id"]
        verbose_name_plural = "tenant policies"

    def __str__(self) -> str:
        return self.tenant_id

    def clean(self) -> None:
        """Refuse figures that contradict each other.

        :raises ValidationError: for each field, what is wrong and what to do
        """
        weight, rate = self.weight, self.jobs_per_s
        if not (math.isfinite(weight) and weight > 0):
            raise ValidationError(
                {"weight": _("Waiting jobs of weight 0 would never be served: use a small one.")}
            )
        if not math.isfinite(rate):
            raise ValidationError({"jobs_per_s": _("Not a rate; 0 means no limit.")})
        if self.max_jobs and self.min_slots and self.min_slots > self.max_jobs:
            raise ValidationError(
                {
                    "min_slots": _(
                        "{slots} slots are guaranteed, but the tenant may have"
                        " {jobs} jobs at a time: the rest would stand empty for ever."
                    ).format(slots=self.min_slots, jobs=self.max_jobs)
                }
            )

    def to_rule(self) -> TenantRule:
        """Return it as the published document has it."""
        return TenantRule(
            tenant_id=self.tenant_id,
            pool_id=self.pool.pool_id if self.pool else "",
            max_jobs=self.max_jobs,
            jobs_per_s=self.jobs_per_s,
            burst=self.burst,
            min_slots=self.min_slots,
            weight=self.weight,
        )


def _switch(help_text: str) -> Any:
    return models.BooleanField(null=True, blank=True, help_text=help_text)


def _choice(choices: tuple[tuple[str, str], ...], help_text: str) -> Any:
    return models.CharField(max_length=16, blank=True, choices=choices, help_text=help_text)


def _figure(most: int, help_text: str) -> Any:
    limits = [MinValueValidator(1), MaxValueValidator(most)]
    return models.PositiveIntegerField(
        null=True, blank=True, validators=limits, help_text=help_text
    )


class PoolSwitches(models.Model):
    """One row: what operators set otherwise than the installation's settings; the rest is empty."""

    enabled = _switch("place jobs by pools")
    mode = _choice(_MODES, "what is looked into first")
    auto_language = _switch("make pools of languages; off, capability pools count")
    generate_pairs = _switch("make a pool for each pair that most nodes serve, too")
    naming = _choice(_NAMING, "what a made pair serves")
    min_nodes_per_pool = _figure(10_000, "nodes a made pair needs")
    max_pools = _figure(10_000, "most made pairs, and most sets")
    require_semantic = _switch("only nodes with semantic repair enter pools of languages")
    enable_mixed = _switch("make pools for speakers whose language is not known")
    pool_count = _figure(1024, "hash buckets where no pool is configured")
    match_scope = _choice(_SCOPES, "which of a job's services a capability pool must offer")
    match_mode = _choice(_MATCHES, "whether a capability pool may offer more")
    strict_eligibility = _switch("refuse a job without a pool at once")
    fallback_scan_all = _switch("try the other pools when the first has no room")
    session_affinity = _switch("choose pools by the hash of tenant or session")
    tenant_fallback = _switch("tenants whose pool is missing go where everyone goes")
    strict_preferred_node = _switch("refuse a job whose designated node cannot take it")
    spread = _switch("avoid the node a session used last")

    class Meta:
        verbose_name = "switches"
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return _("switches of placement")

    def clean(self) -> None:
        """Refuse switches of which one makes the other mean nothing.

        :raises ValidationError: it says which
        """
        if self.strict_eligibility and self.tenant_fallback:
            raise ValidationError(
                {
                    "tenant_fallback": _(
                        "Where jobs without a pool are refused, tenants do not fall"
                        " back either: switch one of the two off."
                    )
                }
            )

    def to_rules(self, settings: PoolRules) -> PoolRules:
        """Return the settings with what operators set otherwise."""
        named = {name: getattr(self, name) for name in list_switches()}
        chosen = {name: value for name, value in named.items() if value not in {None, ""}}
        return msgspec.structs.replace(settings, **chosen)


def list_switches() -> tuple[str, ...]:
    """Return the names of the switches that operators own."""
    fields = PoolSwitches._meta.get_fields()  # noqa: SLF001 - Django's public name for it is this one
    return tuple(field.name for field in fields if field.name != "id")
