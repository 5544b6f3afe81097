"""Lints and renders the Helm chart with Helm's own library, compares what comes out with the schemas of Kubernetes, and
holds it to what the chart promises."""

import sys
from pathlib import Path

import helm_python as helm
import yaml
from kubernetes_validate import utils as kubernetes

# The oldest version that the chart takes, and the newest whose schemas are at hand.
VERSIONS = ["1.30", kubernetes.latest_version()]
# Resources of the Prometheus operator, of which no schema is at hand.
WITHOUT_SCHEMA = {"ServiceMonitor"}
SEVERITY_ERROR = 2

# Changes of the least values, and a word of why each is refused.
REFUSED = [
    ("sqlite", {"keys": {"keyringSecret": {"name": ""}}}, "keyringSecret"),
    ("sqlite", {"auth": {"pepperSecret": {"name": ""}}}, "pepper"),
    ("sqlite", {"auth": {"mode": "gateway"}}, "gateway"),
    ("sqlite", {"auth": {"mode": "nobody"}}, "pattern"),
    ("sqlite", {"database": {"kind": "mysql"}}, "database"),
    ("sqlite", {"settings": {"auth.pepper": "in the open"}}, "auth.pepper"),
    ("sqlite", {"settings": {"server.max_connections": 1.5}}, "settings"),
    ("sqlite", {"replica": 3}, "replica"),
    ("postgres", {"database": {"postgres": {"urlSecret": {"name": ""}}}}, "urlSecret"),
    ("postgres", {"replicas": 0}, "replicas"),
    ("postgres", {"image": {"digest": "latest"}}, "digest"),
]


def main(chart):
    faults = []
    values = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((chart / "ci").glob("*.yaml"))}
    with helm.Chart.load(chart) as loaded:
        for name, given in values.items():
            faults += [f"{name}: {fault}" for fault in faults_of_lint(chart, given)]
            resources = list(rendered(loaded, given))
            faults += [f"{name}: {fault}" for resource in resources for fault in faults_of_schema(resource)]
            faults += [f"{name}: {fault}" for fault in faults_of_promises(name, resources)]
        for name, change, word in REFUSED:
            faults += faults_of_refusal(loaded, name, merged(values[name], change), change, word)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if not faults:
        print(f"Helm {helm.helm_sdk_version()}: {', '.join(values)}; schemas of Kubernetes {', '.join(VERSIONS)}; "
              f"{len(REFUSED)} bad values refused")
    return 1 if faults else 0


def faults_of_lint(chart, given):
    report = helm.lint(chart, given, strict=True)
    yield from report["errors"]
    for message in report["messages"]:
        if message["severity"] >= SEVERITY_ERROR:
            yield f"{message['path']}: {message['error']}"


def rendered(chart, given):
    for path, text in chart.render(given, name="demo", namespace="prod").items():
        if not path.endswith("NOTES.txt"):
            yield from (resource for resource in yaml.safe_load_all(text) if resource)


def faults_of_schema(resource):
    if resource["kind"] in WITHOUT_SCHEMA:
        return
    for version in VERSIONS:
        try:
            kubernetes.validate(resource, version, strict=True)
        except kubernetes.ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            yield f"{resource['kind']} {resource['metadata']['name']}, Kubernetes {version}: {path}: {error.message}"


def faults_of_promises(name, resources):
    kinds = {resource["kind"]: resource for resource in resources}
    if "Secret" in kinds:
        yield "the chart makes a secret"
    pods = {kind: kinds[kind]["spec"]["template"]["spec"] for kind in ("Deployment", "Job") if kind in kinds}
    for kind, pod in pods.items():
        yield from (f"{kind}: {fault}" for fault in faults_of_pod(pod))
    deployment = kinds["Deployment"]["spec"]
    if name == "sqlite":
        if deployment["replicas"] != 1 or deployment["strategy"]["type"] != "Recreate":
            yield "SQLite with more than one pod at a time"
        if "PersistentVolumeClaim" not in kinds or "Job" in kinds or "PodDisruptionBudget" in kinds:
            yield "SQLite needs a claim, and neither a migration job nor a disruption budget"
    else:
        if deployment["replicas"] < 2 or "PodDisruptionBudget" not in kinds or "PersistentVolumeClaim" in kinds:
            yield "PostgreSQL needs replicas and a disruption budget, and no claim"
        if "pre-upgrade" not in kinds["Job"]["metadata"]["annotations"]["helm.sh/hook"]:
            yield "the schema is not migrated before an upgrade"
        if any(variable["name"] == "PATCHBAY_KEYRING" for variable in pods["Job"]["containers"][0]["env"]):
            yield "the migration job is given the key ring"
    container = pods["Deployment"]["containers"][0]
    probes = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    if probes != ["/healthz", "/healthz", "/readyz"]:
        yield f"probes ask {probes}"
    twice = [v["name"] for v in container["env"] if [w["name"] for w in container["env"]].count(v["name"]) > 1]
    if twice:
        yield f"variables that stand twice: {twice}"
    if any("value" in variable and "e+" in str(variable["value"]) for variable in container["env"]):
        yield "a number is written with an exponent"


def faults_of_pod(pod):
    if pod.get("enableServiceLinks") is not False:
        yield "Kubernetes would put PATCHBAY_PORT into the environment, which is no setting"
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token of the cluster is mounted"
    security = pod["securityContext"]
    if not security["runAsNonRoot"] or security["fsGroupChangePolicy"] != "OnRootMismatch":
        yield "runs as root, or has its volume opened to the group at each start"
    for container in pod["containers"]:
        security = container["securityContext"]
        if not security["readOnlyRootFilesystem"] or security["allowPrivilegeEscalation"] or security["capabilities"]["drop"] != ["ALL"]:
            yield "the container may do more than it needs"
        if "memory" not in container["resources"]["limits"]:
            yield "no limit on memory"


def faults_of_refusal(chart, name, given, change, word):
    try:
        chart.validate_schema(given)
        chart.render(given, name="demo", namespace="prod")
    except helm.HelmError as error:
        if word.lower() not in str(error).lower():
            yield f"{name} with {change} is refused, but not for {word}: {error}"
    else:
        yield f"{name} with {change} is not refused"


def merged(base, change):
    if not isinstance(change, dict) or not isinstance(base, dict):
        return change
    return {key: merged(base.get(key), change[key]) if key in change else base[key] for key in base | change}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
