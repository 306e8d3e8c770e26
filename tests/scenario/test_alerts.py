"""Alert rules and dashboards: Prometheus' own tool takes them, every alert is tried both ways, no name is invented."""
import json
import re
import shutil
import subprocess

import pytest
import yaml

from conftest import ROOT

DATA = ROOT / "data"
DASHBOARDS = sorted((DATA / "dashboards").glob("*.json"))
GRID = 24
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (tools/packages test)")


def rules():
    return [rule for group in yaml.safe_load((DATA / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def promtool(*words, folder=DATA):
    done = subprocess.run(["promtool", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def documented():
    """Names that a scrape can hold: those of the table, a histogram's with their suffixes."""
    names = set()
    for name, kind in re.findall(r"^\| `(tenon_\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.M):
        names |= {name + suffix for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def named(expression):
    """Metrics and records of an expression; label values and what stands in quotes are none."""
    return set(re.findall(r"\btenon[_:][\w:]+", re.sub(r'"[^"]*"', '""', expression)))


def expressions(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def filled(expression):
    """As Grafana sends it."""
    for name, value in (("$__rate_interval", "5m"), ("$__range", "6h"), ("$instance", ".*"), ("$model", ".*"), ("$class", ".*")):
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request):
    return json.loads(request.param.read_text())


# ---- alerts ----

@needs_promtool
def test_rules__are_what_prometheus_takes():
    status, text = promtool("check", "rules", "alerts.yaml")
    assert status == 0 and f"{len(rules())} rules found" in text, text


@needs_promtool
def test_rules__fire_and_stay_silent_as_their_tests_say():
    status, text = promtool("test", "rules", "alerts.test.yaml")
    assert status == 0 and "SUCCESS" in text, text


def test_alerts__each_is_shown_firing_and_silent():
    fires, silent = set(), set()
    names = {alert["alert"] for alert in alerts()}
    for case in yaml.safe_load((DATA / "alerts.test.yaml").read_text())["tests"]:
        for look in case.get("alert_rule_test", []):
            (fires if look["exp_alerts"] else silent).add(look["alertname"])
        for look in case.get("promql_expr_test", []):
            pattern = re.search(r'alertname=~?"([^"]+)"', look["expr"])[1]
            matching = {name for name in names if re.fullmatch(pattern, name)}
            shown = {match for sample in look["exp_samples"] for match in re.findall(r'alertname="(\w+)"', sample["labels"])}
            fires |= shown or matching
    assert fires == names and silent == names, (names - fires, names - silent)


def test_alerts__say_what_happened_how_bad_it_is_and_the_cure():
    for alert in alerts():
        assert set(alert["annotations"]) == {"summary", "description"}, alert["alert"]
        assert alert["labels"]["severity"] in ("info", "warning", "critical"), alert["alert"]
        assert len(alert["annotations"]["summary"]) < 120 < len(alert["annotations"]["description"]), alert["alert"]


def test_alerts__name_commands_that_there_are():
    verbs = set(re.findall(r"^## tenon ([\w-]+)", (ROOT / "docs/cli.md").read_text(), re.M))
    used = {verb for alert in alerts() for verb in re.findall(r"`tenon ([\w-]+)", alert["annotations"]["description"])}
    assert used and used <= verbs, used - verbs


def test_alerts__are_all_documented():
    text = (ROOT / "docs/metrics.md").read_text()
    assert [alert["alert"] for alert in alerts() if f"`{alert['alert']}`" not in text] == []
    assert set(re.findall(r"`(Tenon[A-Z]\w+)`", text)) == {alert["alert"] for alert in alerts()}


# ---- names ----

def test_names__of_rules_and_dashboards_are_metrics_that_there_are():
    known = documented() | {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in named(rule["expr"])}
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        queries = [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
        used |= {name for expression in expressions(board) + queries for name in named(expression)}
    assert len(used) > 20 and used <= known, used - known


# ---- dashboards ----

def test_dashboards__are_the_two_that_are_installed():
    listed = re.findall(r"dashboards/(\S+\.json)", (DATA / "meson.build").read_text())
    assert listed == [path.name for path in DASHBOARDS] and len(listed) == 2
    assert [json.loads(path.read_text())["uid"] for path in DASHBOARDS] == [path.stem for path in DASHBOARDS]


def test_dashboard__numbers_its_panels_and_queries_once(dashboard):
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        refs = [target["refId"] for target in panel["targets"]]
        assert refs and len(set(refs)) == len(refs), panel["title"]


def test_dashboard__has_no_panel_on_another_or_beside_the_grid(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["y"] >= 0 and at["w"] > 0 and at["h"] > 0 and at["x"] + at["w"] <= GRID, panel["title"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_dashboard__asks_the_data_source_that_its_reader_chooses(dashboard):
    variables = dashboard["templating"]["list"]
    assert [(one["name"], one["type"], one["query"]) for one in variables][0] == ("datasource", "datasource", "prometheus")
    asked = [panel["datasource"] for panel in dashboard["panels"]]
    asked += [target["datasource"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [one["datasource"] for one in variables[1:]]
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in asked)
    names = {f"${one['name']}" for one in variables[1:]}
    used = {name for expression in expressions(dashboard) for name in re.findall(r"\$(?!__)\w+", expression)}
    assert used == names


@needs_promtool
def test_dashboard__has_expressions_that_parse(dashboard, tmp_path):
    file = tmp_path / "expressions.yaml"
    wanted = [filled(expression) for expression in expressions(dashboard)]
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(wanted)]}]}))
    status, text = promtool("check", "rules", file)
    assert status == 0 and f"{len(wanted)} rules found" in text, text
