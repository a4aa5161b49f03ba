"""ops/k8s, as kustomize builds it: every object is what its schema says, and every pod keeps the house's rules."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from k8s_manifests import (
    K8S,
    OVERLAYS,
    WORKLOADS,
    Manifest,
    Workload,
    built,
    of_kind,
    overlay,
    seconds,
    selects,
    workloads,
)
from k8s_schemas import SCHEMAS
from typer.main import get_command

import songlens.cli
from songlens_batch.jobs.names import QUEUE
from songlens_batch.schedule.file import read_schedules
from songlens_shared import address
from songlens_shared.keys import LANES, SONGS_GROUP, VISION_GROUP, PartitionKeys
from songlens_workers.settings import (
    JobsSettings,
    MetricsSettings,
    Settings,
    SongsSettings,
    VisionSettings,
    known_settings,
    load_settings,
)

KUBERNETES = ("1.30", "1.37")
PROBED = ("vision", "songs", "jobs", "metrics")
SETTINGS: dict[str, type[Settings]] = {
    "vision": VisionSettings,
    "songs": SongsSettings,
    "jobs": JobsSettings,
    "schedule": JobsSettings,
    "metrics": MetricsSettings,
}
each_overlay = pytest.mark.parametrize("name", OVERLAYS)


@cache
def pods(name: str) -> dict[str, Workload]:
    return {workload.name: workload for workload in workloads(name)}


def loaded(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the settings as the worker would read them there, but for the password."""
    for variable, value in workload.settings.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("SONGLENS_REDIS_PASSWORD_FILE", raising=False)
    return load_settings(SETTINGS[workload.name])


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_what_its_schema_says(folder: str, version: str) -> None:
    """Kubernetes' own, strictly: a field that it does not know is a fault. Names are unique."""
    objects = built(folder)
    for one in objects:
        if schema := SCHEMAS.get(one["kind"]):
            jsonschema.validate(one, schema)
        else:
            kubernetes_validate.validate(one, version, strict=True)
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))


@each_overlay
def test_overlays_lie_in_one_namespace(name: str) -> None:
    """The base names none, an overlay names the same for all it has."""
    assert {one["metadata"].get("namespace") for one in overlay(name)} == {"songlens"}
    assert not any("namespace" in one["metadata"] for one in built("base"))


@each_overlay
def test_what_a_pod_may_do(name: str) -> None:
    """No root, nothing written but to volumes, no rights, no token; bounded; an image of a version."""
    for workload in pods(name).values():
        pod, container = workload.pod, workload.container
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == (10001 if workload.ours else 999)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == "songlens"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][bound].keys()
        _, _, tag = container["image"].partition(":")
        assert tag and tag != "latest"
    [account] = of_kind(overlay(name), "ServiceAccount")
    assert account["automountServiceAccountToken"] is False


@each_overlay
def test_images_are_of_this_version(name: str) -> None:
    """Of Songlens as of pyproject.toml; of Redis the same release as in compose.yaml."""
    version = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["version"]
    redis = yaml.safe_load(Path("compose.yaml").read_text("utf-8"))["services"]["redis"]["image"]
    for workload in pods(name).values():
        image = workload.container["image"]
        if workload.ours:
            gpu = "nvidia.com/gpu" in workload.container["resources"]["limits"]
            assert image == f"songlens-worker{'-cuda' if gpu else ''}:{version}"
        else:
            assert image.startswith("redis:") and image.split(".")[:2] == redis.partition("-")[0].split(".")[:2]
    assert "10001" in Path("ops/docker/Dockerfile").read_text("utf-8")


@each_overlay
def test_what_a_pod_mounts_is_there(name: str) -> None:
    """Claims, config maps and the volumes of mounts exist, a password file where the settings look for it."""
    objects = overlay(name)
    there = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for workload in pods(name).values():
        volumes = {volume["name"]: volume for volume in workload.pod["volumes"]}
        claimed = {claim["metadata"]["name"] for claim in workload.manifest["spec"].get("volumeClaimTemplates", ())}
        mounts = {mount["mountPath"]: mount["name"] for mount in workload.container["volumeMounts"]}
        assert set(mounts.values()) == volumes.keys() | claimed
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in there
        if workload.ours:
            file = Path(workload.settings["SONGLENS_REDIS_PASSWORD_FILE"])
            secret = volumes[mounts[str(file.parent)]]["secret"]
            assert [item["path"] for item in secret["items"]] == [file.name]
            role = {"schedule": "jobs"}.get(workload.name, workload.name)
            assert secret["secretName"] == f"songlens-{role}"
            assert workload.settings["SONGLENS_REDIS_URL"].startswith(f"redis://songlens-{role}@")
    assert not of_kind(objects, "Secret")  # they are yours: ops/k8s/secrets.py


