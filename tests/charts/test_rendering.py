"""The manifests that the chart renders from its values."""

import base64
import filecmp
import json
import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest
import redis
import yaml

from controller.settings import OperatorSettings
from tests.charts.conftest import CHART
from tests.cluster.target import RIG
from tests.documents import read_blocks
from tests.jobstore.kubernetes.redis_server import run_redis

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
CLUSTER_SCOPED = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Namespace"}


def pod_specs(objects):
    """Every pod that the chart itself makes."""
    for one in objects:
        if one["kind"] == "Pod":
            yield one["spec"]
        elif "template" in one.get("spec", {}):
            yield one["spec"]["template"]["spec"]


def test_lint_is_clean(tools):
    """Helm lint finds nothing, not even a warning."""
    assert "0 chart(s) failed" in tools.helm("lint", "--strict", str(CHART))


def test_package_has_the_crds_of_k8s(tools, tmp_path):
    """The chart links to k8s/crds, and a package of it has the files, byte for byte."""
    tools.helm("package", str(CHART), "--destination", str(tmp_path))
    (archive,) = tmp_path.glob("*.tgz")
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path], check=True)
    packed = tmp_path / "qiskit-runtime" / "files" / "crds"
    names = sorted(path.name for path in (ROOT / "k8s" / "crds").glob("*.yaml"))
    assert names == sorted(path.name for path in packed.iterdir())
    _, differ, errors = filecmp.cmpfiles(ROOT / "k8s" / "crds", packed, names, shallow=False)
    assert differ == errors == []


def test_schema_knows_every_value():
    """Each value of values.yaml is in the schema, and the schema has no other."""

    def compare(values, schema, path=""):
        assert set(values) == set(schema["properties"]), path
        assert schema.get("additionalProperties") is False, path
        for name, value in values.items():
            inner = schema["properties"][name]
            if isinstance(value, dict) and "properties" in inner and name != "resources":
                compare(value, inner, f"{path}.{name}")

    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"].pop("global", None)
    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema)


WRONG = {
    "jobs.maxJobs": 0,
    "jobs.resourceQuota": "yes",
    "runner.hostUsers": "no",
    "networkPolicy.apiFrom": "everybody",
    "api.replicas": "many",
    "api.replica": 2,
    "jobs.maxRunningJobs": 0,
    "warmPool.size": -1,
    "auth.mode": "password",
    "runner.memory": "lots",
    "redis.url": 5,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_value_is_refused_by_name(tools, name):
    """A mistake in a values file is an error before anything is installed."""
    setting = f"--set-json={name}={json.dumps(WRONG[name])}"
    done = tools.run("helm", "template", "r", str(CHART), setting)
    assert done.returncode != 0
    assert name.split(".")[-1] in done.stderr


def test_rights_are_the_least(tools, find):
    """Neither role reaches beyond the jobs' namespace, has a wildcard, or can make pods."""
    objects = tools.render(**{"jobs.namespace": "jobs"})
    kinds = {one["kind"] for one in objects}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    for component in ("api", "operator"):
        role = find(objects, "Role", component)
        assert role["metadata"]["namespace"] == "jobs"
        rules = json.dumps(role["rules"])
        assert "*" not in rules
        can = {
            resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]
        }
        assert "create" not in can.get("pods", ())
        assert can["secrets"] >= {"create", "get"} and "list" not in can["secrets"]
        if component == "api":
            assert not {"pods", "jobs", "events", "runtimejobs/status"} & set(can)
        binding = find(objects, "RoleBinding", component)
        assert binding["subjects"][0]["name"].endswith(component)


