"""A site with many people, tokens and aliases, and kinds of work on it, for `benchmarks.scale`."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from statistics import median
from typing import Any

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.access_tokens import operations
from accounts.models import User
from benchmarks import filling
from benchmarks.keyrack import alias_at, credential_of, token_of
from foundation.secrets_at_rest import rotation
from integrations.connections import endings, keep_alive, kill_switch, notices
from integrations.connections.keep_alive import queue
from integrations.connections.kill_switch import Target
from integrations.models import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    Revocation,
    Token,
)
from integrations.personal_auth import PersonalAuthAPI

TOKENS = "integrations_token"
EXPLAINED = ("SELECT", "WITH")
TIMES = 5  # that each work is timed


class Rollback(Exception):
    """The work is undone: the next one finds the same rows."""


def fill(people: int, tokens: int, aliases: int) -> None:
    """Store people with so many tokens each, spread over the credentials of so many aliases."""

    call_command("migrate", verbosity=0)
    first = alias_at("provider_0")
    credential = credential_of(first)
    registry = credential.registry
    registry.token_url = f"{os.environ['AUTHORITY'] or 'https://provider.example'}/anybody"
    registry.provider_profile = {"limits": {"ahead_at_once": 8, "ahead_per_second": 5000}}
    registry.save()
    first.allow_token_export = True
    first.save()
    made = []
    for number in range(1, aliases):
        name = f"provider_{number}"
        profile = OAuthEntityProfile(registry=registry, name=name)
        made.append((profile, OAuth2Credential(name=name, profile=profile), Alias(name=name, label=name)))
    OAuthEntityProfile.objects.bulk_create([profile for profile, _credential, _alias in made], 2000)
    OAuth2Credential.objects.bulk_create([each for _profile, each, _alias in made], 2000)
    Alias.objects.bulk_create([alias for _profile, _credential, alias in made], 2000)
    HttpConnection.objects.bulk_create(
        [
            HttpConnection(alias=alias, name=alias.name, credential=each, connection_url="https://provider.example")
            for _profile, each, alias in made
        ],
        2000,
    )
    group = Group.objects.get(name="Personal Auth User")
    first_person = User.objects.create(username="person-0", password="!")
    first_person.groups.add(group)
    copies = f"generate_series(1, {people - 1}) AS n"
    multiply(first_person, copies, username="'person-' || n")
    members = "(SELECT id FROM accounts_user WHERE username LIKE 'person-%%' AND username <> 'person-0') AS u"
    multiply(User.groups.through.objects.get(user=first_person), members, user_id="u.id")
    like = token_of(first_person, credential, last_used_at=timezone.now())
    like.save()
    places = "SELECT id, row_number() OVER (ORDER BY id) AS place FROM accounts_user WHERE username LIKE 'person-%%'"
    numbers = "SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM integrations_oauth2credential"
    others = f"{numbers} WHERE name <> 'provider_0'"
    multiply(
        like,
        f"({places}) AS u CROSS JOIN generate_series(1, {min(tokens, aliases - 1)}) AS n"
        f" JOIN ({others}) AS c ON c.number = (u.place * 7 + n) %% {aliases - 1}",
        id="gen_random_uuid()",
        user_id="u.id",
        credential_id="c.id",
        due_at="now() + make_interval(mins => 30 + ((u.place * 31 + n) %% 1400)::int)",
        signed_in_at="now() - make_interval(mins => ((u.place * 13) %% 500000)::int)",
    )
    filling.settled()
    boss = User.objects.create_superuser("boss", "boss@hub.example", "x")
    boss.groups.add(group)


def multiply(row: Model, source: str, **expressions: str) -> None:
    """Store a copy of a stored row for each row of `source`, with these columns replaced. All by PostgreSQL itself."""
    columns = [
        str(field.column) for field in row._meta.concrete_fields if field.column in expressions or field.column != "id"
    ]
    values = ", ".join(expressions.get(name, f't."{name}"') for name in columns)
    names, table = ", ".join(f'"{name}"' for name in columns), row._meta.db_table
    statement = f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" AS t, {source} WHERE t.id = %s'  # noqa: S608 - ours
    with connection.cursor() as cursor:
        cursor.execute(statement, [row.pk])


# Work -----------------------------------------------------------------------------------------------------------------


def kinds_of_work() -> dict[str, Callable[[], object]]:
    person = User.objects.get(username="person-0")
    credential = OAuth2Credential.objects.filter(tokens__user=person).order_by("name").first()
    assert credential is not None
    alias = Alias.objects.get(connections__credential=credential)
    registry = ApplicationRegistry.objects.get()
    as_person, as_boss = (Client(headers={"host": "127.0.0.1:8000"}) for _ in range(2))
    as_person.force_login(person)
    as_boss.force_login(User.objects.get(username="boss"))

    def page(client: Client, path: str) -> Callable[[], object]:
        def get() -> None:
            answer = client.get(path, secure=True)
            assert answer.status_code == 200, (path, answer.status_code)

        return get

    def admin(path: str) -> Callable[[], object]:
        return page(as_boss, f"/admin/integrations/{path}")

    scopes = sorted(operations.grantable_scopes(person, person))
    _row, secret = operations.make_token(person, name="benchmark", scopes=scopes, expires_at=None, by=person)
    bearer = {"Authorization": f"Bearer {secret}"}

    def by_program(method: str, path: str) -> Callable[[], object]:
        def call() -> None:
            answer = as_person.generic(method, f"/api/v1/integrations/provider_0/{path}", secure=True, headers=bearer)
            assert answer.status_code == 200, (path, answer.status_code, answer.content[:200])

        return call

    def key_rotation() -> None:
        for model, columns in rotation.sealed_models():
            ids = [row_id for row_id, *_values in next(rotation.iterate_batches(model, columns), [])]
            rotation.load_instances(model, ids)

    now = timezone.now()
    keep_alive.repair_slice(now)  # copied rows have made-up deadlines
    return {
        "dashboard": page(as_person, "/integrations/"),
        "list by REST": page(as_person, "/api/v1/integrations/"),
        "token by REST, permanent token": by_program("GET", "token/"),
        "proxied call, permanent token": by_program("GET", "proxy/items"),
        "token read": lambda: PersonalAuthAPI(person).is_token_valid(alias.name),
        "Manage Tokens": admin("token/"),
        "Manage Tokens: search": admin("token/?q=person-77"),
        "Manage Tokens: filter": admin(f"token/?credential_name={credential.name}"),
        "OAuth 2.0 Credentials": admin("oauth2credential/"),
        "form of a credential": admin(f"oauth2credential/{credential.pk}/change/"),
        "form of an alias": admin(f"alias/{alias.pk}/change/"),
        "form of a connect link": admin("connectlink/add/"),
        "Token Revocations": admin("revocation/"),
        "Aliases": admin("alias/"),
        "HTTP(s) Connections": admin("httpconnection/"),
        "form of an OAuth application": page(as_boss, "/admin/accounts/application/add/"),
        "Users": page(as_boss, "/admin/accounts/user/"),
        "renewals ahead: what is due": lambda: queue.due_sources(now),
        "renewals ahead: a claim": lambda: queue.claim(credential.pk, 50, now + timedelta(days=2)),
        "renewals ahead: backlog": lambda: keep_alive.count_backlog(now),
        "renewals ahead: repair": lambda: keep_alive.repair_slice(now),
        "notices": lambda: list(islice(notices.due_mails(now), 10)),
        "offboarding: who": lambda: list(endings.deactivated_with_sign_ins()[:100]),
        "kill switch: first batch": lambda: next(
            endings.end(Target(registry=registry).tokens(), endings.Ending(reason="benchmark"))
        ),
        "kill switch: numbers": lambda: kill_switch.count_sign_ins(Target(registry=registry), with_locked=False),
        "key rotation: a batch": key_rotation,
        "revocations: what is due": lambda: list(Revocation.objects.due()[:200]),
    }


class Statements:
    """Collects the statements of one work, and which of them can be explained."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.all.append((sql, params))
        return execute(sql, params, many, context)


