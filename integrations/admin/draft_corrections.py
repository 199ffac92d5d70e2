"""Addresses and Send Credentials in step 2 of Add a provider: where a draft may differ from what it was begun with."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from django import forms

from integrations.admin.draft_forms import HandForm
from integrations.models.definitions import Definition
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.registry import ClientAuthentication

SEND = "send_credentials"
CONNECTION = "connection_url"
ADDRESSES = ("issuer", "authorization_url", "token_url", "token_revocation_url", "userinfo_url", CONNECTION)
CORRECTABLE = (*ADDRESSES, SEND)


def values_of(definition: Definition) -> dict[str, str]:
    """What the draft was begun with, by field."""
    values = {name: str(definition.registry.get(name, "")) for name in ADDRESSES}
    return {
        **values,
        CONNECTION: definition.connection_url,
        SEND: definition.registry.get(SEND, ClientAuthentication.BASIC.value),
    }


def is_correctable(draft: ProviderDraft, name: str, value: str) -> bool:
    """Whether the field is offered: not if an answer decides it, nor if a template leaves it out on purpose."""
    if "{" in value:
        return False
    return bool(value) or not draft.is_from_template


def correction_fields(draft: ProviderDraft) -> dict[str, forms.Field]:
    """Return the form fields of what may be corrected, those of the page By hand."""
    values = values_of(draft.read)
    names = [name for name in CORRECTABLE if is_correctable(draft, name, values[name])]
    fields = {name: deepcopy(HandForm.base_fields[name]) for name in names}
    for name, field in fields.items():
        field.initial = values[name]
    return fields


def corrections_in(draft: ProviderDraft, cleaned: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that differ from what the draft was begun with, by field."""
    values = values_of(draft.read)
    return {name: cleaned[name] for name in CORRECTABLE if name in cleaned and cleaned[name] != values[name]}
