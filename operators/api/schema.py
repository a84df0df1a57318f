"""The API's description: what each view says of itself, and what is true of all."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.views import APIView

View = TypeVar("View", bound=type[APIView])


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """An API token as bearer."""

    target_class = "operators.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class LoginScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """The cookie of somebody logged in."""

    target_class = "operators.api.authentication.LoginAuthentication"
    name = "login"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def describe(**said: Any) -> Callable[[View], View]:
    """Say in the description what a view takes and answers, as `extend_schema` would of its method.

    A view of ours has one handler: to read, or to act.
    """

    def decorate(view: View) -> View:
        method = "post" if hasattr(view, "post") else "get"
        described: View = extend_schema_view(**{method: extend_schema(**said)})(view)
        return described

    return decorate


def add_refusals(result: dict[str, Any], **_named: Any) -> dict[str, Any]:
    """Describe, once for all operations, what anybody may be told: who asks wrongly, and for what.

    drf-spectacular calls it when the description is whole.
    """
    detail = _answer("Detail", "Nobody said who asks, or the token is not good.")
    for path, item in result["paths"].items():
        for operation in item.values():
            responses = operation["responses"]
            responses.setdefault("401", detail)
            responses.setdefault("429", _answer("Detail", "Whoever asks does so too often."))
            responses.setdefault("403", _answer("Detail", "Whoever asks may not do that."))
            if "{" in path:
                responses.setdefault("404", _answer("Problem", "There is no such thing."))
    return result


def _answer(shape: str, text: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
    return {"description": text, "content": content}