def test_everything_is_restricted(tools):
    """Every pod of ours passes Pod Security's level restricted, and has its limits."""
    specs = list(pod_specs(tools.render()))
    assert len(specs) == 4
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_probes_ask_what_each_is_for(tools, find):
    """Being ready depends on the cluster's answer, being alive does not; the operator's on both."""
    objects = tools.render()
    api = find(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"][0]
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert api["livenessProbe"]["httpGet"]["path"] == "/livez"
    operator = find(objects, "Deployment", "operator")
    container = operator["spec"]["template"]["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert operator["spec"]["replicas"] == 1
    assert operator["spec"]["strategy"] == {"type": "Recreate"}


def test_one_prefix_moves_every_image(tools):
    """Without internet all images come from one mirror, the runner's and Redis among them."""
    objects = tools.render(**{"image.prefix": "mirror.example.org/quantum"})
    images = {container["image"] for spec in pod_specs(objects) for container in spec["containers"]}
    for spec in pod_specs(objects):
        for container in spec["containers"]:
            images |= {
                variable["value"]
                for variable in container.get("env", [])
                if variable["name"] == "RUNTIME_RUNNER_IMAGE"
            }
    assert len(images) == 3
    assert all(image.startswith("mirror.example.org/quantum/") for image in images), images


def test_namespaced_install_has_nothing_of_the_cluster(tools):
    """Once the CRDs are there, no cluster rights are needed."""
    kinds = {one["kind"] for one in tools.render(**{"crds.install": False, "jobs.namespace": ""})}
    assert not kinds & CLUSTER_SCOPED
    assert "CustomResourceDefinition" in {one["kind"] for one in tools.render()}


def test_crds_and_jobs_namespace_stay_on_uninstall(tools):
    """Helm keeps what holds users' jobs."""
    objects = tools.render(**{"jobs.namespace": "jobs", "jobs.createNamespace": True})
    kept = [one for one in objects if one["kind"] in CLUSTER_SCOPED]
    assert len(kept) >= 3
    for one in kept:
        assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", one["kind"]


def test_token_is_the_default(tools, find):
    """Without a token in the values one is generated."""
    objects = tools.render()
    assert find(objects, "Secret", "-token")["data"]["token"]
    env = find(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert "RUNTIME_TOKEN" in {variable["name"] for variable in env}
    names = [one["metadata"]["name"] for one in tools.render(**{"auth.mode": "none"})]
    assert not any(name.endswith("-token") for name in names)


def find_api(objects, find):
    """Return the API's pod template, its container, and the container's variables."""
    pod = find(objects, "Deployment", "api")["spec"]["template"]
    container = pod["spec"]["containers"][0]
    return pod, container, {variable["name"]: variable for variable in container["env"]}


ACCOUNT = {"name": "alice", "sha256": ["ab" * 32], "instances": ["a/b/c"]}


def test_accounts_are_a_secret_that_is_mounted_as_a_folder(tools, find):
    """The pods see a change of it without a restart, and share one secret to sign with."""
    given = {"auth.mode": "accounts", "auth.accounts": [ACCOUNT]}
    objects = tools.render(**given)
    pod, container, env = find_api(objects, find)
    secret = find(objects, "Secret", "-accounts")
    content = yaml.safe_load(base64.b64decode(secret["data"]["accounts.yaml"]))
    assert content == {"accounts": [ACCOUNT]}
    mount = next(one for one in container["volumeMounts"] if one["name"] == "accounts")
    assert "subPath" not in mount and mount["readOnly"]
    assert env["RUNTIME_ACCOUNTS"]["value"] == f"{mount['mountPath']}/accounts.yaml"
    identity = env["RUNTIME_IDENTITY_SECRET"]["valueFrom"]["secretKeyRef"]
    assert identity["name"] == find(objects, "Secret", "-identity")["metadata"]["name"]
    assert "--allow-anonymous" not in container["args"] and "RUNTIME_TOKEN" not in env
    other, _, _ = find_api(tools.render(**(given | {"auth.accounts": [ACCOUNT] * 2})), find)
    key = "checksum/settings"
    assert other["metadata"]["annotations"][key] == pod["metadata"]["annotations"][key]


def test_accounts_may_be_in_a_secret_of_ones_own(tools, find):
    """It is named in the volume, and none is made."""
    objects = tools.render(**{"auth.mode": "accounts", "auth.existingSecret": "people"})
    pod, _, _ = find_api(objects, find)
    assert any(
        volume.get("secret", {}).get("secretName") == "people" for volume in pod["spec"]["volumes"]
    )
    names = [one["metadata"]["name"] for one in objects]
    assert not any(name.endswith("-accounts") for name in names)


def test_an_issuer_and_the_limits_of_an_instance_are_settings(tools, find):
    """The operator keeps the running jobs, the API the others; without accounts there are none."""
    limits = {"maxRunning": 3, "maxQueued": 20, "maxPerSecond": 0.5, "maxSharePercent": 30}
    given = {
        "auth.mode": "oidc",
        "auth.oidc": {"issuer": "https://login.example.org/realm", "audience": ["a", "b"]},
        "jobs.perInstance": limits,
    }
    objects = tools.render(**given)
    _, _, env = find_api(objects, find)
    values = {name: variable.get("value") for name, variable in env.items()}
    assert values["RUNTIME_OIDC_ISSUER"] == "https://login.example.org/realm"
    assert values["RUNTIME_OIDC_AUDIENCE"] == "a,b"
    assert values["RUNTIME_OIDC_INSTANCES_CLAIM"] == "groups"
    assert values["RUNTIME_INSTANCE_MAX_QUEUED"] == "20"
    assert values["RUNTIME_INSTANCE_JOBS_PER_SECOND"] == "0.5"
    assert values["RUNTIME_INSTANCE_SHARE_PERCENT"] == "30"

    def of_operator(objects):
        spec = find(objects, "Deployment", "operator")["spec"]["template"]["spec"]
        return {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}

    assert of_operator(objects)["RUNTIME_INSTANCE_MAX_RUNNING"] == "3"
    assert of_operator(objects)["RUNTIME_INSTANCE_SHARE_PERCENT"] == "30"
    alone = tools.render(**{"jobs.perInstance": limits})
    assert not {"RUNTIME_INSTANCE_MAX_RUNNING", "RUNTIME_INSTANCE_SHARE_PERCENT"} & set(
        of_operator(alone)
    )
    assert "RUNTIME_INSTANCE_MAX_QUEUED" not in find_api(alone, find)[2]


def test_client_of_the_issuer_has_its_secret_by_name(tools, find):
    """People log in at the issuer by a client; its secret, if any, is read from a Secret."""
    oidc = {"issuer": "https://login.example.org", "audience": ["a"], "clientId": "runtime"}
    for secret, wanted in (("", None), ("client", {"name": "client", "key": "client-secret"})):
        given = {"auth.mode": "oidc", "auth.oidc": oidc | {"clientSecret": secret}}
        _, _, env = find_api(tools.render(**given), find)
        assert env["RUNTIME_OIDC_CLIENT_ID"]["value"] == "runtime"
        found = env.get("RUNTIME_OIDC_CLIENT_SECRET")
        assert (found and found["valueFrom"]["secretKeyRef"]) == wanted


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"auth.mode": "accounts"}, "accounts"),
        ({"auth.mode": "oidc"}, "issuer"),
        ({"auth.mode": "accounts", "auth.accounts": [ACCOUNT | {"token": "x"}]}, "token"),
        ({"auth.mode": "accounts", "auth.accounts": [ACCOUNT | {"instances": ["a"]}]}, "instances"),
        ({"auth.mode": "accounts", "auth.accounts": [ACCOUNT | {"sha256": ["x"]}]}, "sha256"),
    ],
)
def test_a_mode_without_what_it_needs_is_refused(tools, given, named):
    """An installation that nobody could log in to is an error before it is made."""
    settings = [f"--set-json={name}={json.dumps(value)}" for name, value in given.items()]
    done = tools.run("helm", "template", "r", str(CHART), *settings)
    assert done.returncode != 0
    assert named in done.stderr


