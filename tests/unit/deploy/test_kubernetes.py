"""deploy/kubernetes, as far as it can be checked without a cluster: against KubeRay's and Kubernetes' fields, Ray's
schema of Serve's configuration, our settings, and what `aragora node` sets for a node."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from aragora import __version__
from aragora.cluster.needed import missing_for_cluster
from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import Settings, is_secret, load_settings, own_variables, variable_of

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "deploy/kubernetes"
MANIFESTS: dict[str, Any] = {
    f"{one['kind']}/{one['metadata']['name']}": one
    for file in ("rayservice.yaml", "secret-example.yaml")
    for one in yaml.safe_load_all((SHIPPED / file).read_text())
}
SERVICE = MANIFESTS["RayService/aragora"]["spec"]
CLUSTER = SERVICE["rayClusterConfig"]
NODE: dict[str, str] = MANIFESTS["ConfigMap/aragora-node"]["data"]
SECRET: dict[str, str] = MANIFESTS["Secret/aragora-settings"]["stringData"]
GROUPS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
PODS = [group["template"] for group in GROUPS]
IMAGE_HOME = "/opt/aragora"
METRICS_PORT = 8090
# What differs from node to node, and what KubeRay sets itself: 600 s on workers and Ray's own on the head.
NOT_COMPARED = {"RAY_SERVE_HAPROXY_MAXCONN", "RAY_gcs_rpc_server_reconnect_timeout_s"}

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
WORDS = {"type": "object", "additionalProperties": TEXT}


def of(*required: str, **fields: Any) -> dict[str, Any]:
    """An object of these fields and no other."""
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


def many(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


# Kubernetes' fields (its API reference, v1.28 and later), those that are used here.
METADATA = of(name=TEXT, labels=WORDS)
SELECTOR = of(matchLabels=WORDS)
HTTP_GET = of("path", "port", path=TEXT, port=NUMBER)
PROBE = of(
    "httpGet", httpGet=HTTP_GET, initialDelaySeconds=NUMBER, periodSeconds=NUMBER, timeoutSeconds=NUMBER,
    failureThreshold=NUMBER,
)  # fmt: skip
RESOURCES = of(requests=WORDS, limits=WORDS)
CONTAINER = of(
    "name", "image", name=TEXT, image=TEXT, workingDir=TEXT, command=TEXTS,
    envFrom=many(of(configMapRef=of("name", name=TEXT), secretRef=of("name", name=TEXT))),
    securityContext=of(allowPrivilegeEscalation=FLAG, capabilities=of(drop=TEXTS)),
    volumeMounts=many(of("name", "mountPath", name=TEXT, mountPath=TEXT)), resources=RESOURCES,
    ports=many(of("containerPort", name={"type": "string", "maxLength": 15}, containerPort=NUMBER)),
    lifecycle=of(preStop=of(exec=of(command=TEXTS))), readinessProbe=PROBE, livenessProbe=PROBE,
)  # fmt: skip
POD = of(
    "metadata", "spec", metadata=METADATA,
    spec=of(
        "containers", terminationGracePeriodSeconds=NUMBER, automountServiceAccountToken=FLAG,
        securityContext=of(runAsNonRoot=FLAG, runAsUser=NUMBER, runAsGroup=NUMBER, fsGroup=NUMBER),
        topologySpreadConstraints=many(
            of("maxSkew", "topologyKey", "whenUnsatisfiable", maxSkew=NUMBER, topologyKey=TEXT,
               whenUnsatisfiable={"enum": ["ScheduleAnyway", "DoNotSchedule"]}, labelSelector=SELECTOR)
        ),
        initContainers=many(CONTAINER), containers=many(CONTAINER),
        volumes=many(of("name", name=TEXT, emptyDir=of(medium={"enum": ["Memory"]}, sizeLimit=TEXT))),
    ),
)  # fmt: skip
PORT = of("port", name=TEXT, protocol=TEXT, port=NUMBER, targetPort=NUMBER)
# KubeRay's fields: "KubeRay CRD API reference" of docs.ray.io (v1.6.2), with `mode` of AuthOptions since v1.5.1.
PARAMETERS = WORDS
SCHEMAS = {
    "RayService": of(
        "serveConfigV2", "rayClusterConfig", serveConfigV2=TEXT, upgradeStrategy=of(type={"enum": ["NewCluster", "None"]}),
        serveService=of("spec", metadata=METADATA, spec=of(ports=many(PORT))),
        rayClusterConfig=of(
            "headGroupSpec", rayVersion=TEXT, authOptions=of(mode={"enum": ["disabled", "token"]}),
            gcsFaultToleranceOptions=of(
                "redisAddress", redisAddress=TEXT,
                redisPassword=of(valueFrom=of(secretKeyRef=of("name", "key", name=TEXT, key=TEXT))),
            ),
            headGroupSpec=of("rayStartParams", "template", rayStartParams=PARAMETERS, template=POD),
            workerGroupSpecs=many(
                of("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template", groupName=TEXT,
                   replicas=NUMBER, minReplicas=NUMBER, maxReplicas=NUMBER, rayStartParams=PARAMETERS, template=POD)
            ),
        ),
    ),
    "PodDisruptionBudget": of("selector", minAvailable=NUMBER, selector=SELECTOR),
    "NetworkPolicy": of(
        "podSelector", podSelector=SELECTOR, policyTypes={"type": "array", "items": {"enum": ["Ingress", "Egress"]}},
        ingress=many(
            {"type": "object", "additionalProperties": False, "properties": {
                "from": many(of(podSelector=SELECTOR, namespaceSelector=SELECTOR)), "ports": many(PORT)}}
        ),
    ),
}  # fmt: skip
VERSIONS = {
    "RayService": "ray.io/v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_field_is_one_that_kuberay_and_kubernetes_have(name: str) -> None:
    manifest = MANIFESTS[name]
    kind = manifest["kind"]
    assert manifest["apiVersion"] == VERSIONS[kind]
    if kind in SCHEMAS:
        jsonschema.validate(manifest["spec"], SCHEMAS[kind])
    else:
        jsonschema.validate(manifest.get("data") or manifest["stringData"], WORDS)


def test_it_says_that_it_was_not_tried() -> None:
    assert "NOT TRIED ON A CLUSTER" in (SHIPPED / "rayservice.yaml").read_text()


def test_rays_own_schema_takes_the_configuration_of_serve() -> None:
    from ray.serve.schema import ServeDeploySchema

    parsed = ServeDeploySchema.model_validate(yaml.safe_load(SERVICE["serveConfigV2"]))
    (application,) = parsed.applications
    module, _, name = application.import_path.partition(":")
    served = import_module(module)
    assert callable(getattr(served, name))
    assert (application.name, application.route_prefix) == (served.APPLICATION, "/")
    assert (parsed.http_options.host, parsed.http_options.port) == ("0.0.0.0", HTTP_PORT)
    assert parsed.proxy_location == "EveryNode"


def test_the_versions_are_those_of_this_program() -> None:
    assert CLUSTER["rayVersion"] == ray.__version__
    images = {one["image"] for one in _containers()}
    assert images == {f"registry.example.com/aragora:{__version__}"}
    assert f"-t {images.pop()} ." in (SHIPPED / "Dockerfile").read_text()


def test_every_variable_is_a_setting_or_one_of_a_nodes_own() -> None:
    settings = {variable_of(name, field) for name, field in Settings.model_fields.items()}
    assert NODE.keys() | SECRET.keys() <= settings | _set_for_a_node().keys()
    assert SECRET.keys() <= settings
    load_settings({name: value for name, value in {**NODE, **SECRET}.items() if name in settings and value})


def test_what_is_secret_is_in_the_secret_and_has_no_value_there() -> None:
    secret = {variable_of(name, field) for name, field in Settings.model_fields.items() if is_secret(field)}
    assert not secret & NODE.keys()
    assert all(value == "" or "PASSWORD" in value for value in SECRET.values())


def test_no_setting_is_missing_that_a_cluster_needs() -> None:
    filled = {name: value or "ab" * 32 for name, value in SECRET.items()}
    assert missing_for_cluster(load_settings({**filled, "ARAGORA_ENV": NODE["ARAGORA_ENV"]})) == ()


def test_the_nodes_ray_gets_what_aragora_node_gives_it() -> None:
    """KubeRay starts Ray, so what `aragora node` would set stands in the file: the same, whatever is changed there."""
    wanted = {name: value for name, value in _set_for_a_node().items() if name not in NOT_COMPARED}
    settings = own_variables()
    given = {name: value for name, value in NODE.items() if name not in settings and name not in NOT_COMPARED}
    assert given == wanted


def test_ports_are_ours_and_no_two_are_the_same() -> None:
    for group in GROUPS:
        (container,) = group["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert (ports["serve"], ports["websocket"], ports["metrics"]) == (HTTP_PORT, WS_PORT, METRICS_PORT)
        # Unless it is told otherwise KubeRay has Ray's metrics on 8080.
        assert group["rayStartParams"]["metrics-export-port"] == str(METRICS_PORT)
        assert len(set(ports.values())) == len(ports)
    head = GROUPS[0]
    assert {"name": "gcs-server", "containerPort": int(head["rayStartParams"]["port"])} in (
        head["template"]["spec"]["containers"][0]["ports"]
    )
    published = {port["name"]: port["port"] for port in SERVICE["serveService"]["spec"]["ports"]}
    assert published == {"serve": HTTP_PORT, "websocket": WS_PORT}


def test_prometheus_asks_the_same_ports() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (rays,) = (job for job in jobs if job["job_name"] == "ray")
    assert f"$1:{METRICS_PORT}" in [one.get("replacement") for one in rays["relabel_configs"]]


def test_the_start_parameters_are_options_of_ray_start() -> None:
    from ray.scripts.scripts import start

    options = {name.removeprefix("--") for parameter in start.params for name in parameter.opts}
    for group in GROUPS:
        assert group["rayStartParams"].keys() <= options


def test_the_probes_ask_what_answers_without_a_token() -> None:
    from importlib.resources import files

    dashboard = files("ray.dashboard")
    public = (
        dashboard.joinpath("http_server_head.py").read_text() + dashboard.joinpath("http_server_agent.py").read_text()
    )
    for container in (container for pod in PODS for container in pod["spec"]["containers"]):
        for probe in (container["readinessProbe"], container["livenessProbe"]):
            asked = probe["httpGet"]
            own = asked == {"path": "/api/health/ready", "port": HTTP_PORT}
            assert own or f'"{asked["path"]}"' in public


def test_names_that_point_to_something_point_to_what_is_there() -> None:
    for pod in PODS:
        labels = pod["metadata"]["labels"]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            for source in container["envFrom"]:
                ((kind, named),) = source.items()
                assert (
                    f"{kind.removesuffix('Ref').replace('configMap', 'ConfigMap').replace('secret', 'Secret')}/{named['name']}"
                    in MANIFESTS
                )
        for selector in (
            MANIFESTS["PodDisruptionBudget/aragora"]["spec"]["selector"],
            MANIFESTS["NetworkPolicy/aragora"]["spec"]["podSelector"],
            pod["spec"]["topologySpreadConstraints"][0]["labelSelector"],
        ):
            assert selector["matchLabels"].items() <= labels.items()
    password = CLUSTER["gcsFaultToleranceOptions"]["redisPassword"]["valueFrom"]["secretKeyRef"]
    assert password["key"] in MANIFESTS[f"Secret/{password['name']}"]["stringData"]


def test_one_pod_may_be_away_and_no_more() -> None:
    pods = 1 + sum(group["replicas"] for group in CLUSTER["workerGroupSpecs"])
    assert MANIFESTS["PodDisruptionBudget/aragora"]["spec"]["minAvailable"] == pods - 1


def test_only_what_serves_can_be_reached_from_the_front() -> None:
    """Ray's ports are for the nodes; the dashboard for KubeRay; figures for Prometheus."""
    rules = MANIFESTS["NetworkPolicy/aragora"]["spec"]["ingress"]
    reached = {}
    for rule in rules:
        (source,) = rule["from"]
        labels = (source.get("namespaceSelector") or source["podSelector"])["matchLabels"]
        reached[next(iter(labels.values()))] = {port["port"] for port in rule.get("ports", ())}
    assert reached == {
        "aragora": set(),  # no list of ports is all of them
        "kuberay-system": {8265, HTTP_PORT},
        "ingress-nginx": {HTTP_PORT, WS_PORT},
        "monitoring": {HTTP_PORT, METRICS_PORT},
    }


