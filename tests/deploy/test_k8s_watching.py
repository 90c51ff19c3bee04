"""What scales gateways, what watches them, and the ways in: metrics that exist, rules of every deployment, times."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.k8s.components.monitoring import rules
from feed.settings import Values
from tests.deploy.manifests import K8S, OVERLAYS, ROOT, SERIOUS, named, of_kind, overlay, pod, with_components
from tests.observed.expressions import alerts, known, said

ADAPTER = yaml.safe_load((K8S / "components" / "autoscaling" / "adapter-values.yaml").read_text())["rules"]["custom"]
each_serious = pytest.mark.parametrize("name", SERIOUS)


def scaler(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = named(overlay(name), "HorizontalPodAutoscaler", "feed-gateway")["spec"]
    return spec


def targets(name: str) -> dict[str, float]:
    """Per pod, by the metrics' names."""
    found = {}
    for each in scaler(name)["metrics"]:
        assert each["type"] == "Pods"
        quantity = each["pods"]["target"]["averageValue"]
        assert each["pods"]["target"]["type"] == "AverageValue"
        value = float(quantity.removesuffix("m")) / (1_000 if quantity.endswith("m") else 1)
        found[each["pods"]["metric"]["name"]] = value
    return found


def filled(rule: dict[str, Any]) -> str:
    """A rule's query, as the adapter asks it for two pods."""
    (series,) = re.findall(r"^(\w+)\{", rule["seriesQuery"])
    query = rule["metricsQuery"].replace("<<.Series>>", series).replace("<<.GroupBy>>", "pod")
    query = query.replace("<<.LabelMatchers>>", 'namespace="feed",pod=~"feed-gateway-a|feed-gateway-b"')
    assert "<<" not in query
    return str(query)


# Scaling


@each_serious
def test_the_autoscaler_has_the_word_about_gateways(name: str) -> None:
    spec = scaler(name)
    one = pod(overlay(name), "feed-gateway")
    target = {"apiVersion": one.workload["apiVersion"], "kind": one.workload["kind"], "name": one.name}
    assert spec["scaleTargetRef"] == target
    assert "replicas" not in one.workload["spec"]
    assert 2 <= spec["minReplicas"] < spec["maxReplicas"]


@each_serious
def test_what_it_scales_on_is_made_of_metrics_that_exist(name: str) -> None:
    assert targets(name).keys() == {rule["name"]["as"] for rule in ADAPTER}
    for rule in ADAPTER:
        assert rule["resources"]["overrides"] == {each: {"resource": each} for each in ("namespace", "pod")}
        for expression in (rule["seriesQuery"], filled(rule)):
            for metric, labels in said(expression).asked:
                assert labels <= known()[metric] | {"namespace", "pod"}, metric


@each_serious
def test_of_the_fewest_gateways_one_may_go(name: str) -> None:
    clients, fewest = targets(name)["feed_gateway_connections"], scaler(name)["minReplicas"]
    knobs = Values().gateway
    assert clients * fewest / (fewest - 1) <= knobs.max_connections
    request = pod(overlay(name), "feed-gateway").spec["containers"][0]["resources"]["requests"]["memory"]
    # at rest, ticks kept, and 20 kB a connection
    needs = 80e6 + 800 * knobs.tail_ticks + 20e3 * clients * fewest / (fewest - 1)
    assert needs < int(request.removesuffix("Mi")) * 2**20


@each_serious
def test_gateways_go_slowly_and_alone(name: str) -> None:
    down, up = (scaler(name)["behavior"][which] for which in ("scaleDown", "scaleUp"))
    (policy,) = down["policies"]
    assert (policy["type"], policy["value"]) == ("Pods", 1)
    assert policy["periodSeconds"] > pod(overlay(name), "feed-gateway").spec["terminationGracePeriodSeconds"]
    assert down["stabilizationWindowSeconds"] > policy["periodSeconds"] > up["stabilizationWindowSeconds"]