def test_no_authentication_is_said_loudly(tools):
    """In the notes, which helm prints after an installation."""
    values = {"auth.mode": "none", "jobs.createNamespace": False, "crds.install": False}
    settings = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    notes = tools.helm("install", "r", str(CHART), "--dry-run=client", *settings)
    assert "*** WARNING: auth.mode is none. EVERYONE who reaches the API can run programs" in notes


def test_other_redis_needs_its_url(tools):
    """redis.enabled=false brings no Redis, and refuses to go without an address."""
    objects = tools.render(**{"redis.enabled": False, "redis.url": "redis://:p@elsewhere:6379/0"})
    assert not [one for one in objects if one["kind"] == "StatefulSet"]
    # The password is in the Secret alone.
    for one in objects:
        assert one["kind"] == "Secret" or "elsewhere" not in json.dumps(one)
    done = tools.run("helm", "template", "r", str(CHART), "--set=redis.enabled=false")
    assert done.returncode != 0 and "redis.url" in done.stderr


def test_large_numbers_in_a_values_file_stay_whole(tools, tmp_path, find):
    """Helm reads a file's numbers as floating point; the settings are integers all the same."""
    path = tmp_path / "values.yaml"
    path.write_text("runner: {keepSeconds: 1209600}\njobs: {storageBudgetMiB: 2000000}\n")
    text = tools.helm("template", "r", str(CHART), f"--values={path}")
    objects = [one for one in yaml.safe_load_all(text) if one]
    container = find(objects, "Deployment", "operator")["spec"]["template"]["spec"]["containers"][0]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert env["RUNTIME_RUNNER_KEEP_SECONDS"] == "1209600"
    assert env["RUNTIME_STORAGE_BUDGET_MIB"] == "2000000"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("httpRoute.enabled=true", "httpRoute.parentRefs"),
        ("ingress.host=http://example.org/", "ingress/host"),
        ("runner.cpuLimit=-1", "runner/cpuLimit"),
        ("runner.memory=1..2Gi", "runner/memory"),
        ("runner.memroy=1Gi", "memroy"),
    ],
)
def test_value_that_can_not_be_meant_is_refused_by_its_name(tools, setting, words):
    """A mistake in the values is an error before anything is installed."""
    done = tools.run("helm", "template", "r", str(CHART), f"--set={setting}")
    assert done.returncode != 0 and words in done.stderr


