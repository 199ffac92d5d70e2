"""Alert rules and the dashboard: promtool accepts them, every metric exists, and each alert has its paragraph."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from config.bootstrap import ROOT
from config.metrics import PartGauges
from integrations.monitoring.database_gauges import DatabaseGauges
from tests.servers import machine

PROMETHEUS = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
PANELS: list[dict[str, Any]] = json.loads((ROOT / "deploy/grafana/keyrack.json").read_text())["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]
A_METRIC = re.compile(r"\bkeyrack_\w+")


def promtool(*arguments: str) -> None:
    if words := machine.lacks("promtool"):
        pytest.skip(words)
    done = subprocess.run([machine.found("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_promtool_accepts_the_rules_and_they_fire_when_they_should() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")


def test_promtool_accepts_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "5m") for query in QUERIES]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


@pytest.mark.django_db
def test_alerts_and_panels_ask_for_metrics_that_exist() -> None:
    families = [*REGISTRY.collect(), *PartGauges().collect(), *DatabaseGauges().collect()]
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
    names = {family.name + suffix for family in families for suffix in suffixes.get(family.type, [""])}
    asked = set(A_METRIC.findall(" ".join([*QUERIES, *(rule["expr"] for rule in RULES)])))
    assert asked <= names, asked - names
    unused = {name for name in names if name.startswith("keyrack_")} - asked
    assert not {name for name in unused if not name.endswith(("_sum", "_count", "_bucket"))}, "nobody looks at it"


def test_each_alert_has_a_paragraph_that_it_names() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    paragraphs = re.findall(r"^### (Keyrack\w+)\n\n(.+)", text, re.MULTILINE)
    assert [name for name, _text in paragraphs] == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}
