"""The admin has no sign-in of its own."""

import pytest
from django.test import Client

from tests import cast


@pytest.mark.django_db
def test_the_admins_door_is_the_sites_door(client: Client) -> None:
    response = client.get("/admin/integrations/token/", follow=True)
    path, _, query = response.redirect_chain[-1][0].partition("?")
    assert (path, query) == ("/accounts/login/", "next=/admin/integrations/token/")


@pytest.mark.django_db
def test_a_password_sent_to_the_admins_own_door_opens_nothing(client: Client) -> None:
    cast.person("staff", is_staff=True)
    response = client.post("/admin/login/", {"username": "staff", "password": cast.PASSWORD})
    assert response.status_code == 302
    assert "_auth_user_id" not in client.session


def test_who_is_signed_in_but_no_staff_is_refused_and_not_sent_in_a_circle(as_amira: Client) -> None:
    assert as_amira.get("/admin/", follow=True).status_code == 403


def test_who_may_come_in_is_let_through(as_admin: Client) -> None:
    assert as_admin.get("/admin/login/", follow=True).redirect_chain[-1][0] == "/admin/"
