"""Who an operator is whom a provider of logins vouches for, and what that one may do (RE10)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils.translation import gettext as _

from operators.db.login_provider import LoginProvider
from operators.db.tenant_readers import PREFIX

_NAME_MAX, _SHOWN_MAX, _SUBJECT_MAX, _MOST_GROUPS = 150, 150, 255, 1_000


class NotAdmitted(Exception):
    """A login that the provider vouched for, and that gets nobody in; the text is for people."""


def check_claims(claims: Mapping[str, Any], trust: LoginProvider) -> str:
    """Return who is meant, as the provider knows them.

    :raises NotAdmitted: the token is another's, or for another, or names nobody
    """
    if str(claims.get("iss", "")).rstrip("/") != trust.issuer.rstrip("/"):
        raise NotAdmitted(_("The token was not made by the provider that is trusted here."))
    audience = claims.get("aud")
    meant = [audience] if isinstance(audience, str) else audience
    if not isinstance(meant, list) or trust.client_id not in meant:
        raise NotAdmitted(_("The token was made for another application."))
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_MAX:
        raise NotAdmitted(_("The token does not say whose it is."))
    return subject


def find_roles(claims: Mapping[str, Any], trust: LoginProvider) -> list[str]:
    """Return the roles of the groups that a token lists; of what is no list of texts none."""
    listed = claims.get(trust.claim)
    groups: Sequence[Any] = [listed] if isinstance(listed, str) else listed or []
    if not isinstance(groups, list) or len(groups) > _MOST_GROUPS:
        return []
    known = {trust.roles[each] for each in groups if isinstance(each, str) and each in trust.roles}
    return sorted(known)


def admit(claims: Mapping[str, Any], trust: LoginProvider) -> User:
    """Return the account of who logged in, with just the roles that its token tells now.

    Nobody gets an account that has a password here, whatever the provider calls them.

    :raises NotAdmitted: who that is has no role, was switched off, or is not the provider's to name
    """
    subject = check_claims(claims, trust)
    roles = find_roles(claims, trust)
    with transaction.atomic():
        account = User.objects.filter(username=_name(subject, trust)).first()
        if account is not None and account.has_usable_password():
            raise NotAdmitted(
                _("An account with a password has this name; its owner must rename it.")
            )
        if account is not None and not account.is_active:
            raise NotAdmitted(_("Your account was switched off here."))
        if account is None and roles:
            account = User(username=_name(subject, trust))
            account.set_unusable_password()
        if account is not None:
            account.is_staff, account.is_superuser = bool(roles), False
            account.first_name = _show(claims.get("name") or claims.get("preferred_username"))
            account.email = _show(claims.get("email"))
            account.save()
            for role in roles:
                if role.startswith(PREFIX):
                    Group.objects.get_or_create(name=role)
            account.groups.set(Group.objects.filter(name__in=roles))
            account.user_permissions.clear()
    if account is None or not roles:
        raise NotAdmitted(
            _(
                "None of the groups in the claim “%(claim)s” has a role here. Ask whoever runs this"
                " server, or your provider of logins."
            )
            % {"claim": trust.claim}
        )
    return account


def _name(subject: str, trust: LoginProvider) -> str:
    """Return a name that is one person's alone: providers let people choose all others."""
    sealed = hashlib.sha256(f"{trust.issuer.rstrip('/')}\n{subject}".encode()).hexdigest()[:32]
    is_plain = subject.isascii() and subject.isprintable() and " " not in subject
    shown = f"{subject[:64]}-" if is_plain else ""
    return f"sso-{shown}{sealed}"[:_NAME_MAX]


def _show(text: Any) -> str:
    """Return what a provider says of somebody, for people to read."""
    return "".join(filter(str.isprintable, text))[:_SHOWN_MAX] if isinstance(text, str) else ""
