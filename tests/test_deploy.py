"""What is in deploy/: checked by the tools that its readers use, and run as it says, read-only and without rights."""

import contextlib
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from django.urls import reverse

from config.bootstrap import PIN, ROOT
from tests.servers import installed, machine
from tests.servers.worker import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
DEPLOY, CHART = ROOT / "deploy", ROOT / "deploy/helm/keyrack"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HOME = "/srv/keyrack"  # of the units
NOBODY = 10001
PROXIED = "/api/v1/integrations/[^/]+/proxy/"
RENDER = """
import json, sys, helm_python as helm
chart = sys.argv[1]
values = json.load(sys.stdin)
problems = [each for each in helm.lint(chart)["messages"] if each["severity"] > 1]
with helm.Chart.load(chart) as loaded:
    loaded.validate_schema(values)
    print(json.dumps({"problems": problems, "manifests": loaded.render(values, name="hub", namespace="prod")}))
"""
# A file system on which nothing but the given folder can be written, and a user without any right.
IN_A_CAGE = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && shift
exec setpriv --reuid={user} --regid={user} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of the tools' commands."""
    try:
        return installed.environment(DEPLOY / "checks").parent
    except installed.Missing as error:
        pytest.skip(str(error))


def run(*command: object, **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=200, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def render(tools: Path, **values: object) -> dict[str, list[dict[str, Any]]]:
    """The chart's manifests by file, as Helm itself renders them."""
    answer = json.loads(run(tools / "python", "-c", RENDER, CHART, input=json.dumps(values)))
    assert not answer["problems"]
    files: dict[str, str] = answer["manifests"]
    return {name: list(yaml.safe_load_all(text)) for name, text in files.items() if name.endswith(".yaml")}


def of_kind(kind: str, files: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [manifest for manifests in files.values() for manifest in manifests if manifest and manifest["kind"] == kind]


# Kubernetes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"ingress": {"enabled": True}, "metrics": {"enabled": False}},
        {"ingress": {"enabled": True}, "streams": {"enabled": False}},
    ],
    ids=str,
)
def test_the_chart_renders_to_what_kubernetes_accepts(tools: Path, values: dict[str, object], tmp_path: Path) -> None:
    manifests = [each for group in render(tools, **values).values() for each in group if each]
    files = [tmp_path / f"{number}.yaml" for number in range(len(manifests))]
    for file, manifest in zip(files, manifests, strict=True):
        file.write_text(yaml.safe_dump(manifest))
    run(tools / "kubernetes-validate", "--strict", *files)
    kinds = {manifest["kind"] for manifest in manifests}
    assert {"Deployment", "Service", "Job", "PodDisruptionBudget"} <= kinds
    assert ("Ingress" in kinds) is bool(values)
    has_streams = values.get("streams") is None
    routes = {}
    for manifest in manifests:
        if manifest["kind"] == "Ingress":
            for each in manifest["spec"]["rules"][0]["http"]["paths"]:
                service = each["backend"]["service"]
                routes[each["path"], each["pathType"]] = (service["name"], service["port"]["name"])
            log = manifest["metadata"]["annotations"]["nginx.ingress.kubernetes.io/enable-access-log"]
            assert log == "false", "it would have codes of providers"
        if pod := manifest["spec"].get("template", {}).get("spec"):
            assert pod["securityContext"]["runAsNonRoot"]
            assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in pod["containers"])
            assert all(each["envFrom"][0]["secretRef"]["name"] == "keyrack" for each in pod["containers"])
    if values:
        of_streams = {(PROXIED, "ImplementationSpecific"): ("hub-streams", "http")} if has_streams else {}
        of_site = {("/metrics", "Exact"): ("hub-nothing", "nothing"), ("/", "Prefix"): ("hub-web", "http")}
        assert routes == {**of_site, **of_streams}
    ports = {each["metadata"]["name"]: each["spec"]["ports"] for each in manifests if each["kind"] == "Service"}
    assert {name for name, _port in routes.values()} <= ports.keys()
    assert ("hub-streams" in ports) is has_streams


