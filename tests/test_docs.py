"""The documents say what is true: links lead somewhere, variables and labels exist, examples run."""

import ast
import html
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.current_user import acting_for
from accounts.models import User
from integrations.models import Alias
from tests import cast
from tests.conftest import client_of
from tests.integrations.flowing import INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer

ROOT = Path(__file__).resolve().parent.parent
README, API, OPERATIONS = ROOT / "README.md", ROOT / "docs/python-api.md", ROOT / "docs/operations.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITHOUT_DJANGO = {"demo", "test"}  # manage.py does these itself
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|mnt)\b")
READS_A_VARIABLE = {"required_text", "path_from_checkout", "private_folder", "public_folder"}
LARGEST = 200_000  # bytes of a picture


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def rows(document: Path, first_header: str) -> list[list[str]]:
    """The rows of all tables of a document whose first column has this header."""
    tables = re.findall(rf"^ *\| {first_header} \|.*\n *\|[-|]+\n((?: *\|.*\n)+)", document.read_text(), re.MULTILINE)
    return [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for table in tables for line in table.splitlines()
    ]


def variables_of_settings() -> set[str]:
    modules = [ROOT / "config/settings.py", ROOT / "config/environment.py", *(ROOT / "config").glob("*_settings.py")]
    calls = [node for each in modules for node in ast.walk(ast.parse(each.read_text())) if isinstance(node, ast.Call)]
    return {str(first.value) for call in calls if reads(call.func) and isinstance(first := call.args[0], ast.Constant)}


def reads(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id == "env"
    return isinstance(called, ast.Name) and called.id in READS_A_VARIABLE


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    found = [one or other for one, other in LINK.findall(document.read_text())]
    for link in (link for link in found if "://" not in link):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / ".env.example"], ids=lambda path: path.name)
def test_no_document_knows_a_machine(document: Path) -> None:
    assert not OF_A_MACHINE.findall(document.read_text())


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"({path.name})" not in index] == ["README.md"]


def test_the_table_of_variables_is_that_of_the_settings() -> None:
    told = [row[0].strip("`") for row in rows(OPERATIONS, "Variable")]
    assert sorted(told) == sorted(variables_of_settings())


def test_the_example_environment_has_known_names_and_no_secret() -> None:
    lines = re.findall(r"^#?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    values = dict(lines)
    assert values.keys() <= variables_of_settings()
    assert (values["SECRET_KEY"], values["TOKEN_ENCRYPTION_KEYS"]) == ("", "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    programs = {script.name for script in metadata.entry_points(group="console_scripts")}
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= WITHOUT_DJANGO | get_commands().keys()
    assert set(re.findall(r"\.venv/bin/([a-z]+)", text)) <= programs | {"python"}


def test_the_readme_shows_what_the_demo_prints() -> None:
    (shown,) = blocks(README, "text")
    printed = (ROOT / "demo/supervisor.py").read_text()
    for line in filter(None, shown.splitlines()):
        label = re.split(r"\s{2,}|, and in", line.strip())[0]
        assert label in printed, line


@pytest.fixture
def northwind(amira: User, server: HostileServer) -> Alias:
    server.on("GET /api/contacts").always(json={"count": 1})
    server.on("GET /api/contacts/").always(json={"count": 1})
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}, {"number": "INC2"}]})
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


def run(examples: list[str], **names: Any) -> dict[str, Any]:
    for example in examples:
        exec(compile(example, "example", "exec"), names)  # noqa: S102 - our own documents
    return names


@pytest.mark.django_db
def test_the_example_of_the_readme_works(northwind: Alias, capsys: pytest.CaptureFixture[str]) -> None:
    run(blocks(README, "python"))
    assert capsys.readouterr().out == "200 1\n"


@pytest.mark.slow
@pytest.mark.django_db
def test_the_examples_of_the_python_api_work(amira: User, northwind: Alias) -> None:
    subflow_of(open_incidents(northwind))
    examples = blocks(API, "python")
    names = run(examples, user=amira, sign_in_again=lambda user: cast.signed_in(user, northwind))
    request = RequestFactory().get("/contacts/")
    request.user = amira
    away = names["contacts_view"](request)
    assert (away.status_code, away["Location"]) == (302, names["where_to"] + "&next=/contacts/")
    cast.signed_in(amira, northwind)
    assert names["contacts_view"](request).content == b'{"count": 1}'
    assert names["contacts_or_none"](names["api"]) == {"count": 1}


@pytest.mark.slow
@pytest.mark.django_db
def test_the_scripts_for_people_from_servicenow_work(amira: User, northwind: Alias) -> None:
    subflow_of(open_incidents(northwind))
    imports, personal_auth, run_subflow, read_token = blocks(ROOT / "docs/from-servicenow.md", "python")
    credential = northwind.effective_credential
    assert credential
    ids = {"credential_sys_id": credential.hex, "oauth_profile_sys_id": credential.profile.hex}
    with acting_for(lambda: amira):
        names = run([imports, read_token, run_subflow, personal_auth], aliasId=northwind.hex, **ids)
    assert (names["access_token"], names["outputs"]) == ("CANARY-access-1", {"numbers": ["INC1", "INC2"]})


@pytest.mark.slow
@pytest.mark.django_db
def test_the_labels_are_those_of_the_admin(admin: User) -> None:
    client = client_of(admin)
    models = ("applicationregistry", "oauth2credential", "alias", "action", "subflow", "remotetable")
    forms = [*(f"integrations_{model}" for model in models), "accounts_application"]
    shown = {text for form in forms for text in texts_of(client, form)}
    for document in (ROOT / "docs/administration.md", ROOT / "docs/tutorial.md"):
        labels = [label for row in rows(document, "Field") for label in row[0].split(", ")]
        assert labels
        assert [label for label in labels if label not in shown] == []


def texts_of(client: Client, form: str) -> list[str]:
    page = html.unescape(client.get(reverse(f"admin:{form}_add")).content.decode())
    return re.findall(r">\s*([^<>]+?):?\s*<", page)


def test_pictures_are_small_and_used() -> None:
    texts = "".join(document.read_text() for document in DOCUMENTS)
    for picture in (ROOT / "docs/images").iterdir():
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(content) <= LARGEST
        assert f"images/{picture.name}" in texts, picture.name


# The drawing of the architecture, and decisions -----------------------------------------------------------------------


def drawn_layers() -> dict[str, list[set[str]]]:
    """By package: the rows of the drawing, from the top. Two spaces end the names of a row."""
    block = re.findall(r"^```\n(.*?)^```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    layers: dict[str, list[set[str]]] = {}
    for line in filter(None, block.splitlines()):
        if not line.startswith(" "):
            package = line
            layers[package] = []
        else:
            layers[package].append({name.strip() for name in line.strip().split("  ")[0].split("│")})
    return layers


def linted_layers() -> dict[str, list[set[str]]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        contract["containers"][0]: [set(re.findall(r"\w+", row)) for row in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers" and "containers" in contract
    }


def test_the_drawing_of_the_architecture_is_what_the_linter_holds() -> None:
    assert drawn_layers() == linted_layers()


@pytest.mark.parametrize("decision", sorted((ROOT / "docs/decisions").glob("0*.md")), ids=lambda path: path.stem)
def test_every_decision_has_a_date_and_a_status(decision: Path) -> None:
    status = decision.read_text().splitlines()[2]
    assert re.match(r"\d{4}-\d\d-\d\d\. (Accepted|Amended by|Replaced by)\b", status), status
