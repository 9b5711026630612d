"""Fetching a public set either gives the whole, checked set or leaves nothing and says why."""

import errno
import hashlib
import io
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from graphrec.errors import DownloadError, SettingsError
from graphrec.events import public_sets
from graphrec.events.public_sets import PUBLIC_SETS, PublicSet, download, public_set
from graphrec.events.readers import read_dataset

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n"


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("ml-test")
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVE = zipped({"ml-test/ratings.csv": RATINGS, "__MACOSX/ml-test/._x": "x"})
TABLE = b"user_id,item_id,timestamp\n1,2,3\n"


class Publisher(BaseHTTPRequestHandler):
    files: ClassVar = {
        "/ml-test.zip": ARCHIVE,
        "/edges.csv": TABLE,
        "/slip.zip": zipped({"../../evil.txt": "x"}),
        "/rooted.zip": zipped({"/etc/evil.txt": "x"}),
        "/broken.zip": ARCHIVE[: len(ARCHIVE) // 2],
    }

    def do_GET(self) -> None:
        if self.path == "/cut.zip":
            self.send_response(200)
            self.send_header("Content-Length", str(len(ARCHIVE)))
            self.end_headers()
            self.wfile.write(ARCHIVE[:10])
            return
        if self.path == "/silent.zip":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = self.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/edges.csv":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def publisher() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def the_set(name: str, **more: object) -> PublicSet:
    return replace(PublicSet("test-set", f"http://publisher.invalid/{name}", "", ""), **more)


def md5(body: bytes) -> str:
    return "md5:" + hashlib.md5(body).hexdigest()


def test_an_archive_arrives_checked_and_without_its_outer_folder(tmp_path, publisher):
    told: list[tuple[int, int | None]] = []
    source = the_set("ml-test.zip", checksum=md5(ARCHIVE))
    folder = download(
        source,
        tmp_path / "data",
        base_url=publisher,
        progress=lambda arrived, total: told.append((arrived, total)),
    )
    assert folder == tmp_path / "data" / "test-set"
    assert [path.name for path in folder.iterdir()] == ["ratings.csv"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["test-set"]
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert len(read_dataset(folder).log) == 1


def test_a_table_arrives_by_the_count_of_its_lines(tmp_path, publisher):
    folder = download(the_set("edges.csv", n_lines=2), tmp_path, base_url=publisher + "/")
    assert (folder / "edges.csv").read_bytes() == TABLE
    assert len(read_dataset(folder).log) == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (the_set("gone.zip"), ["404", "fetch it by hand"]),
        (the_set("ml-test.zip", checksum="md5:" + "0" * 32), ["md5 checksum", md5(ARCHIVE)[4:]]),
        (the_set("edges.csv", n_lines=9), ["2 lines, not 9"]),
        (the_set("cut.zip"), [f"after 10 of {len(ARCHIVE):,} bytes", "try again"]),
        (the_set("silent.zip"), ["try again"]),
        (the_set("broken.zip"), ["no whole zip archive"]),
        (the_set("slip.zip"), ["'../../evil.txt'", "out of its folder"]),
        (the_set("rooted.zip"), ["'/etc/evil.txt'", "out of its folder"]),
    ],
)
def test_what_is_not_right_is_told_and_leaves_nothing(tmp_path, publisher, source, words):
    with pytest.raises(DownloadError) as caught:
        download(source, tmp_path, base_url=publisher)
    for word in words:
        assert word in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_connection_and_an_unknown_host_point_at_the_network(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for base_url in (f"http://127.0.0.1:{port}", "http://publisher.invalid"):
        with pytest.raises(DownloadError, match=r"cannot be reached .* check the network"):
            download(the_set("ml-test.zip"), tmp_path, base_url=base_url)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_is_there_is_not_fetched_again(tmp_path):
    (tmp_path / "test-set").mkdir()
    with pytest.raises(DownloadError, match="already there"):
        download(the_set("ml-test.zip"), tmp_path)


def test_a_full_disk_is_told(tmp_path, publisher, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(public_sets.shutil, "copyfileobj", full)
    with pytest.raises(DownloadError, match="no space left on device; free some room"):
        download(the_set("ml-test.zip"), tmp_path, base_url=publisher)
    assert list(tmp_path.iterdir()) == []


def test_public_sets_are_known_by_name_and_say_where_they_come_from():
    assert public_set("ml-1m").url == "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
    with pytest.raises(SettingsError, match="unknown data set 'ml-2m' — known are ml-latest-small"):
        public_set("ml-2m")
    for known in PUBLIC_SETS:
        assert known.url.startswith("http")
        assert known.licence
        assert known.checksum or known.n_lines or known.name.startswith("mind")
        kind, _, digest = known.checksum.partition(":")
        assert len(digest) == {"md5": 32, "sha256": 64, "": 0}[kind]
    table = (Path(__file__).parents[2] / "data" / "README.md").read_text()
    for known in PUBLIC_SETS:
        assert f"| {known.name} |" in table