def test_streams_are_the_same_processes_wherever_they_run(tools: Path) -> None:
    """In the units, the chart and the compose file: the same command, and as long a wait for an answer."""
    unit = (DEPLOY / "systemd/keyrack-streams.service").read_text()
    [in_unit] = re.findall(r"^ExecStart=\S+/(granian .*)$", unit, re.MULTILINE)
    expected = shlex.split(in_unit.replace("127.0.0.1", "0.0.0.0").replace("8002", "8000"))  # noqa: S104
    [waits] = re.findall(r"^Environment=PROXY_TIMEOUT_MAX_SECONDS=(\d+)$", unit, re.MULTILINE)
    pods = {each["metadata"]["name"]: each for each in of_kind("Deployment", render(tools))}
    [container] = pods["hub-streams"]["spec"]["template"]["spec"]["containers"]
    in_compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["streams"]
    assert container["command"] == in_compose["command"] == expected
    assert {"name": "PROXY_TIMEOUT_MAX_SECONDS", "value": waits} in container["env"]
    assert in_compose["environment"]["PROXY_TIMEOUT_MAX_SECONDS"] == waits
    assert container.keys() >= {"startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "resources"}
    nginx = (DEPLOY / "nginx/keyrack.conf").read_text()
    assert f"location ~ ^{PROXIED} {{" in nginx, "the path of the Ingress is that of nginx"
    assert re.fullmatch(f"{PROXIED}.*", reverse("api:proxy", args=["northwind", "contacts"]))


def test_a_value_of_the_operator_wins_in_the_streams_too(tools: Path) -> None:
    pods = of_kind("Deployment", render(tools, env={"PROXY_TIMEOUT_MAX_SECONDS": 120}))
    assert len(pods) == 4
    for pod in pods:
        for container in pod["spec"]["template"]["spec"]["containers"]:
            named = [each["value"] for each in container["env"] if each["name"] == "PROXY_TIMEOUT_MAX_SECONDS"]
            assert named == ["120"]


@pytest.mark.parametrize(
    "values", [{"siteUrl": "http://hub.example"}, {"env": {"SECRET_KEY": "in a file"}}, {"existingSecret": ""}], ids=str
)
def test_the_chart_refuses_secrets_in_its_values(tools: Path, values: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match=r"HelmValuesError: keyrack:\s+- at .*(siteUrl|SECRET_KEY|existingSecret)"):
        render(tools, **values)


# Docker ---------------------------------------------------------------------------------------------------------------
def test_hadolint_accepts_the_dockerfile(tools: Path) -> None:
    run(tools / "hadolint", DEPLOY / "Dockerfile")
    text = (DEPLOY / "Dockerfile").read_text()
    assert "--require-hashes -r /requirements.txt" in text
    assert text.count("FROM ") == 3
    assert "USER 10001" in text.rpartition("FROM ")[2]


def test_the_compose_file_is_one(tools: Path) -> None:
    file = DEPLOY / "compose.yaml"
    run(tools / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    services = yaml.safe_load(file.read_text())["services"]
    ours = {"migrate", "web", "streams", "worker", "worker-metrics", "beat"}
    assert ours | {"postgres", "redis"} == services.keys()
    assert all(services[name]["read_only"] for name in ours)
    worker, metrics = services["worker"], services["worker-metrics"]
    assert worker["volumes"] == metrics["volumes"]
    assert worker["environment"] == metrics["environment"]
    assert worker["environment"].items() > services["web"]["environment"].items()


def test_no_secret_can_get_into_an_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", "var", "**/*.env", ".venv*"} <= set(ignored), "also deploy/keyrack.env and deploy/.env"


# systemd and nginx ----------------------------------------------------------------------------------------------------
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    for unit in UNITS:  # with commands that exist here
        (tmp_path / unit.name).write_text(
            unit.read_text().replace(f"{HOME}/.venv/bin/", f"{Path(sys.executable).parent}/")
        )
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    words = done.stdout + done.stderr
    assert not [line for line in words.splitlines() if "keyrack-" in line], words
    for unit in UNITS:
        text = (tmp_path / unit.name).read_text()
        assert "Unknown key name" not in words
        assert "NoNewPrivileges=true" in text
        assert "ProtectSystem=strict" in text


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    if words := machine.lacks("caddy"):
        pytest.skip(words)
    file = tmp_path / "Caddyfile"
    file.write_text((DEPLOY / "caddy/Caddyfile").read_text())
    folders = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    command = [machine.found("caddy"), "validate", "--adapter", "caddyfile", "--config", file]
    run(*command, env={**os.environ, **folders})
    formatted = run(machine.found("caddy"), "fmt", file, env={**os.environ, **folders})
    assert formatted == file.read_text()
    assert "log" not in re.findall(r"^\s*(\w+)", file.read_text(), re.MULTILINE), "it would have codes of providers"


def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    if words := machine.lacks("nginx"):
        pytest.skip(words)
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=hub.example"]
    new_key = ["req", "-x509", *curve, "-nodes", "-days", "2"]
    run("openssl", *new_key, "-keyout", key, "-out", certificate)
    text = (DEPLOY / "nginx/keyrack.conf").read_text()
    text = text.replace("/etc/ssl/keyrack", str(tmp_path)).replace("/var/log/nginx", str(tmp_path))
    main = tmp_path / "nginx.conf"
    main.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{ }}\nhttp {{\n{text}\n}}")
    run(machine.found("nginx"), "-t", "-c", main)
    [logged] = re.findall(r"log_format keyrack(.*?);", text, re.DOTALL)
    with_query = {"$request", "$request_uri", "$args", "$query_string", "$http_referer"}
    assert not with_query & set(re.findall(r"\$\w+", logged)), "a provider's answer has a code in its query"


# Run ------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def cage() -> Iterator[tuple[dict[str, str], Path]]:
    """The environment of a site whose processes may write one folder, and that folder."""
    if os.geteuid() or not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("needs root, unshare and setpriv, to make files read-only for a user without rights")
    with tempfile.TemporaryDirectory(prefix="keyrack-cage-") as name:
        folder = Path(name)
        os.chown(folder, user_without_rights(), user_without_rights())
        folder.chmod(0o700)
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": name,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "made up for this test, and long enough",
            "TOKEN_ENCRYPTION_KEYS": "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "PYTHONDONTWRITEBYTECODE": "1",
            "METRICS_TOKEN": "made up",
            "LOG_FORMAT": "json",
        }
        yield environment, folder


def caged(*words: str) -> list[str]:
    script = IN_A_CAGE.format(user=user_without_rights())
    return ["unshare", "--mount", "bash", "-c", script, "bash", str(ROOT), *words]


@functools.cache
def user_without_rights() -> int:
    """Another user, if this Python can be read by all; else this one, who has no right there but that of its files."""
    probe = "import django, os, sys; os.stat(sys.executable)"
    python = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "--no-new-privs", sys.executable, "-c", probe]
    return 0 if subprocess.run(python, capture_output=True).returncode else NOBODY


def command_of(unit: str, port: int) -> list[str]:
    [line] = re.findall(r"^ExecStart=(.*)$", (DEPLOY / f"systemd/{unit}.service").read_text(), re.MULTILINE)
    line = line.replace(f"{HOME}/.venv/bin/", f"{Path(sys.executable).parent}/")
    return shlex.split(re.sub(r"--port \d+", f"--port {port}", line))


def environment_of(unit: str) -> dict[str, str]:
    text = (DEPLOY / f"systemd/{unit}.service").read_text()
    lines = re.findall(r"^Environment=(.*)$", text, re.MULTILINE)
    pairs = [pair.partition("=") for line in lines for pair in shlex.split(line.replace(HOME, str(ROOT)))]
    return {name: value for name, _equals, value in pairs}


def test_the_units_commands_make_a_site_for_a_user_without_rights_on_read_only_files(
    cage: tuple[dict[str, str], Path],
) -> None:
    environment, folder = cage
    port = machine.free_port()
    environment["SITE_URL"] = url = f"http://127.0.0.1:{port}"
    refused = subprocess.run(caged("touch", str(ROOT / "written")), capture_output=True, text=True)
    assert "Read-only file system" in refused.stderr or "Permission denied" in refused.stderr
    run(*caged(sys.executable, "manage.py", "migrate", "--verbosity=0"), env=environment)
    with contextlib.ExitStack() as ends:
        logs = []
        streams = machine.free_port()
        for unit in ("keyrack-web", "keyrack-worker", "keyrack-beat", "keyrack-streams"):
            logs.append(folder / f"{unit}.log")
            output = ends.enter_context(logs[-1].open("wb"))
            command = command_of(unit, streams if unit == "keyrack-streams" else port)
            variables = {**environment, **environment_of(unit)}
            child = subprocess.Popen(caged(*command), env=variables, stdout=output, stderr=output)
            ends.callback(child.wait, 30)
            ends.callback(child.terminate)

        def is_ready() -> bool:
            with contextlib.suppress(requests.RequestException):
                return bool(requests.get(f"{url}/readyz", timeout=5).json()["status"] == "ok")
            return False

        assert eventually(is_ready, 90), "".join(log.read_text()[-1500:] for log in logs)
        metrics = requests.get(f"{url}/metrics", headers={"Authorization": "Bearer made up"}, timeout=10).text
        assert "keyrack_beat_age_seconds" in metrics
        assert "keyrack_task_seconds_count" in metrics
        assert eventually(lambda: machine.answers(streams, b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200"), 60)
        assert_each_line_is_json(logs)


def assert_each_line_is_json(logs: list[Path]) -> None:
    """LOG_FORMAT=json holds for Granian and Celery too, and LOG_LEVEL for workers."""
    messages = []
    for log in logs:
        for line in log.read_text().splitlines():
            if "SecurityWarning" in line:  # a test as root that cannot be another user
                break
            messages.append(json.loads(line)["message"])
    assert "Starting granian" in " ".join(messages)
    assert "Started worker-1" in messages
    if user_without_rights():
        assert any(message.endswith(" ready.") for message in messages), "a worker logs at INFO"


# Supply ---------------------------------------------------------------------------------------------------------------
def test_the_bill_of_materials_names_each_locked_package(tools: Path, tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    run("make", "sbom", f"SBOM={file}", f"CYCLONEDX={tools / 'cyclonedx-py'}", cwd=ROOT)
    bill = json.loads(file.read_text())
    named = {(each["name"].lower(), each["version"]) for each in bill["components"]}
    pins = re.findall(PIN, (ROOT / "requirements/base.txt").read_text(), re.MULTILINE)
    assert len(pins) > 30
    assert {(name.lower(), version) for name, version in pins} <= named
    assert bill["bomFormat"] == "CycloneDX"
