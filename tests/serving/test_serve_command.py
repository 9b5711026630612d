"""`graphrec serve` and `graphrec keys`, as a person at a terminal meets them."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from graphrec import cli
from graphrec.serving.keys import KeyFile

LOG_ROWS = "user_id,item_id,time_s\nann,a,1\nann,b,2\nbob,a,3\nbob,c,4\neve,c,5\n"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(LOG_ROWS)
    return path


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def call(port, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Server:
    def __init__(self, data, folder):
        self.port = free_port()
        words = ["--data", str(data), "--log", f"sqlite:///{folder}/log.sqlite", "--open"]
        # A file, since a pipe that nobody reads would stop the server once it is full.
        self.lines = folder / "server.log"
        with self.lines.open("a") as lines:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "graphrec", "serve", *words, "--port", str(self.port)],
                stderr=lines,
            )
        deadline = time.monotonic() + 60
        while not self.is_ready():
            assert self.process.poll() is None, self.lines.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def is_ready(self):
        try:
            return call(self.port, "/health/ready")["status"] == "ready"
        except (urllib.error.URLError, ConnectionError):
            return False

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(20)


def test_a_server_that_is_killed_knows_all_it_acknowledged_when_it_is_back(data, tmp_path, capsys):
    server = Server(data, tmp_path)
    before = call(server.port, "/v1/users/ann/recommendations")
    assert "c" in [one["item_id"] for one in before["items"]]
    for n in range(5):
        event = {"event_id": str(n), "event_type": "watch", "user_id": "ann", "item_id": f"new {n}"}
        assert call(server.port, "/v1/events", event)["results"][0]["outcome"] == "stored"
    server.end(signal.SIGKILL)
    server = Server(data, tmp_path)
    assert cli.main(["replay", str(data), "--url", f"http://127.0.0.1:{server.port}"]) == 0
    assert "5 stored, 0 known already, 0 refused" in capsys.readouterr().out
    past = call(server.port, "/v1/users/ann/history")["items"]
    assert {one["item_id"] for one in past} == {"a", "b", *(f"new {n}" for n in range(5))}
    assert call(server.port, "/v1/events", event)["results"][0]["outcome"] == "repeated"
    assert server.end(signal.SIGTERM) == 0


def test_a_check_opens_everything_and_says_so(data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["serve", "--data", str(data), "--log", f"sqlite:///{tmp_path}/log.sqlite"]
    assert cli.main([*words, "--open", "--check"]) == 0
    told = capsys.readouterr()
    assert "everything opens" in told.out and "not everything" not in told.out
    assert "data: ok 5 events, 3 users, 3 items" in told.out
    assert "log.sqlite, readable and writable, newest entry 0; 0 entries applied" in told.out
    assert "keys: ok none: everybody on this machine" in told.out
    assert cli.main(["keys", "add", "shop"]) == 0
    assert cli.main([*words, "--keys", "keys.json", "--host", "0.0.0.0", "--check"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no keys — make one by `graphrec keys add NAME`"),
        (["--open", "--host", "0.0.0.0"], "without keys only loopback"),
        (["--open", "--host", "example.org"], "without keys only loopback"),
        (["--keys", "none.json"], "No such file or directory"),
        (["--open", "--keys", "none.json"], "one of them"),
        (["--open", "--port", "0"], "port"),
        (["--open", "--log", "mysql://me:secret@there/db"], "sqlite:/// or postgresql"),
        (["--open", "--data", "nothing.csv"], "nothing.csv"),
        (["--open", "--settings", "nothing.yaml"], "nothing.yaml"),
    ],
)
def test_what_cannot_be_served_is_refused(data, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    given = [] if "--data" in words else ["--data", str(data)]
    logged = [] if "--log" in words else ["--log", f"sqlite:///{tmp_path}/log.sqlite"]
    code = 1 if "nothing.csv" in words else 2
    assert cli.main(["serve", *given, *logged, *words, "--check"]) == code
    told = "".join(capsys.readouterr())
    assert message in told.replace("\n", " ") and "secret" not in told
    assert cli.main(["serve", *given, *logged, *words]) == 2
    told = capsys.readouterr().err
    assert message in told.replace("\n", " ") and "secret" not in told


@pytest.mark.parametrize("speed", ["0", "fast", "-3x", "nan", "infx"])
def test_a_speed_that_is_none_is_refused(data, capsys, speed):
    assert cli.main(["replay", str(data), "--speed", speed]) == 2
    assert "max, or a number above 0 such as 100x" in capsys.readouterr().err


def test_keys_are_made_listed_and_revoked(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["keys", "add", "shop", "--scope", "write"]) == 0
    key = capsys.readouterr().out.strip()
    caller = KeyFile(tmp_path / "keys.json").caller_of(key)
    assert caller.name == "shop" and caller.scopes == {"write"}
    assert cli.main(["keys", "list"]) == 0
    assert "shop" in capsys.readouterr().out
    assert cli.main(["keys", "add", "x", "--scope", "root"]) == 2
    assert "one of read, write, admin" in capsys.readouterr().err
    assert cli.main(["keys", "revoke", "shop"]) == 0
    assert cli.main(["keys", "revoke", "shop"]) == 2
    assert "nobody is called 'shop'" in capsys.readouterr().err


def test_settings_in_a_file_hold_and_words_outweigh_them(data, tmp_path, capsys, monkeypatch):
    file = tmp_path / "serve.yaml"
    file.write_text(f"log: {{url: 'sqlite:///{tmp_path}/l.sqlite'}}\nport: 70000\n")
    words = ["serve", "--data", str(data), "--settings", str(file), "--open", "--check"]
    assert cli.main(words) == 2
    assert "port" in capsys.readouterr().err
    port = free_port()
    assert cli.main([*words, "--port", str(port)]) == 0
    assert (tmp_path / "l.sqlite").exists()
    monkeypatch.setenv("GRAPHREC_PORT", "66000")
    capsys.readouterr()
    assert cli.main(words) == 2
    assert "GRAPHREC_PORT: '66000' — Input should be less" in capsys.readouterr().err
    monkeypatch.setenv("GRAPHREC_PORT", str(port))
    monkeypatch.setenv("GRAPHREC_LOG__URL", f"sqlite:///{tmp_path}/environment.sqlite")
    assert cli.main(words) == 0
    assert (tmp_path / "environment.sqlite").exists()
    assert cli.main([*words, "--log", f"sqlite:///{tmp_path}/option.sqlite"]) == 0
    assert (tmp_path / "option.sqlite").exists()


def test_a_check_says_all_that_does_not_hold(data, tmp_path, capsys):
    port = free_port()
    words = ["serve", "--data", str(data), "--open", "--port", str(port), "--check"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert cli.main([*words, "--log", f"sqlite:///{tmp_path}/none/log.sqlite"]) == 1
    told = capsys.readouterr().out
    assert "data: ok 5 events" in told and "not everything opens" in told
    assert "log: failed" in told and "the folder must be there" in told
    assert f"port: failed cannot listen on 127.0.0.1, port {port}" in told
    assert cli.main([*words, "--log", "sqlite:///:memory:"]) == 2
    url = "postgresql+psycopg://me:open-sesame@127.0.0.1:1/nowhere"
    capsys.readouterr()
    assert cli.main([*words, "--log", url]) == 1
    told = "".join(capsys.readouterr())
    assert "log: failed postgresql+psycopg://me:***@127.0.0.1:1/nowhere" in told
    assert "sesame" not in told


def test_a_check_refuses_keys_that_others_may_write(data, tmp_path, capsys):
    keys = tmp_path / "keys.json"
    assert cli.main(["keys", "add", "shop", "--file", str(keys)]) == 0
    keys.chmod(0o666)
    words = ["serve", "--data", str(data), "--keys", str(keys), "--port", str(free_port())]
    words += ["--log", f"sqlite:///{tmp_path}/log.sqlite", "--check"]
    assert cli.main(words) == 2
    assert "mode 666 lets others write it" in capsys.readouterr().out
    keys.chmod(0o600)
    assert cli.main(words) == 0
    assert f"keys: ok 1 in {keys}" in capsys.readouterr().out


def test_a_check_counts_the_files_that_connections_take(data, tmp_path, capsys, monkeypatch):
    words = ["serve", "--data", str(data), "--open", "--port", str(free_port())]
    words += ["--log", f"sqlite:///{tmp_path}/log.sqlite", "--check"]
    monkeypatch.setenv("GRAPHREC_LISTEN__CONNECTIONS", "1000000")
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 1024))
    assert cli.main(words) == 1
    assert "this process may open 1,024 files — 2,000,064" in capsys.readouterr().out
