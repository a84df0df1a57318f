"""Every table of operators, where Django looks for them; each is written in `operators.db`.

What tables, columns and choices are called is English there, and translated from here.
"""

from collections.abc import Iterator

from django.db.models import Field, Model
from django.utils.translation import gettext_lazy

from operators.db.job_models import EndedJob
from operators.db.node_models import Cordon, FleetNode
from operators.db.pool_models import OwnedPool, PoolSwitches, TenantPolicy
from operators.db.probe_models import SpeechProbe
from operators.db.token_models import ApiToken, AuditChain, AuditEntry, FleetRight, NodeToken

__all__ = [
    "ApiToken",
    "AuditChain",
    "AuditEntry",
    "Cordon",
    "EndedJob",
    "FleetNode",
    "FleetRight",
    "NodeToken",
    "OwnedPool",
    "PoolSwitches",
    "SpeechProbe",
    "TenantPolicy",
]


def list_names() -> Iterator[str]:
    """Yield what people read of tables: their names, those of columns, helps and choices."""
    for model in _list_models():
        yield from (str(model._meta.verbose_name), str(model._meta.verbose_name_plural))  # noqa: SLF001 - Django's public name for it is this one
        for column in _list_columns(model):
            yield from (str(column.verbose_name), str(column.help_text))
            yield from (str(label) for value, label in column.choices or () if label != value)


def _list_models() -> list[type[Model]]:
    return [globals()[name] for name in __all__]


def _list_columns(model: type[Model]) -> "list[Field[object, object]]":
    return [column for column in model._meta.local_fields if not column.auto_created]  # noqa: SLF001 - as above


def _translate_names() -> None:
    """Let each name be read in the language of whoever looks; migrations see the English ones."""
    for model in _list_models():
        meta = model._meta  # noqa: SLF001 - as above
        plural = str(meta.verbose_name_plural)
        meta.verbose_name = gettext_lazy(str(meta.verbose_name))
        meta.verbose_name_plural = gettext_lazy(plural)
        for column in _list_columns(model):
            column.verbose_name = gettext_lazy(str(column.verbose_name))
            if column.help_text:
                column.help_text = gettext_lazy(str(column.help_text))
            if column.choices:
                column.choices = [
                    (value, label if label == value else gettext_lazy(str(label)))
                    for value, label in column.choices
                ]


_translate_names()