@each_overlay
def test_settings_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SONGLENS_ variable is one that the worker reads, and together they make sense to it."""
    others = {value for key, value in vars(address).items() if key.endswith("_VARIABLE")}
    known = {f"SONGLENS_{setting.upper()}" for setting in known_settings()} | others
    for workload in pods(name).values():
        with monkeypatch.context() as patch:
            assert {key for key in workload.settings if key.startswith("SONGLENS_")} <= known
            if workload.ours:
                loaded(workload, patch)


@each_overlay
def test_commands_are_commands(name: str) -> None:
    """The command line of each container, and of each hook in it, is one that `songlens` takes."""
    for workload in pods(name).values():
        if not workload.ours:
            continue
        container = workload.container
        assert "command" not in container  # the image's entry point is songlens
        lines = [container["args"]]
        if hook := container.get("lifecycle"):
            command, *arguments = hook["preStop"]["exec"]["command"]
            assert command == "songlens"
            lines.append(arguments)
        for line in lines:
            parsed(get_command(songlens.cli._app()), list(line))


def parsed(command: Any, line: list[str]) -> None:
    """Parse a command line down to its verb, and run nothing."""
    while hasattr(command, "commands"):
        command = command.commands[line.pop(0)]
    command.make_context("songlens", line)


@each_overlay
def test_probes_ask_where_the_worker_listens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """/live and /ready on the metrics port, on every address; a worker has the time that it takes to start."""
    for stage in PROBED:
        workload = pods(name)[stage]
        container = workload.container
        with monkeypatch.context() as patch:
            settings = loaded(workload, patch)
        args = container["args"]
        port = int(args[args.index("--port") + 1]) if "--port" in args else settings.metrics_port
        assert [(one["name"], one["containerPort"]) for one in container["ports"]] == [("metrics", port)]
        assert "0.0.0.0" in (settings.metrics_host, args[args.index("--host") + 1] if "--host" in args else "")
        probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}
        asked = {kind: (one["httpGet"]["path"], one["httpGet"]["port"]) for kind, one in probes.items()}
        assert asked == {
            "startup": ("/live", "metrics"),
            "readiness": ("/ready", "metrics"),
            "liveness": ("/live", "metrics"),
        }
        assert all(one["timeoutSeconds"] <= one["periodSeconds"] for one in probes.values())
        start_wait_s = getattr(settings, "start_wait_s", 0)
        assert seconds(probes["startup"]) >= start_wait_s + (240 if stage == "vision" else 60)
        # /live is 503 after stuck_s by itself; the probe is only to be sure of it.
        assert seconds(probes["liveness"]) <= getattr(settings, "stuck_s", 60)
        annotations = workload.template["metadata"]["annotations"]
        assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)}


@each_overlay
def test_workers_have_time_to_drain(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook waits drain_s at most, and SIGTERM comes after it within the same time of grace."""
    for stage in ("vision", "songs"):
        workload = pods(name)[stage]
        with monkeypatch.context() as patch:
            settings = loaded(workload, patch)
        assert workload.pod["terminationGracePeriodSeconds"] >= settings.drain_s + 20
        assert workload.container["lifecycle"]["preStop"]["exec"]["command"] == ["songlens", "worker", "drain", "1"]
        assert settings.process_count == 1 if stage == "vision" else True
    assert pods(name)["jobs"].pod["terminationGracePeriodSeconds"] >= 600


