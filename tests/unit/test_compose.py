"""compose.yaml as Compose reads it: no service has more rights, more secrets or more of the machine than it needs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from compose_processes import compose_config
from dockerfile import ROOT, Dockerfile

ONE_SHOT = {"client", "operator", "batch"}
SERVING = {"redis", "vision", "songs", "jobs", "metrics", "prometheus", "grafana", "rq-dashboard"}
REDIS_USERS = {
    "vision": "vision",
    "vision-gpu": "vision",
    "songs": "songs",
    "jobs": "jobs",
    "metrics": "metrics",
    "rq-dashboard": "dashboard",
    "client": "client",
    "operator": "operator",
    "batch": "jobs",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All services, those of every profile."""
    return compose_config(tmp_path_factory.mktemp("project"), "gpu", "tools")


@pytest.fixture
def services(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = config["services"]
    return found


def test_profiles(tmp_path: Path, services: dict[str, Any]) -> None:
    """By default all that serves, on the CPU; GPUs and one-shot commands only where they are asked for."""
    assert set(compose_config(tmp_path)["services"]) == SERVING
    assert set(compose_config(tmp_path, "gpu")["services"]) == SERVING | {"vision-gpu"}
    assert set(services) == SERVING | {"vision-gpu"} | ONE_SHOT


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    """No root, nothing to write to but volumes and memory, no capability, no way to more rights, bounded in all."""
    for name, service in services.items():
        uid, _, gid = service["user"].partition(":")
        assert int(uid) > 0, name
        assert gid.isdigit(), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service), name
        limits = service["deploy"]["resources"]["limits"]
        assert 0 < limits["cpus"] <= 2, f"{name}: a machine of two cores takes no more"
        assert int(limits["memory"]) > 0, name
        assert limits["pids"] > 0, name
        assert service["logging"]["options"]["max-size"], name
        for tmpfs in service.get("tmpfs", ()):
            assert "size=" in tmpfs, name


def test_every_service_stays_up_and_is_looked_after(services: dict[str, Any]) -> None:
    """It is started again, its health is asked for, and it waits for the health of what it needs."""
    for name in set(services) - ONE_SHOT:
        service = services[name]
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
        assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"]), name
    for name in ONE_SHOT:
        assert services[name]["restart"] == "no"
    for name, service in services.items():
        needs = service.get("depends_on", {})
        assert all(need["condition"] == "service_healthy" for need in needs.values()), name
        assert ("redis" in needs) == (name in REDIS_USERS), name


def test_a_worker_has_time_to_drain(services: dict[str, Any]) -> None:
    """More than the 30 s of its own limit."""
    for name in ("vision", "vision-gpu", "songs", "jobs"):
        assert services[name]["stop_grace_period"] == "40s"


def test_ports_are_on_loopback_alone(services: dict[str, Any]) -> None:
    """Nobody on another machine reaches any of it."""
    for name, service in services.items():
        for port in service.get("ports", ()):
            assert port["host_ip"] == "127.0.0.1", name


def test_who_can_reach_whom(services: dict[str, Any]) -> None:
    """Prometheus and Grafana have no way to Redis, rq-dashboard none to them; nobody is on the default network."""
    on = {name: set(service["networks"]) for name, service in services.items()}
    assert {name for name, networks in on.items() if "queue" in networks} == {"redis", *REDIS_USERS}
    workers = {"vision", "vision-gpu", "songs", "jobs", "metrics"}
    assert {name for name, networks in on.items() if "watching" in networks} == {*workers, "prometheus", "grafana"}
    assert set().union(*on.values()) == {"queue", "watching"}


def test_secrets_are_files_and_each_has_its_own(config: dict[str, Any], services: dict[str, Any]) -> None:
    """Each service logs in as its role, by a file that only it has; no variable and no command holds a password."""
    for name, service in services.items():
        environment, mounted = service.get("environment", {}), {one["source"] for one in service.get("secrets", ())}
        if name in REDIS_USERS:
            role = REDIS_USERS[name]
            assert environment["SONGLENS_REDIS_URL"] == f"redis://songlens-{role}@redis:6379"
            assert environment["SONGLENS_REDIS_PASSWORD_FILE"] == f"/run/secrets/{role}"
            assert mounted == {role}, name
        for variable, value in environment.items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", variable):
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"
        words = [*service["command"], *service.get("healthcheck", {}).get("test", ())] if service["command"] else []
        assert not any(re.search(r"://[^/\s]*:[^/\s]*@|requirepass", word) for word in words), name
    assert {one["source"] for one in services["redis"]["secrets"]} == {"users.acl", "metrics"}
    assert {one["source"] for one in services["grafana"]["secrets"]} == {"grafana"}
    assert services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana"
    assert all(set(secret) == {"name", "file"} for secret in config["secrets"].values())


