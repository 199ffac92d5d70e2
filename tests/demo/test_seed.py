"""The rows of the demo are such as an administrator could have made, and could save again."""

import pytest

from demo import seed
from demo.catalogue import CATALOGUE, Offer
from integrations.models.registry import rules


@pytest.mark.django_db
@pytest.mark.parametrize("offer", CATALOGUE, ids=lambda offer: offer.client_id)
def test_the_doctor_finds_no_fault_in_the_rows_of_the_demo(offer: Offer) -> None:
    assert not [*rules.faults(seed.registration(offer, "http://localhost:8001"))]