def test_what_the_adapter_asks_gives_each_gateway_a_number(tmp_path: Path) -> None:
    """By Prometheus itself: of two gateways the first has clients, of two feeds, and the second none."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on the PATH (Debian has it in prometheus)")
    a, b = (f'namespace="feed",pod="feed-gateway-{pod}"' for pod in "ab")
    bucket = f'feed_hop_delay_seconds_bucket{{{a},feed="binance",hop="gateway_to_socket",le='
    series = {
        f"feed_gateway_ready{{{a}}}": "1x20",
        f"feed_gateway_ready{{{b}}}": "1x20",
        f'feed_gateway_connections{{{a},feed="binance"}}': "3000x20",
        f'feed_gateway_connections{{{a},feed="sim"}}': "500x20",
        f'{bucket}"0.02"}}': "0+90x20",
        f'{bucket}"0.04"}}': "0+100x20",
        f'{bucket}"+Inf"}}': "0+100x20",
        # of a gateway whose clients are there, and that delivers nothing: a rate of zero gives no number
        f'feed_hop_delay_seconds_bucket{{{b},feed="binance",hop="gateway_to_socket",le="0.02"}}': "7x20",
        f'feed_hop_delay_seconds_bucket{{{b},feed="binance",hop="gateway_to_socket",le="+Inf"}}': "7x20",
    }
    expected = {"feed_gateway_connections": (3_500, 0), "feed_gateway_delivery_lag_seconds": (0.038, 0)}  # interpolated
    asked = [
        {
            "expr": f"round(({filled(rule)}) * 1000)",
            "eval_time": "4m",
            "exp_samples": [
                {"labels": f'{{pod="feed-gateway-{pod}"}}', "value": value * 1_000}
                for pod, value in zip("ab", expected[rule["name"]["as"]], strict=True)
            ],
        }
        for rule in ADAPTER
    ]
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": asked,
    }
    (tmp_path / "test.yml").write_text(json.dumps({"evaluation_interval": "15s", "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# Watching


def test_the_operators_rules_are_every_deployments() -> None:
    assert rules.MADE.read_text() == rules.text(), "run deploy/k8s/components/monitoring/rules.py"
    made = {each["metadata"]["name"]: each["spec"] for each in of_kind(overlay("production"), "PrometheusRule")}
    files = {path.stem: path for path in rules.RULES.glob("*.yml") if path.name != "prometheus.yml"}
    assert made == {f"feed-{name}": yaml.safe_load(path.read_text()) for name, path in files.items()}
    assert len(made) == 3


@each_serious
def test_every_process_is_scraped_under_the_name_that_alerts_know(name: str) -> None:
    spec = named(overlay(name), "ServiceMonitor", "feed")["spec"]
    (endpoint,) = spec["endpoints"]
    wanted = spec["selector"]["matchLabels"].items()
    chosen = [each for each in of_kind(overlay(name), "Service") if wanted <= each["metadata"]["labels"].items()]
    jobs = [each["metadata"]["labels"][spec["jobLabel"]] for each in chosen]
    assert jobs == ["feed-gateway", "feed-ingest"]
    (pattern,) = re.findall(r'job=~"([^"]+)"', alerts()["FeedTargetDown"])
    assert all(re.fullmatch(pattern, job) for job in jobs)
    for each in chosen:
        assert [port["name"] for port in each["spec"]["ports"]] == [endpoint["port"]]
        # who drains, or waits for Redis, is what one wants to see
        assert each["spec"]["publishNotReadyAddresses"] is True
    assert 5 <= int(endpoint["interval"].removesuffix("s")) <= 30
    assert int(endpoint["scrapeTimeout"].removesuffix("s")) <= int(endpoint["interval"].removesuffix("s"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_dashboard_is_there_as_it_is(name: str) -> None:
    found = [each for each in of_kind(overlay(name), "ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]]
    files = {file: text for each in found for file, text in each["data"].items()}
    assert files == {path.name: path.read_text() for path in (ROOT / "grafana" / "dashboards").iterdir()}
    assert len(found) == len(files)
    # a name with a hash would leave the dashboard of yesterday beside today's
    assert {each["metadata"]["name"] for each in found} == {f"feed-dashboard-{Path(file).stem}" for file in files}


# Ways in


def test_a_connection_lasts_and_one_that_is_dead_does_not(tmp_path: Path) -> None:
    knobs = Values().gateway
    annotations = named(overlay("production"), "Ingress", "feed")["metadata"]["annotations"]
    for which in ("read", "send"):
        assert float(annotations[f"nginx.ingress.kubernetes.io/proxy-{which}-timeout"]) == 3 * knobs.ping_s
    route = named(with_components(tmp_path, "gateway-api"), "HTTPRoute", "feed")
    assert [rule["timeouts"] for rule in route["spec"]["rules"]] == [{"request": "0s", "backendRequest": "0s"}]


def test_envoy_lets_in_whom_the_gateways_take_and_believes_no_client(tmp_path: Path) -> None:
    made = with_components(tmp_path, "gateway-api", "envoy-gateway", "autoscaling")
    knobs, most = Values().gateway, scaler("production")["maxReplicas"]
    backend, client = (named(made, kind, "feed")["spec"] for kind in ("BackendTrafficPolicy", "ClientTrafficPolicy"))
    for spec in (backend, client):
        (target,) = spec["targetRefs"]
        assert named(made, target["kind"], target["name"])
    # a WebSocket is a connection, and a request for as long as it lasts: 1,024 of each unless told otherwise
    limits = backend["circuitBreaker"]
    assert limits["maxConnections"] == limits["maxParallelRequests"] == most * knobs.max_connections
    assert limits["maxPendingRequests"] >= knobs.max_connections
    # the route's timeouts of 0s would put an end to this one
    assert client["timeout"]["http"]["streamIdleTimeout"] == f"{3 * knobs.ping_s:.0f}s"
    assert client["headers"]["earlyRequestHeaders"] == {"remove": ["X-Forwarded-For"]}


def test_both_ways_in_believe_the_same_proxies() -> None:
    files = [K8S / "components" / name / "kustomization.yaml" for name in ("ingress", "gateway-api")]
    first, second = ([each["literals"] for each in yaml.safe_load(path.read_text())["configMapGenerator"]]
                     for path in files)  # fmt: skip
    assert first == second