def test_images_have_versions(services: dict[str, Any]) -> None:
    """Those of others a full one, ours that of the package."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert "/" not in image.removeprefix("prom/").removeprefix("grafana/"), name
        assert re.fullmatch(r"v?\d+\.\d+\.\d+(-\w+)?", tag), name
        if "build" in service:
            assert tag == ours, name
            assert service["build"]["target"] in Dockerfile().stages, name


def test_what_is_mounted_from_the_project_is_there_and_read_only(tmp_path: Path, services: dict[str, Any]) -> None:
    """Configuration is nobody's to change; a folder that does not exist would be made by root, and be empty."""
    sources = [
        mount for service in services.values() for mount in service.get("volumes", ()) if mount["type"] == "bind"
    ]
    for mount in sources:
        path = mount["source"].partition("/ops/")[2]
        if path:
            assert (ROOT / "ops" / path).exists(), mount
            assert mount["read_only"], mount
        else:
            assert Path(mount["source"]).name in {"models", "photos"}
            assert mount.get("read_only") or mount["target"] == "/var/lib/songlens/models"


def test_gpus_by_profile(tmp_path: Path, services: dict[str, Any]) -> None:
    """The GPU worker reserves NVIDIA devices, has torch for them, and takes the place of the one on the CPU."""
    gpu = services["vision-gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"], device["count"]) == ("nvidia", ["gpu"], -1)
    assert (gpu["build"]["args"]["TORCH_BACKEND"], services["vision"]["build"]["args"]["TORCH_BACKEND"]) == ("", "cpu")
    assert gpu["image"] != services["vision"]["image"]
    assert gpu["environment"]["SONGLENS_DEVICE"] == "cuda"
    assert gpu["networks"]["watching"]["aliases"] == ["vision"]
    alone = compose_config(tmp_path, "gpu", VISION_REPLICAS="0", VISION_GPU_REPLICAS="3")["services"]
    assert (alone["vision"]["deploy"]["replicas"], alone["vision-gpu"]["deploy"]["replicas"]) == (0, 3)


def test_folders_of_ones_own(tmp_path: Path) -> None:
    """A path is a folder of the machine, a plain name a volume."""
    (own,) = [
        mount
        for mount in compose_config(tmp_path, SONGLENS_BATCHES="/srv/scored")["services"]["jobs"]["volumes"]
        if mount["target"] == "/batches"
    ]
    assert (own["type"], own["source"]) == ("bind", "/srv/scored")
    models = compose_config(tmp_path, SONGLENS_MODELS="models")["services"]["vision"]["volumes"][0]
    assert (models["type"], models["source"]) == ("volume", "models")


def test_prometheus_asks_every_replica(services: dict[str, Any]) -> None:
    """Workers are looked up by name, so that DNS gives all of them, at the port that they serve on."""
    text = (ROOT / "ops" / "prometheus" / "prometheus.yml").read_text("utf-8")
    looked_up = dict(re.findall(r"dns_sd_configs: \[\{names: \[(\w+)\], type: A, port: (\d+)\}\]", text))
    assert set(looked_up) == {"vision", "songs", "jobs"}
    for name, port in looked_up.items():
        assert services[name]["environment"]["SONGLENS_METRICS_PORT"] == port
        assert services[name]["environment"]["SONGLENS_METRICS_HOST"] == "0.0.0.0"
    assert 'targets: ["metrics:9465"]' in text
    assert services["metrics"]["command"][1:5] == ["--host", "0.0.0.0", "--port", "9465"]
    datasource = (ROOT / "ops/grafana/provisioning/datasources/songlens.yml").read_text("utf-8")
    assert "url: http://prometheus:9090\n" in datasource


def test_every_variable_is_documented() -> None:
    """docs/deployment.md names each with its default, and none that there is not."""
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "compose.yaml").read_text("utf-8")))
    rows = re.findall(r"^\| (`[A-Z_`, ]+) \| (.*?) \|", (ROOT / "docs/deployment.md").read_text("utf-8"), re.MULTILINE)
    documented = {
        name: default.strip("`")
        for names, defaults in rows
        for name, default in zip(
            re.findall(r"[A-Z_]+", names), (defaults.split(", ") * 9)[: names.count("`") // 2], strict=True
        )
    }
    assert documented == {name: default or "none" for name, default in used.items()}