def test_containers_run_without_privileges() -> None:
    for pod in PODS:
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert not pod["spec"]["automountServiceAccountToken"]
    for container in _containers():
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_a_pod_that_ends_has_time_for_what_it_does_then() -> None:
    for pod in PODS:
        (container,) = pod["spec"]["containers"]
        waits = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])[1]
        assert pod["spec"]["terminationGracePeriodSeconds"] > int(waits) + Settings().drain_timeout_s


def test_the_image_copies_what_is_there_and_installs_from_the_lock() -> None:
    text = (SHIPPED / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert {"serve_app.py", "actors", "aragora", "requirements.lock"} <= set(copied)
    assert "make install" in text
    assert re.search(r"^USER 1000$", text, re.MULTILINE)
    assert f"WORKDIR {IMAGE_HOME}" in text


def _containers() -> Iterator[dict[str, Any]]:
    for pod in PODS:
        yield from pod["spec"].get("initContainers", ())
        yield from pod["spec"]["containers"]


def _set_for_a_node() -> dict[str, str]:
    """What `aragora node` sets, with the places that the image has. In a process of its own: it is set for good."""
    asked = (
        "import json, os, pathlib, sys; from actors.ray_environment import set_for_node; "
        "from aragora.composition.listening import Listening; before = dict(os.environ); "
        "pathlib.Path.mkdir = lambda *_, **__: None; "
        f"set_for_node(pathlib.Path({NODE['ARAGORA_RUN_DIRECTORY']!r}), "
        f"Listening.on('0.0.0.0').bind({HTTP_PORT}, {WS_PORT})); "
        "json.dump({name: text for name, text in os.environ.items() if before.get(name) != text}, sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    there = f"{IMAGE_HOME}/.venv/lib/python3.11/site-packages/"
    found: dict[str, str] = json.loads(done.stdout)
    return {
        name: re.sub(r"^.*/site-packages/", there, text).replace(f"{ROOT}/", f"{IMAGE_HOME}/")
        for name, text in found.items()
    }
