"""Tokens, the rights that roles are made of, and the log of what was done."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from operators.db import datetimes
from scheduling.model import ids
from scheduling.model.credentials import Credential, Kind, Principal, Scope

API_SCOPES = (Scope.SESSION, Scope.READ, Scope.OPERATE, Scope.ADMIN)


def check_node_id(text: str) -> None:
    """Refuse what cannot be a node id.

    :raises ValidationError: it is none
    """
    if not ids.is_tag_safe(text):
        raise ValidationError(_("1 to 64 letters, digits, dots, underscores or dashes"))


class Token(models.Model):
    """A credential: its prefix is shown, its secret was shown once; a rotation is a new row."""

    name = models.CharField(max_length=100, help_text="whose it is, for people")
    prefix = models.CharField(max_length=32, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    principal_id = models.CharField(max_length=64, db_index=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="empty: never")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, editable=False)
    # Grows with each change, so that an older publication never wins over a newer one.
    version = models.BigIntegerField(default=0, editable=False)

    kind: ClassVar[Kind]

    class Meta:
        abstract = True
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def state(self) -> str:
        """Return one word: valid, revoked or expired."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= datetimes.now()
        return "expired" if is_over else "valid"

    def to_credential(self) -> Credential:
        """Return what sockets need to know of this token."""
        return Credential(
            principal=self.to_principal(),
            digest=self.digest,
            version=self.version,
            revoked=self.revoked_at is not None,
        )

    def to_principal(self) -> Principal:
        """Return whom the token makes its bearer."""
        raise NotImplementedError


class NodeToken(Token):
    """Lets nodes connect; with a node id, that node alone, and nobody else under its id."""

    kind = Kind.NODE

    node_id = models.CharField(
        max_length=64,
        blank=True,
        validators=[check_node_id],
        help_text="the only node id this token may use; empty: any that is nobody else's",
    )
    tenant_id = models.CharField(
        max_length=64,
        blank=True,
        validators=[check_node_id],
        help_text="the tenant whose sessions a private node serves without a code; empty: none",
    )

    class Meta(Token.Meta):
        verbose_name = "node token"

    def clean(self) -> None:
        """Refuse a node id that a valid token of somebody else names: both would get it in turn.

        :raises ValidationError: there is such a token
        """
        if not self._state.adding or not self.node_id:
            return
        others = NodeToken.objects.filter(node_id=self.node_id, revoked_at=None)
        for other in others.exclude(principal_id=self.principal_id):
            if other.state == "valid":
                raise ValidationError(
                    _("{token} names this node id: rotate it, or revoke it first").format(
                        token=other.prefix
                    )
                )

    def to_principal(self) -> Principal:
        return Principal(
            principal_id=self.principal_id,
            credential=self.prefix,
            scopes=(Scope.NODE,),
            node_id=self.node_id,
            tenant_id=self.tenant_id,
            expires_at_ms=datetimes.to_ms(self.expires_at),
        )


def check_scopes(scopes: Any) -> None:
    """Refuse scopes that an API token cannot have.

    :raises ValidationError: one is unknown, or there is none
    """
    known = {scope.value for scope in API_SCOPES}
    if not isinstance(scopes, list) or not scopes or not set(scopes) <= known:
        raise ValidationError(_("a list of {known}").format(known=", ".join(sorted(known))))


class ApiToken(Token):
    """Lets programs open sessions and use the API, as far as its scopes go."""

    kind = Kind.API

    scopes = models.JSONField(default=list, validators=[check_scopes])
    tenant_id = models.CharField(
        max_length=64,
        blank=True,
        validators=[check_node_id],
        help_text="the only tenant its sessions may belong to; empty: any",
    )

    class Meta(Token.Meta):
        verbose_name = "API token"

    def to_principal(self) -> Principal:
        return Principal(
            principal_id=self.principal_id,
            credential=self.prefix,
            scopes=tuple(Scope(scope) for scope in self.scopes),
            tenant_id=self.tenant_id,
            expires_at_ms=datetimes.to_ms(self.expires_at),
        )


class AuditEntry(models.Model):
    """One thing an operator did; written once, never changed, never deleted by us.

    `number` and `digest` are its place in the chain; entries of before there was one have none.
    """

    number = models.BigIntegerField(null=True, unique=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, editable=False)
    at = models.DateTimeField(default=datetimes.now, db_index=True)
    actor = models.CharField(max_length=150, help_text="a user name, a token's prefix or a command")
    action = models.CharField(max_length=64, db_index=True)
    target = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.target}"

    def save(self, **options: Any) -> None:
        """Write a new entry.

        :raises TypeError: the entry is written already
        """
        if not self._state.adding:
            raise TypeError("an audit entry is never changed")
        super().save(**options)

    def delete(self, **options: Any) -> Any:  # type: ignore[override] # no positional arguments here
        """Refuse.

        :raises TypeError: always
        """
        raise TypeError("an audit entry is never deleted")


class AuditChain(models.Model):
    """The end of the audit log's chain: one row, which every writer changes."""

    last_number = models.BigIntegerField(default=0)
    last_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.last_number} {self.last_digest}"


class FleetRight(models.Model):  # noqa: DJ008 - there are no rows to name
    """No table: the rights that the roles viewer, operator and admin are made of."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions: ClassVar = [
            ("view_fleet", "See statistics, nodes, sessions and jobs"),
            ("operate_fleet", "Drain, cordon, replay and change pools"),
            ("administer_fleet", "Issue and revoke tokens, see the audit log"),
        ]