def env_of(objects, find, component):
    """The variables of a Deployment's container."""
    found = find(objects, "Deployment", component)["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable for variable in found["env"]}


def test_jobs_have_a_namespace_of_their_own_unless_it_is_empty(tools, find):
    """The default makes one; empty is the release's, which the chart does not make."""
    objects = tools.render()
    assert find(objects, "Namespace")["metadata"]["name"] == "qiskit-runtime-jobs"
    assert find(objects, "Role", "operator")["metadata"]["namespace"] == "qiskit-runtime-jobs"
    own = tools.render(**{"jobs.namespace": ""})
    assert "Namespace" not in {one["kind"] for one in own}
    assert {one["metadata"].get("namespace", "ns") for one in own} == {"ns"}


def test_number_of_jobs_is_bounded_for_rest_and_for_kubectl(tools, find):
    """The API and the quota have the same number; the rest leaves room for so many jobs."""
    bounds = {"jobs.maxJobs": 300, "jobs.maxRunningJobs": 20, "jobs.storageBudgetMiB": 100}
    objects = tools.render(**bounds)
    quota = find(objects, "ResourceQuota")
    assert quota["metadata"]["namespace"] == "qiskit-runtime-jobs"
    hard = {name: int(value) for name, value in quota["spec"]["hard"].items()}
    assert hard["count/runtimejobs.qiskit-runtime.dev"] == 300
    assert env_of(objects, find, "api")["RUNTIME_MAX_JOBS"]["value"] == "300"
    assert hard["count/jobs.batch"] >= 300 and hard["pods"] >= 2 * 20
    assert hard["count/secrets"] >= 3 * 300 + 100 * 1024 // 700
    without = tools.render(**{"jobs.resourceQuota": False})
    assert "ResourceQuota" not in {one["kind"] for one in without}


def test_quota_waits_for_the_kind_that_it_counts(tools):
    """A first installation has jobs at once: a quota on a kind not counted yet refuses them all."""
    text = tools.helm("template", "r", str(CHART))
    [quota] = [one for one in yaml.safe_load_all(text) if one and one["kind"] == "ResourceQuota"]
    assert set(quota["spec"]["hard"]) == {"count/jobs.batch", "count/secrets", "pods"}


def test_each_process_is_a_user_of_redis_of_its_own(tools, find):
    """With its own password; another Redis is reached by the one address that was given."""
    objects = tools.render()
    secret = find(objects, "Secret", "redis")
    assert set(secret["data"]) == {"api", "operator"}
    for component in ("api", "operator"):
        env = env_of(objects, find, component)
        assert env["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == component
        assert env["RUNTIME_REDIS_URL"]["value"].startswith(f"redis://{component}:$(REDIS_PASS")
    users = find(objects, "ConfigMap", "redis")["data"]["users.acl"]
    assert users.strip() == (CHART / "files" / "users.acl").read_text().strip()
    other = tools.render(**{"redis.enabled": False, "redis.url": "rediss://:p@example.org/0"})
    for component in ("api", "operator"):
        key = env_of(other, find, component)["RUNTIME_REDIS_URL"]["valueFrom"]["secretKeyRef"]
        assert key["key"] == "url"
    assert not [one for one in other if one["kind"] in ("ConfigMap", "StatefulSet")]


def test_redis_starts_with_the_users_that_its_shell_makes(tools, find, tmp_path):
    """The command of its container, run here: both get in, by passwords of any characters."""
    objects = tools.render()
    container = find(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    (script,) = container["args"]
    users = tmp_path / "users.acl"
    (tmp_path / "mounted.acl").write_text(find(objects, "ConfigMap")["data"]["users.acl"])
    script = script.partition("exec ")[0].rstrip().removesuffix("&&")
    script = script.replace("/tmp/users.acl", str(users))
    script = script.replace("/etc/redis/users.acl", str(tmp_path / "mounted.acl"))
    passwords = {"API_PASSWORD": "a/b&c \\ $x", "OPERATOR_PASSWORD": "#>~"}
    env = {"PATH": os.environ["PATH"], **passwords}
    subprocess.run([*container["command"], script], env=env, check=True)
    with run_redis(users) as server:
        for name, password in passwords.items():
            user = name.partition("_")[0].lower()
            with redis.Redis(port=server.port, username=user, password=password) as client:
                assert client.ping()


def test_policies_name_every_pod_of_ours(tools, find):
    """Runners speak to nobody; Redis, API and operator take no more calls than they must."""
    objects = tools.render()
    policies = {
        one["metadata"]["name"].rpartition("-")[2]: one["spec"]
        for one in objects
        if one["kind"] == "NetworkPolicy"
    }
    assert set(policies) == {"runner", "redis", "api", "operator"}
    assert policies["runner"].keys() == {"podSelector", "policyTypes"}
    assert policies["operator"].get("ingress") is None
    assert policies["api"]["ingress"] == [{"ports": [{"port": "http"}]}]
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    named = tools.render(**{"networkPolicy.apiFrom": peers})
    assert find(named, "NetworkPolicy", "api")["spec"]["ingress"][0]["from"] == peers
    for name in ("api", "operator"):
        pods = find(objects, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
        assert policies[name]["podSelector"]["matchLabels"].items() <= pods.items()


def test_pool_has_its_key_its_policy_and_its_room(tools, find):
    """By default there is nothing of it; with a size the operator alone reaches the pods' port."""
    off = tools.render()
    assert not any("warm" in one["metadata"]["name"] for one in off)
    assert "RUNTIME_WARM_POOL_SIZE" not in env_of(off, find, "operator")
    objects = tools.render(**{"warmPool.size": 2, "warmPool.maxSize": 8})
    env = env_of(objects, find, "operator")
    assert env["RUNTIME_WARM_POOL_SIZE"]["value"] == "2"
    assert env["RUNTIME_WARM_POOL_MAX_SIZE"]["value"] == "8"
    reference = env["RUNTIME_WARM_POOL_KEY"]["valueFrom"]["secretKeyRef"]
    secret = find(objects, "Secret", "warm-pool")
    assert secret["metadata"]["name"] == reference["name"]
    assert len(base64.b64decode(secret["data"][reference["key"]])) >= 32
    policy = find(objects, "NetworkPolicy", "warm")["spec"]
    [rule] = policy["ingress"]
    assert rule["ports"] == [{"port": "handover"}] and policy["policyTypes"] == ["Ingress"]
    pods = find(objects, "Deployment", "operator")["spec"]["template"]["metadata"]["labels"]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"].items() <= pods.items()
    for name in ("pods", "count/jobs.batch"):
        room = [find(some, "ResourceQuota")["spec"]["hard"][name] for some in (off, objects)]
        assert int(room[1]) == int(room[0]) + 8
    sessions = tools.render(**{"warmPool.size": 1, "warmPool.perSession": 1, "warmPool.maxSize": 8})
    assert env_of(sessions, find, "operator")["RUNTIME_WARM_POOL_PER_SESSION"]["value"] == "1"
    assert find(sessions, "NetworkPolicy", "warm") and find(sessions, "Secret", "warm-pool")
    hard = [find(some, "ResourceQuota")["spec"]["hard"]["pods"] for some in (off, sessions)]
    assert int(hard[1]) == int(hard[0]) + 16


def read_settings(monkeypatch, objects, find):
    """The settings that an operator of these objects has."""
    for name, variable in env_of(objects, find, "operator").items():
        monkeypatch.setenv(name, variable.get("value", "k" * 32))
    return OperatorSettings()


def test_resource_classes_reach_the_operator(tools, find, monkeypatch):
    """Fields that a class leaves out are as for all jobs; its image is named as every image is."""
    large = {"image": "own-runner", "memory": "16Gi", "cpuLimit": 4, "scratch": 5e9}
    large |= {"nodeSelector": {"disk": "fast"}, "warmPool": {"size": 1, "maxSize": 4}}
    classes = {"large": large, "plain": {}}
    objects = tools.render(
        **{"runner.classes": classes, "runner.scratch": "3Gi", "image.prefix": "r.example"}
    )
    settings = read_settings(monkeypatch, objects, find)
    own, made = settings.runner, settings.runner.of("large")
    assert made.image.startswith("r.example/own-runner:") and made.image != own.image
    assert (made.memory, made.cpu_limit, made.scratch) == ("16Gi", "4", "5000000000")
    assert made.node_selector == {"disk": "fast"} and made.cpu_request == own.cpu_request
    assert settings.runner.of("plain") == own
    pools = settings.warm_pool.pools
    assert [(name, pool.size, pool.most) for name, pool in pools.items()] == [
        ("", 0, 0),
        ("large", 1, 4),
    ]
    off = tools.render()
    assert find(objects, "NetworkPolicy", "warm") and find(objects, "Secret", "warm-pool")
    hard = [find(some, "ResourceQuota")["spec"]["hard"]["pods"] for some in (off, objects)]
    assert int(hard[1]) == int(hard[0]) + 4
    assert "RUNTIME_RUNNER_CLASSES" not in env_of(off, find, "operator")
    unpooled = tools.render(**{"runner.classes": {"large": {"memory": "16Gi"}}})
    assert not any("warm" in one["metadata"]["name"] for one in unpooled)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({"Large": {}}, "Large"),
        ({"large": {"memory": "lots"}}, "memory"),
        ({"large": {"keepSeconds": 3}}, "keepSeconds"),
        ({"large": {"warmPool": {"perSession": 1}}}, "perSession"),
        ({"large": {"warmPool": {"size": -1}}}, "size"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_resource_class_is_refused_by_its_field(tools, classes, words):
    """A mistake in a class is found before anything is installed, as one of ``runner`` is."""
    setting = f"--set-json=runner.classes={json.dumps(classes)}"
    done = tools.run("helm", "template", "r", str(CHART), setting)
    assert done.returncode != 0 and words in done.stderr


def test_platform_team_s_choices_reach_the_pods(tools, find):
    """Priority and runtime classes and user namespaces are where a pod has them."""
    classes = {"runner.runtimeClassName": "gvisor", "runner.priorityClassName": "batch"}
    priorities = {"api.priorityClassName": "high", "operator.priorityClassName": "higher"}
    objects = tools.render(**classes, **priorities, **{"runner.hostUsers": False})
    env = env_of(objects, find, "operator")
    assert env["RUNTIME_RUNNER_RUNTIME_CLASS_NAME"]["value"] == "gvisor"
    assert env["RUNTIME_RUNNER_PRIORITY_CLASS_NAME"]["value"] == "batch"
    assert env["RUNTIME_RUNNER_HOST_USERS"]["value"] == "false"
    for name, priority in (("api", "high"), ("operator", "higher")):
        spec = find(objects, "Deployment", name)["spec"]["template"]["spec"]
        assert spec["priorityClassName"] == priority
    assert not [spec for spec in pod_specs(tools.render()) if "priorityClassName" in spec]


def test_image_by_digest_stays_as_it_was_given(tools, find):
    """A digest is no tag, and gets none; a mirror's prefix is put before it all the same."""
    digest = "@sha256:" + "ab" * 32
    names = {f"{part}.image": f"{part}{digest}" for part in ("api", "runner", "redis")}
    objects = tools.render(**names, **{"image.prefix": "mirror.example.org"})
    images = {container["image"] for spec in pod_specs(objects) for container in spec["containers"]}
    images.add(env_of(objects, find, "operator")["RUNTIME_RUNNER_IMAGE"]["value"])
    assert images == {f"mirror.example.org/{part}{digest}" for part in ("api", "runner", "redis")}


def test_ingress_is_of_no_class_of_its_own(tools, find):
    """The cluster's default class serves it unless one is named; HTTPRoute is the other way."""
    ingress = find(tools.render(**{"ingress.enabled": True}), "Ingress")
    assert "ingressClassName" not in ingress["spec"]
    named = tools.render(**{"ingress.enabled": True, "ingress.className": "x", "ingress.host": "h"})
    assert find(named, "Ingress")["spec"]["ingressClassName"] == "x"
    assert find(named, "Ingress")["spec"]["rules"][0]["host"] == "h"
    parents = [{"name": "gateway"}]
    route = tools.render(**{"httpRoute.enabled": True, "httpRoute.parentRefs": parents})
    assert find(route, "HTTPRoute")["spec"]["parentRefs"] == parents


def test_install_yaml_is_the_chart_s(tools):
    """k8s/install.yaml is what `make manifests` renders now."""
    rendered = subprocess.run(
        [RIG, "manifests", "-"], capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "k8s" / "install.yaml").read_text() == rendered


def test_install_yaml_names_every_namespace():
    """It has two, so no option of kubectl can name them; both are there or made before."""
    objects = list(yaml.safe_load_all((ROOT / "k8s" / "install.yaml").read_text()))
    where = [
        one["metadata"].get("namespace") for one in objects if one["kind"] not in CLUSTER_SCOPED
    ]
    assert set(where) == {"qiskit-runtime", "qiskit-runtime-jobs"}
    kinds = [one["kind"] for one in objects]
    assert kinds.index("Namespace") < kinds.index("Role")


def test_notes_say_how_to_go_on(tools):
    """NOTES.txt, which helm prints, names the token's Secret and the next two commands."""
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    assert len(re.findall(r"^  kubectl .*(apply|wait)", notes, re.MULTILINE)) == 2
    assert "base64 -d" in notes


def test_readme_is_made_from_the_values():
    """The chart's README is what `make manifests` writes now."""
    script = runpy.run_path(str(ROOT / "docs" / "tools" / "chart_readme.py"))
    assert (CHART / "README.md").read_text("utf-8") == script["render"]()


def test_readme_has_every_value_with_its_default():
    """The README's table is values.yaml, row by row."""
    text = (CHART / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-zA-Z.]+)` \| (.+?) \| .+ \|$", text, re.MULTILINE))
    values = dict(_flatten(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert list(rows) == list(values)
    for name, default in rows.items():
        assert default == f"`{json.dumps(values[name])}`", name


def _flatten(values, path=""):
    for name, value in values.items():
        if isinstance(value, dict) and value and name != "resources":
            yield from _flatten(value, f"{path}{name}.")
        else:
            yield path + name, value


def test_values_of_the_packages_page_give_jobs_that_image(tools, tmp_path, find):
    """With the values of the page about packages, jobs run in the image that it builds."""
    page = read_blocks(ROOT / "docs" / "how-to" / "packages.md")
    (values,) = [block.text for block in page if block.language == "yaml"]
    (tmp_path / "values.yaml").write_text(values)
    text = tools.helm("template", "r", str(CHART), f"--values={tmp_path / 'values.yaml'}")
    objects = [one for one in yaml.safe_load_all(text) if one]
    container = find(objects, "Deployment", "operator")["spec"]["template"]["spec"]["containers"][0]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert env["RUNTIME_RUNNER_IMAGE"] == "my-runner:1"


def test_values_of_the_page_on_resource_classes_are_a_class_and_its_pool(
    tools, tmp_path, find, monkeypatch
):
    """With the values of the page, the operator has the class that the page describes."""
    page = read_blocks(ROOT / "docs" / "how-to" / "operate.md")
    (values,) = [block.text for block in page if block.language == "yaml"]
    (tmp_path / "values.yaml").write_text(values)
    text = tools.helm("template", "r", str(CHART), f"--values={tmp_path / 'values.yaml'}")
    objects = [one for one in yaml.safe_load_all(text) if one]
    settings = read_settings(monkeypatch, objects, find)
    large = settings.runner.of("large")
    assert (large.memory, large.cpu_request, large.cpu_limit) == ("16Gi", "2", "4")
    assert large.node_selector == {"disktype": "ssd"}
    assert settings.warm_pool.pools["large"].most == 4