def measure() -> list[dict[str, object]]:
    return [{"work": name, **measure_work(work)} for name, work in kinds_of_work().items()]


def measure_work(work: Callable[[], object]) -> dict[str, object]:
    do_and_undo(work)  # fills caches
    seconds = median(do_and_undo(work) for _ in range(TIMES))
    statements = Statements()
    with connection.execute_wrapper(statements):
        do_and_undo(work)
    plans = [plan for sql, params in statements.all if (plan := explain(sql, params))]
    scans = sorted({scan for plan in plans for scan in scans_in(plan["Plan"])})
    read = sum(plan["Plan"].get("Shared Hit Blocks", 0) + plan["Plan"].get("Shared Read Blocks", 0) for plan in plans)
    own = [sql for sql, _params in statements.all if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))]
    return {"statements": len(own), "milliseconds": round(seconds * 1000, 1), "buffers": read, "scans": scans}


def do_and_undo(work: Callable[[], object]) -> float:
    """The seconds that it took."""
    began = time.perf_counter()
    with suppress(Rollback), transaction.atomic():
        work()
        raise Rollback
    return time.perf_counter() - began


def explain(sql: str, params: Any) -> dict[str, Any] | None:
    if connection.vendor != "postgresql" or not sql.startswith(EXPLAINED):
        return None
    with suppress(Rollback), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
        plan: dict[str, Any] = cursor.fetchone()[0][0]
        return plan
    return None


def scans_in(node: dict[str, Any]) -> Iterator[str]:
    """Sequential scans of the table of tokens, and scans that read a thousand of its rows or more."""
    rows = node.get("Actual Rows", 0) * node.get("Actual Loops", 1) + node.get("Rows Removed by Filter", 0)
    if node.get("Relation Name") == TOKENS and node["Node Type"] == "Seq Scan":
        yield "sequential"
    elif node.get("Relation Name") == TOKENS and rows > 1000:
        yield "more than 1000 rows"
    for child in node.get("Plans", ()):
        yield from scans_in(child)


# Renewals -------------------------------------------------------------------------------------------------------------


def make_due(count: int) -> None:
    """Store so many due tokens of people of their own, all at one provider."""
    credential = OAuth2Credential.objects.get(name="provider_0")
    first, now = User.objects.count(), timezone.now()
    users = User.objects.bulk_create([User(username=f"due-{first + number}") for number in range(count)], 2000)
    moments = {"expires_at": now + timedelta(minutes=1), "signed_in_at": now - timedelta(minutes=59), "due_at": now}
    Token.objects.bulk_create([token_of(user, credential, last_used_at=now, **moments) for user in users], 500)


def renew() -> None:
    keep_alive.renew_due_tokens()


def count_renewed() -> int:
    return Token.objects.filter(user__username__startswith="due-", version=2).count()
