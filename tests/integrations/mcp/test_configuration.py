"""The configuration of agents that a command prints is that of this site, and holds no secret."""

import io
import json

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from integrations.models import ToolSet

pytestmark = pytest.mark.django_db


def printed(**options: str) -> str:
    output = io.StringIO()
    call_command("mcp_configuration", stdout=output, **options)
    return output.getvalue()


def test_it_names_the_address_for_three_agents() -> None:
    text = printed()
    assert text.count(f"{settings.SITE_URL}/mcp") == 3
    assert [title in text for title in ("# Claude Code", "# VS Code", "# ChatGPT")] == [True] * 3


def test_the_file_of_vscode_is_json_and_asks_for_the_token() -> None:
    content = json.loads(printed(client="vscode").partition("\n")[2])
    assert content["servers"]["keyrack"]["url"] == f"{settings.SITE_URL}/mcp"
    assert content["inputs"][0]["password"]


def test_with_a_client_id_people_sign_in_and_no_token_is_asked_for() -> None:
    text = printed(client_id="digest")
    assert "--client-id digest" in text
    assert "TOKEN" not in text
    assert "inputs" not in text


def test_it_knows_tool_sets_and_no_others() -> None:
    ToolSet.objects.create(name="reading")
    assert f"{settings.SITE_URL}/mcp/reading" in printed(name="reading")
    with pytest.raises(CommandError, match="no tool set"):
        printed(name="writing")
