"""What went wrong on the way to the scheduler, in the words of whoever runs the node."""

import errno
import socket
import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from lingua_node.http_caller import HttpRefused
from lingua_node.identity import RegistrationRefused
from lingua_node.mistakes import NODE_PATH

_ISSUE = "`manage.py token create node NAME` on the server issues one"
_TOO_LONG = 1009
_TWICE = "another program runs under this node's id: give each an id of its own, or none"
_NOBODY = {errno.ECONNREFUSED, 1225, 10061}  # the latter two are Windows'


def explain(error: Exception, *, url: str, has_token: bool) -> str:
    """Say in one sentence why there is no connection, and what to do."""
    where = describe(url)
    match error:
        case ConnectionClosed():
            code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (None, "")
            told = explain_close(code, reason=reason, url=url, has_token=has_token)
        case InvalidStatus():
            status = error.response.status_code
            told = _explain_status(status, url=url, has_token=has_token)
        case RegistrationRefused():
            told = f"{where} does not take this node: {error}"
        case HttpRefused():
            told = _explain_refusal(error, url=url, has_token=has_token)
        case InvalidMessage():
            told = f"what listens at {where} does not speak HTTP: is that the scheduler's port?"
        case OSError():
            told = _explain_network(error, url=url)
        case _:
            told = f"not connected to {where}: {str(error) or type(error).__name__}"
    return told


def find_mistake(error: Exception, *, url: str) -> str | None:
    """Say what is wrong with the node itself, so that no further attempt will end better.

    What the other end may mend without the node, such as a token, a node id of another credential,
    or a server that wants a GPU, is none of it.
    """
    told: str | None
    match error:
        case HttpRefused(code="NOT_FOUND"):
            told = f"{describe(url)} takes no requests of nodes: is there more in that address?"
        case RegistrationRefused(code="TOO_LARGE"):
            told = f"what this node declares is longer than {describe(url)} takes: declare less"
        case RegistrationRefused(code="INVALID_MESSAGE"):
            told = f"{describe(url)} cannot take what this node declares: {error}"
        case RegistrationRefused(code="INVALID_CAPABILITY_SCHEMA"):
            told = f"{describe(url)} needs another lingua-node: {error}"
        case ConnectionClosed() if error.rcvd is not None and error.rcvd.code == _TOO_LONG:
            told = f"what this node declares is longer than {describe(url)} takes: declare less"
        case InvalidStatus() if b'"NOT_FOUND"' in bytes(error.response.body):
            where = urlsplit(url)
            told = (
                f"{describe(url)} is the scheduler, and nothing is at {where.path}: "
                f"nodes connect at {NODE_PATH}"
            )
        case _:
            told = None
    return told


def explain_close(code: int | None, *, reason: str, url: str, has_token: bool) -> str:
    """Say why the other end closed the socket."""
    match code:
        case 4401:
            told = _explain_credential(url, has_token=has_token)
        case 4403:
            told = f"{describe(url)} does not let this node in: {reason or 'forbidden'}"
        case 4409:
            told = _TWICE
        case 1009:
            told = "the scheduler takes no frame that long"
        case 1012:
            told = "the scheduler restarts"
        case 1013:
            told = f"the scheduler asks to come back later{reason and ': ' + reason}"
        case None:
            told = "the connection was lost"
        case _:
            told = f"the scheduler closed the connection: {code} {reason}".rstrip()
    return told


def describe(url: str) -> str:
    """Return where a URL leads, without a password in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _explain_refusal(refused: HttpRefused, *, url: str, has_token: bool) -> str:
    where = describe(url)
    match refused.code:
        case "NODE_UNAVAILABLE":
            return f"{where} knows this node no more: it registers again"
        case "NODE_ID_CONFLICT":
            return _TWICE
        case "DRAINING":
            return "the scheduler restarts"
        case "UNAUTHORIZED" | "FORBIDDEN":
            return _explain_credential(url, has_token=has_token)
        case "":
            return _explain_status(refused.status, url=url, has_token=has_token)
        case _:
            return f"{where} refuses: {refused}"


def _explain_status(status: int, *, url: str, has_token: bool) -> str:
    where, path = describe(url), urlsplit(url).path
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return _explain_credential(url, has_token=has_token)
        case HTTPStatus.NOT_FOUND:
            return f"{where} answers 404: nothing is at {path}, nodes connect at {NODE_PATH}"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return f"{where} answers 429: too many connections from here"
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.GATEWAY_TIMEOUT:
            return f"{where} answers {status}: the scheduler starts, drains or is away"
        case HTTPStatus.BAD_REQUEST:
            return f"{where} answers 400: does the scheduler's ALLOWED_HOSTS have that name?"
        case _:
            return (
                f"{where} answers {status} in place of "
                f"{'opening a socket' if url.startswith('ws') else 'what was asked'}: "
                "is that the scheduler's address?"
            )


def _explain_network(error: OSError, *, url: str) -> str:
    where = describe(url)
    match error:
        case ssl.SSLCertVerificationError():
            told = f"the certificate of {where} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            told = f"{where} does not speak TLS: is ws:// meant?"
        case socket.gaierror():
            told = f"no machine is known as {urlsplit(url).hostname}: {error.strerror}"
        case TimeoutError():
            told = f"{where} does not answer"
        case _ if _is_refused(error):
            told = f"nobody listens at {where}: does the scheduler run, and at that port?"
        case _:
            told = f"not connected to {where}: {str(error) or type(error).__name__}"
    return told


def _explain_credential(url: str, *, has_token: bool) -> str:
    where = describe(url)
    if has_token:
        return (
            f"{where} refuses the token: it must be a node's, neither expired nor revoked, and of "
            f"this node's id; {_ISSUE}"
        )
    return f"{where} lets nodes in with a token alone: run(url=…, token=…); {_ISSUE}"


def _is_refused(error: OSError) -> bool:
    # Where a name has several addresses the errors come as one text.
    return error.errno in _NOBODY or f"[Errno {errno.ECONNREFUSED}]" in str(error)
