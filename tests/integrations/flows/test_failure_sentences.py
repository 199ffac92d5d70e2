"""Failures of runs are stored in English, and shown in the language of their reader."""

import pytest
from django.utils import translation

from accounts.models import User
from integrations import flows
from integrations.models.failures import ANSWERS
from integrations.models.flows import failure_sentences
from tests import cast
from tests.conftest import client_of
from tests.integrations import flowing

VALUES = {"alias": "crm", "code": "http_503"}


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("“crm” answered 404.", "„crm“ hat mit 404 geantwortet."),
        (
            "The action “look_up”: The input “id” is required.",
            "Aktion „look_up“: Die Eingabe „id“ ist erforderlich.",
        ),
        ("The input “id”: Unexpected end.", "Eingabe „id“: Unexpected end."),
        (
            "“crm” answered 403. The access that was granted lacks: read. An administrator has to add this to the "
            "Application Registry first: read.",
            "„crm“ hat mit 403 geantwortet. Dem gewährten Zugriff fehlt: read. Das muss zuerst von der Administration "
            "zur Applikationsregistrierung hinzugefügt werden: read.",
        ),
        ("What a third party said", "What a third party said"),
    ],
)
def test_a_stored_sentence_is_found_again_with_its_names(stored: str, shown: str) -> None:
    with translation.override("de"):
        assert failure_sentences.in_words(stored) == shown


@pytest.mark.parametrize("language", ["ja", "de"])
def test_every_sentence_of_the_catalogue_is_shown_in_the_language_of_its_reader(language: str) -> None:
    for answer in ANSWERS.values():
        for text in filter(None, (answer.in_run, answer.in_system_run)):
            with translation.override("en"):
                stored = str(text) % VALUES
            with translation.override(language):
                shown = failure_sentences.in_words(stored)
                assert shown == str(text) % VALUES
            assert shown != stored


def test_the_page_of_a_run_says_why_it_failed_in_the_language_of_its_reader(amira: User, admin: User) -> None:
    alias = cast.integration_at(cast.registry_at("https://northwind.example"), name="crm")
    flowing.subflow_of(flowing.open_incidents(alias))
    with translation.override("ja"):
        run = flows.run_subflow("my_open_incidents", user=amira, inputs={})
    assert run.error == "401 Unauthorized: the person has no usable token for “crm” and must authenticate first."
    page = (
        client_of(admin)
        .get(f"/admin/integrations/subflowrun/{run.pk}/change/", headers={"accept-language": "de"})
        .content.decode()
    )
    with translation.override("de"):
        assert page.count(failure_sentences.in_words(run.error)) == 2  # the run, and its step
    assert run.error not in page