@each_overlay
def test_rollouts_and_drained_nodes_take_one_at_a_time(name: str) -> None:
    """A new worker is ready before an old one goes, but where GPUs are scarce; each workload has its budget."""
    budgets = of_kind(overlay(name), "PodDisruptionBudget")
    for workload in pods(name).values():
        assert [one["spec"]["maxUnavailable"] for one in budgets if chosen(one, workload)] == [1], workload.name
        assert selects(workload.manifest["spec"]["selector"], workload.labels)
        if workload.manifest["kind"] != "Deployment":
            continue
        gpu = "nvidia.com/gpu" in workload.container["resources"]["limits"]
        rolling = workload.manifest["spec"]["strategy"]["rollingUpdate"]
        assert rolling == ({"maxSurge": 0, "maxUnavailable": 1} if gpu else {"maxSurge": 1, "maxUnavailable": 0})
        [spread] = workload.pod["topologySpreadConstraints"]
        assert selects(spread["labelSelector"], workload.labels)


def chosen(one: Manifest, workload: Workload) -> bool:
    return selects(one["spec"]["selector"], workload.labels)


@each_overlay
def test_networks_are_closed(name: str) -> None:
    """Every pod is closed both ways and may ask for names; workers reach Redis, Prometheus reaches workers."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(overlay(name), "NetworkPolicy")}
    closed = policies["songlens-nothing-else"]
    assert closed["policyTypes"] == ["Ingress", "Egress"] and not {"ingress", "egress"} & closed.keys()
    for workload in pods(name).values():

        def binds(policy: str, labels: dict[str, str] = workload.labels) -> bool:
            return policy in policies and selects(policies[policy]["podSelector"], labels)

        assert binds("songlens-nothing-else") and binds("songlens-names")
        assert binds("songlens-scrapes") == (workload.name in PROBED)
        assert binds("songlens-to-redis") == workload.ours
        assert binds("songlens-redis") == (workload.name == "redis")
        assert binds("songlens-keda") == (workload.name == "redis")
    if "redis" in pods(name):
        [rule] = policies["songlens-redis"]["ingress"]
        workers, clients = rule["from"]
        let_in = {each.name for each in pods(name).values() if selects(workers["podSelector"], each.labels)}
        assert let_in == pods(name).keys() - {"redis"}
        assert clients == {"namespaceSelector": {}, "podSelector": {"matchLabels": {"songlens-client": "true"}}}


@each_overlay
def test_services_find_their_pods(name: str) -> None:
    """Headless, by the names that ops/prometheus/prometheus.yml and the addresses use, with the port that is there."""
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind(overlay(name), "Service")}
    assert services.keys() == pods(name).keys() - {"schedule"}
    for service, spec in services.items():
        workload = pods(name)[service]
        assert spec["clusterIP"] == "None"
        assert [
            each.name for each in pods(name).values() if selects({"matchLabels": spec["selector"]}, each.labels)
        ] == [service]
        [port], [opened] = spec["ports"], workload.container["ports"]
        assert (port["targetPort"], port["port"]) == (opened["name"], opened["containerPort"])
    scraped = yaml.safe_load(Path("ops/prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    for job in scraped:
        stage = job["job_name"].removeprefix("songlens-")
        port = services[stage]["ports"][0]["port"]
        found = job.get("dns_sd_configs", [{}])[0]
        targets = (
            [f"{name}:{found['port']}" for name in found["names"]] if found else job["static_configs"][0]["targets"]
        )
        assert targets == [f"{stage}:{port}"]


@each_overlay
def test_scaling_follows_every_stream(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By lag, and by length for when Redis does not know the lag: of each lane of each partition, in the code's names.

    HPA takes the largest of what triggers ask for and not the sum, so that partitions share what a worker is given.
    What a worker holds itself is no reason for another one.
    """
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in of_kind(overlay(name), "ScaledObject")}
    assert scaled.keys() == {"vision", "songs", "jobs"}
    with monkeypatch.context() as patch:
        partitions = [PartitionKeys(each) for each in range(loaded(pods(name)["vision"], patch).partitions)]
    streams = {
        "vision": [(keys.requests(lane), VISION_GROUP) for keys in partitions for lane in LANES],
        "songs": [(keys.hits, SONGS_GROUP) for keys in partitions],
    }
    for stage, expected in streams.items():
        with monkeypatch.context() as patch:
            held = loaded(pods(name)[stage], patch).max_in_flight
        triggers = [one["metadata"] for one in scaled[stage]["triggers"]]
        by_lag = {(one["stream"], one["consumerGroup"]): int(one["lagCount"]) for one in triggers if "lagCount" in one}
        by_length = {one["stream"]: int(one["streamLength"]) for one in triggers if "streamLength" in one}
        assert list(by_lag) == expected
        assert list(by_length) == [stream for stream, _ in expected]
        for (stream, _), lag in by_lag.items():
            assert by_length[stream] * len(partitions) >= lag * len(partitions) + held
        kinds = {one["type"] for one in scaled[stage]["triggers"]}
        assert kinds == {"redis-cluster-streams" if len(partitions) > 1 else "redis-streams"}
    [jobs] = scaled["jobs"]["triggers"]
    assert (jobs["type"], jobs["metadata"]["listName"]) == ("redis", f"rq:queue:{QUEUE}")


