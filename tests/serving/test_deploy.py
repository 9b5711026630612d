"""What stands in `deploy/` holds: the example has every setting, unit and proxy are valid."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from graphrec.experiment.layers import file_layer, layered
from graphrec.serving.opening import ServeSettings
from tests.serving import write_example

DEPLOY = Path(__file__).parents[2] / "deploy"


def leaves_of(values, above=()):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves_of(value, (*above, name))
        else:
            yield ".".join((*above, name)), value


def test_the_example_holds_every_setting_with_its_meaning_and_default():
    text = (DEPLOY / "serve.yaml").read_text()
    assert text == write_example.example(), "python -m tests.serving.write_example"
    example = layered(ServeSettings, [file_layer(DEPLOY / "serve.yaml")])
    said = dict(leaves_of(yaml.safe_load(text)))
    usual = dict(leaves_of(ServeSettings().model_dump()))
    assert said.keys() == usual.keys()
    differing = {path for path in said if said[path] != usual[path]}
    assert differing <= {"data", "keys", "log.url", "store.folder"}
    assert example.log.url.get_secret_value() == said["log.url"]
    for path in said:
        name = path.rsplit(".", 1)[-1]
        assert re.search(rf"#[^\n]+\n *{name}: ", text), f"{path} without a comment"


def test_the_container_sets_only_variables_that_there_are():
    from graphrec.experiment.layers import environment_layer

    said = dict(re.findall(r"(GRAPHREC_\w+)=(\S+)", (DEPLOY / "Containerfile").read_text()))
    assert {"GRAPHREC_HOST", "GRAPHREC_PORT", "GRAPHREC_KEYS"} <= said.keys()
    chosen = layered(ServeSettings, [environment_layer(ServeSettings, said, "GRAPHREC_")])
    assert chosen.host == "0.0.0.0" and chosen.keys == Path("/etc/graphrec/keys.json")
    text = (DEPLOY / "Containerfile").read_text()
    for needed in ("USER 10001", "STOPSIGNAL SIGTERM", "/health/ready", "NUMBA_CACHE_DIR"):
        assert needed in text


def test_the_unit_waits_longer_than_an_orderly_end_takes_and_allows_its_files():
    text = (DEPLOY / "graphrec.service").read_text()
    wait_s = int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1])
    n_files = int(re.search(r"^LimitNOFILE=(\d+)$", text, re.M)[1])
    settings = ServeSettings()
    assert wait_s > settings.listen.drain_s + 2 * settings.log.patience_s
    assert n_files > 2 * settings.listen.connections + 64


@pytest.fixture
def unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "graphrec.service").read_text()
    path = tmp_path / "graphrec.service"
    path.write_text(text.replace("/opt/graphrec/bin/graphrec", shutil.which("true")))
    return path


def test_the_unit_is_valid_and_leaves_little_exposed(unit):
    analyze = ["systemd-analyze"]
    checked = subprocess.run(
        [*analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0 and checked.stderr == ""
    # In tenths: 100 is a service that may do everything.
    words = ["security", "--offline=true", "--threshold=20", str(unit)]
    found = subprocess.run([*analyze, *words], capture_output=True, text=True, check=False)
    if "unrecognized option" in found.stderr:
        pytest.skip("this systemd-analyze knows no --offline")
    assert found.returncode == 0, found.stdout[-200:]


def test_the_proxy_is_valid(tmp_path):
    nginx, openssl = (shutil.which(name) for name in ("nginx", "openssl"))
    if nginx is None or openssl is None:
        pytest.skip("nginx or openssl is not installed")
    key, certificate, whole = (tmp_path / name for name in ("key", "certificate", "nginx.conf"))
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    request += ["-subj", "/CN=x", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(request, check=True, capture_output=True)
    text = (DEPLOY / "nginx.conf").read_text()
    text = text.replace("/etc/nginx/graphrec.pem", str(certificate))
    text = text.replace("/etc/nginx/graphrec.key", str(key))
    start = f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n"
    whole.write_text(f"{start}{text}}}\n")
    command = [nginx, "-t", "-c", str(whole), "-p", str(tmp_path), "-e", "stderr"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
