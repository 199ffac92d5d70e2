"""Every mail about integrations and tokens, in each language: nothing in it is left in English."""

import os
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from accounts.access_tokens import notices as token_notices
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from integrations.connections import notices
from integrations.models import ApplicationRegistry, HttpConnection, Revocation, Token, events
from tests import cast
from tests.accounts.tokens import make_token

ENGLISH = re.compile(r"\b(the|you|your|this|that|with|of|and|to|it|is|isn|doesn|didn|by)\b", re.IGNORECASE)
# What mails quote: addresses, which have English words in their paths, and the settings that administrators read.
QUOTED = re.compile(r"https?://\S+|\S+@\S+|invalid_client|integrations:read")


def bring_about_every_notice(amira: User, admin: User) -> None:
    """An end that nears, a refusal, an unconfirmed revocation, a broken registration, tokens.

    And a moved address, with a question about it.
    """
    bot = cast.bot("bot-one", amira)
    registry = cast.registry_at("https://northwind.example", account_settings_url="https://northwind.example/apps")
    aliases = {
        name: cast.integration_at(registry, name=name, label=name.title()) for name in ("ends", "refused", "revoked")
    }
    for owner in (amira, bot):
        for name, alias in aliases.items():
            fields: dict[str, Any] = {
                "account_label": "amira@northwind.example",
                "signed_in_at": timezone.now() - timedelta(days=9),
            }
            if name == "ends":
                cast.signed_in(owner, alias, **fields, refresh_token="", expires_in=21 * 3600)
            elif name == "refused":
                cast.signed_in(owner, alias, **fields, state="needs_reauth", failure_code="invalid_grant")
            else:
                cast.signed_in(owner, alias, **fields).end(reason="revoked", by_the_person=True)
        make_token(owner, name="ends")
        make_token(owner, name="leaks", by=admin)
        make_token(owner, name="made", by=admin)
    Token.objects.filter(state="needs_reauth").update(failed_at=timezone.now())
    Revocation.objects.update(state="failed", attempts=5, last_answer="503")
    tokens = PermanentToken.objects
    made = timezone.now() - timedelta(days=80)
    tokens.filter(name="ends").update(created_at=made, expires_at=timezone.now() + timedelta(hours=20))
    tokens.filter(name="leaks").update(ended_at=timezone.now(), ended_because=PermanentToken.Ending.LEAKED, told="made")
    moved = cast.integration_at(cast.registry_at("https://moved.example", name="Moved"), name="moved", label="Moved")
    cast.signed_in(amira, moved)
    connection = HttpConnection.objects.get(alias=moved)
    connection.connection_url = "https://m0ved.example/api"
    connection.save()
    events.log_question(amira, "Moved", ApplicationRegistry.objects.get(name="Moved").pk)
    ApplicationRegistry.objects.filter(name="Moved").update(questioned_at=timezone.now())
    ApplicationRegistry.objects.get(name="Northwind").note_misconfigured("invalid_client")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["ja", "de"])
def test_no_mail_has_a_sentence_in_english(amira: User, admin: User, settings: Settings, language: str) -> None:
    settings.ADMINS = [("Administrator", admin.email)]
    settings.LANGUAGE_CODE = language
    User.objects.update(language=language, time_zone="Asia/Tokyo")
    bring_about_every_notice(amira, admin)
    User.objects.update(language=language, time_zone="Asia/Tokyo")
    for _ in range(3):
        notices.send_due()
        token_notices.send_due()
    token_notices.send_leaked_grant(User.objects.get(pk=amira.pk), "Weekly digest")
    assert len(mail.outbox) >= 13
    texts = [f"{message.subject}\n{message.body}" for message in mail.outbox]
    if folder := os.environ.get("KEYRACK_PICTURES"):
        with open(f"{folder}/mails-{language}.txt", "w") as file:
            file.write("\n\n========\n".join(texts))
    left = [line for text in texts for line in QUOTED.sub("", text).splitlines() if ENGLISH.search(line)]
    assert left == []