@each_overlay
def test_scaling_is_careful(name: str) -> None:
    """Never to none, never down for want of Redis, down slowly; what is scaled has no number of its own."""
    objects = overlay(name)
    logins = {one["metadata"]["name"] for one in of_kind(objects, "TriggerAuthentication")}
    for one in of_kind(objects, "ScaledObject"):
        spec = one["spec"]
        target = pods(name)[spec["scaleTargetRef"]["name"]].manifest
        assert "replicas" not in target["spec"]
        assert 1 <= spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
        assert {trigger["authenticationRef"]["name"] for trigger in spec["triggers"]} <= logins
    assert all("replicas" in one["spec"] for one in of_kind(built("base"), *WORKLOADS))


def test_a_vision_worker_has_a_gpu() -> None:
    """With the overlay of that name: one each, on nodes that have them, by an image with CUDA, with room to start."""
    workload = pods("gpu")["vision"]
    assert workload.container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" in {one["key"] for one in workload.pod["tolerations"]}
    assert workload.pod["nodeSelector"]
    assert workload.settings["SONGLENS_DEVICE"] == "cuda"
    assert not any("nvidia.com/gpu" in str(each.manifest) for each in pods("cpu").values())


@pytest.mark.parametrize("name", ["gpu", "production"])
def test_monitoring_is_that_of_ops_prometheus(name: str) -> None:
    """Jobs have the names of prometheus.yml, by which alerts find them; the rules are its rules."""
    [monitor] = of_kind(overlay(name), "PodMonitor")
    chosen_ones = {each.name for each in pods(name).values() if selects(monitor["spec"]["selector"], each.labels)}
    scraped = yaml.safe_load(Path("ops/prometheus/prometheus.yml").read_text("utf-8"))
    assert {f"songlens-{one}" for one in chosen_ones} == {job["job_name"] for job in scraped["scrape_configs"]}
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["interval"] == scraped["global"]["scrape_interval"]
    [rules] = of_kind(overlay(name), "PrometheusRule")
    groups = [yaml.safe_load(Path(f"ops/prometheus/{file}.yml").read_text("utf-8")) for file in ("recording", "alerts")]
    assert rules["spec"]["groups"] == [group for file in groups for group in file["groups"]]


def test_settings_of_redis_are_those_of_ops_redis() -> None:
    """One file for compose and Kubernetes; the memory limit is over what the lanes may hold, under what the pod may."""
    [settings] = [one for one in of_kind(overlay("cpu"), "ConfigMap") if "redis.conf" in one["data"]]
    assert settings["data"]["redis.conf"] == Path("ops/redis/redis.conf").read_text("utf-8")
    container = pods("cpu")["redis"].container
    args = container["args"]
    lanes = VisionSettings(redis_url="redis://x").lane_limits()
    limit = int(args[args.index("--maxmemory") + 1].removesuffix("mb")) * 2**20
    assert sum(value for key, value in lanes.items() if key.endswith(".bytes")) < limit
    assert limit < int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30 * 0.7
    assert args[0] == "/etc/songlens/redis.conf"
    assert args[args.index("--aclfile") + 1] == "/run/secrets/users/users.acl"


def test_the_schedule_is_one() -> None:
    """The example of the component can be read by the scheduler."""
    assert read_schedules(K8S / "components" / "schedule" / "schedule.toml")
