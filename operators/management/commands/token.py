"""manage.py token: issue, list, rotate and revoke credentials from a terminal."""

import datetime as dt
import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import DatabaseError

from operators.db import datetimes, tokens
from operators.db.token_models import API_SCOPES, ApiToken, NodeToken, Token
from operators.management.examples import CommandWithExamples
from operators.management.numbers import parse_lifetime, parse_span

_EXAMPLES = """examples:
  manage.py token create node "Berlin GPU 1" --node-id berlin-1 --days 90
  manage.py token create api "Call centre" --scope session --tenant acme
  manage.py token list
  manage.py token rotate lnt_0a1b2c3d4e5f --overlap-hours 24
  manage.py token revoke lnt_0a1b2c3d4e5f
"""


class Command(CommandWithExamples):
    """Manage the credentials of nodes and programs."""

    help = (
        "Issue, list, rotate and revoke the tokens that nodes and programs show. A token is "
        "printed once, on standard output, and kept nowhere; afterwards it is known by its "
        "prefix. A revocation closes open sockets within two seconds."
    )
    examples = _EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        create = actions.add_parser("create", help="issue a token and print it")
        create.add_argument("kind", choices=("node", "api"), help="whom it is for")
        create.add_argument("name", help="whose it is, for people")
        create.add_argument(
            "--days", type=parse_lifetime, help="days until it expires (default: never)"
        )
        create.add_argument("--node-id", default="", help="node: the only node id it may use")
        create.add_argument(
            "--tenant",
            default="",
            help="api: the only tenant of its sessions; node: whom a private node serves",
        )
        create.add_argument(
            "--scope",
            action="append",
            choices=[scope.value for scope in API_SCOPES],
            help="api: what it allows; repeat for several (default: session)",
        )
        listing = actions.add_parser("list", help="list tokens, newest first; never a secret")
        listing.add_argument("--json", action="store_true", help="one JSON object a line")
        rotate = actions.add_parser("rotate", help="issue a successor and print it")
        rotate.add_argument("prefix", help="the token, as `list` shows it")
        rotate.add_argument(
            "--overlap-hours",
            type=parse_span,
            default=24,
            help="how long the old one is still taken (default: %(default)s)",
        )
        revoke = actions.add_parser("revoke", help="end a token now and close its sockets")
        revoke.add_argument("prefix", help="the token, as `list` shows it")

    def handle(self, *, action: str, **options: Any) -> None:
        """Do what was asked.

        :raises CommandError: the values are not allowed, there is no such token, or no database
        """
        try:
            match action:
                case "create":
                    self._create(**options)
                case "list":
                    self._list(as_json=options["json"])
                case "rotate":
                    self._rotate(options["prefix"], overlap_hours=options["overlap_hours"])
                case _:
                    tokens.revoke(_get(options["prefix"]), actor=_name_actor())
                    self.stderr.write(f"{options['prefix']} is revoked")
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except DatabaseError as error:
            raise CommandError(
                f"{error}. Start Lingua once, which makes its tables; commands find its database "
                "by the same LINGUA_VAR_DIR or DATABASE_URL."
            ) from error

    def _create(
        self,
        *,
        kind: str,
        name: str,
        days: float | None,
        node_id: str,
        tenant: str,
        scope: list[str] | None,
        **_: Any,
    ) -> None:
        try:
            expires_at = None if days is None else datetimes.shift_days(days)
        except ValueError as error:
            raise CommandError(f"--days: {error}") from error
        token: Token
        if kind == "node":
            if scope:
                raise CommandError("--scope is for api tokens")
            token = NodeToken(name=name, expires_at=expires_at, node_id=node_id, tenant_id=tenant)
        else:
            if node_id:
                raise CommandError("--node-id is for node tokens")
            scopes = sorted(set(scope or ["session"]))
            token = ApiToken(name=name, expires_at=expires_at, tenant_id=tenant, scopes=scopes)
        self.stdout.write(tokens.issue(token, actor=_name_actor()))

    def _list(self, *, as_json: bool) -> None:
        rows = [_describe(token) for model in tokens.MODELS for token in model.objects.all()]
        for row in rows:
            if as_json:
                self.stdout.write(json.dumps(row))
                continue
            ends = row["expires_at"] or "never"
            self.stdout.write(
                f"{row['prefix']}  {row['state']:<8} expires {ends}  {row['name']}  {row['bound']}"
            )

    def _rotate(self, prefix: str, *, overlap_hours: float) -> None:
        try:
            overlap = dt.timedelta(hours=overlap_hours)
            successor, text = tokens.rotate(_get(prefix), overlap=overlap, actor=_name_actor())
        except OverflowError as error:
            raise CommandError(f"--overlap-hours: {overlap_hours:g} hours have no end") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text)
        self.stderr.write(f"{prefix} ends in {overlap_hours:g} h; {successor.prefix} follows it")


def _get(prefix: str) -> Token:
    token = tokens.find(prefix)
    if token is None:
        raise CommandError(f"there is no token {prefix}; `manage.py token list` shows all")
    return token


def _describe(token: Token) -> dict[str, Any]:
    bound: list[str] = []
    if isinstance(token, NodeToken):
        bound += [f"node {token.node_id}"] if token.node_id else []
    elif isinstance(token, ApiToken):
        bound.append(f"scopes {','.join(token.scopes)}")
    if isinstance(token, NodeToken | ApiToken) and token.tenant_id:
        bound.append(f"tenant {token.tenant_id}")
    used_at = token.last_used_at
    return {
        "prefix": token.prefix,
        "name": token.name,
        "state": token.state,
        "bound": " ".join(bound),
        "expires_at": token.expires_at and token.expires_at.isoformat(timespec="seconds"),
        "last_used_at": used_at and used_at.isoformat(timespec="seconds"),
    }


def _name_actor() -> str:
    return f"command:{getpass.getuser()}"
