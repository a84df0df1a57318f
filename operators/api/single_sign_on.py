"""Log in at a provider of OpenID Connect: sent there, and back with a code (RE10)."""

import logging
from datetime import timedelta
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from operators.db.datetimes import now
from operators.db.installation import get_installation
from operators.db.login_provider import LoginProvider
from operators.db.single_sign_on import NotAdmitted, admit

_logger = logging.getLogger(__name__)

_BACKEND = "django.contrib.auth.backends.ModelBackend"
_NEXT = "single_sign_on_next"
_WAIT_S = 5.0
# With these nobody signs who does not have the provider's private key.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_FORBIDDEN, _AWAY = 403, 503


@require_GET
def begin(request: HttpRequest) -> HttpResponse:
    """Send somebody to the provider."""
    trust = get_installation().single_sign_on
    if trust is None:
        return _refuse(request, _("Single sign-on is not set up on this server."))
    after = request.GET.get("next", "")
    request.session[_NEXT] = after if _is_ours(request, after) else ""
    try:
        client = _open_client(trust)
        answer: HttpResponse = client.authorize_redirect(
            request, request.build_absolute_uri(reverse("sso_done"))
        )
    except Exception as error:  # noqa: BLE001 - whatever a provider answers is no fault of ours
        return _tell_away(request, error)
    return answer


@require_GET
def finish(request: HttpRequest) -> HttpResponse:
    """Take somebody in whom the provider vouches for, or say why not."""
    trust = get_installation().single_sign_on
    if trust is None:
        return _refuse(request, _("Single sign-on is not set up on this server."))
    from authlib.integrations.base_client import OAuthError  # noqa: PLC0415 - an optional extra
    from joserfc.errors import JoseError  # noqa: PLC0415 - it comes with it

    unbelieved = _("The provider's answer cannot be believed, or is too old. Log in again.")
    try:
        token = _open_client(trust).authorize_access_token(request)
        # Authlib puts them there beside a token that it checked; without one the provider did.
        claims = token.get("userinfo") if token.get("id_token") else None
        account = admit(claims or {}, trust)
    except NotAdmitted as refused:
        return _refuse(request, str(refused))
    except (OAuthError, JoseError) as error:
        return _refuse(request, unbelieved, error)
    except Exception as error:  # noqa: BLE001 - whatever a provider answers is no fault of ours
        return _tell_away(request, error)
    after = request.session.get(_NEXT, "")
    login(request, account, backend=_BACKEND)
    # Whoever lost a group there keeps its role here so long, however busy.
    request.session.set_expiry(now() + timedelta(seconds=trust.session_s))
    return HttpResponseRedirect(after or "/dashboard")


def _make_client(trust: LoginProvider) -> Any:
    from authlib.integrations.django_client import OAuth  # noqa: PLC0415 - an optional extra

    registry: Any = OAuth
    return registry().register(
        name="operators",
        server_metadata_url=f"{trust.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_id=trust.client_id,
        client_secret=trust.client_secret,
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": _WAIT_S,
        },
    )


def _open_client(trust: LoginProvider) -> Any:
    """Return a client, to which the provider has just told its addresses.

    :raises Exception: the provider did not answer, or with something else
    """
    client = _make_client(trust)
    told = client.load_server_metadata()
    if str(told.get("issuer", "")).rstrip("/") != trust.issuer.rstrip("/"):
        raise ValueError("the provider gives itself another name")
    told["id_token_signing_alg_values_supported"] = _ALGORITHMS
    return client


def _is_ours(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


def _tell_away(request: HttpRequest, error: Exception) -> HttpResponse:
    said = _("The provider of logins does not answer as it should. Try again in a moment.")
    return _refuse(request, said, error, status=_AWAY)


def _refuse(
    request: HttpRequest, said: str, error: Exception | None = None, *, status: int = _FORBIDDEN
) -> HttpResponse:
    """Say why nobody was let in; what the provider itself wrote is for the log alone."""
    reason = type(error).__name__ if error is not None else said
    _logger.warning("a single sign-on got nobody in: %s", reason)
    user_login_failed.send(sender=__name__, credentials={"username": "single sign-on"})
    return render(request, "operators/sign-on-refused.html", {"said": said}, status=status)
