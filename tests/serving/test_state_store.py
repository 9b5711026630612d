"""States on disk: whole or refused by the name of the file, pruned, of the right log."""

import json
import shutil
from multiprocessing import get_context

import pytest

from graphrec.errors import SettingsError, SnapshotError
from graphrec.serving.state import LiveEvent
from graphrec.serving.state_files import Origin, read_state, write_down, write_state
from graphrec.serving.state_store import StateStore, StoreSettings
from tests.serving.states import slates_of, small_state


@pytest.fixture
def store(tmp_path):
    return StateStore(StoreSettings(folder=tmp_path / "state", kept=2))


def keep(store, state, seq, log_id="log", model="start"):
    state.seq = seq
    return store.write_snapshot(write_down(state, Origin(model, log_id, seq)))


def test_a_state_comes_back_and_learns_on_as_the_first_does(tmp_path):
    state = small_state("first")
    state.apply([LiveEvent(500, "watch", "ann", "new")])
    write_state(write_down(state, Origin("first", "log", 7, "some data")), tmp_path / "s")
    back, origin = read_state(tmp_path / "s")
    assert origin == Origin("first", "log", 7, "some data") and back.model == "first"
    for one in (state, back):
        one.apply([LiveEvent(501, "watch", "ann", "i1"), LiveEvent(499, "watch", "u1", "new")])
    assert slates_of(back) == slates_of(state)


def test_what_happens_after_it_was_written_down_is_not_written(tmp_path):
    state = small_state()
    before = slates_of(state)
    written = write_down(state, Origin("start", "log", 0))
    state.apply([LiveEvent(500 + n, "watch", f"u{n % 5}", "new") for n in range(20)])
    write_state(written, tmp_path / "s")
    assert slates_of(state) != before
    assert slates_of(read_state(tmp_path / "s")[0]) == before


def test_the_newest_snapshot_is_found_and_old_ones_are_dropped(store):
    state = small_state()
    for seq in (3, 12, 7, 30):
        keep(store, state, seq)
    kept = sorted(path.name for path in (store.folder / "snapshots" / "start").iterdir())
    assert kept == [f"{12:016d}", f"{30:016d}"] and store.newest_seq("start") == 30
    assert store.newest_state("start", "log", lambda: 40).seq == 30
    assert store.newest_seq("other") is None


def test_a_bundle_is_used_where_there_is_no_snapshot(store):
    assert store.newest_state("start", "log", lambda: 0) is None
    store.write_bundle(write_down(small_state(), Origin("start", None, 0)))
    assert store.newest_state("start", "log", lambda: 0).seq == 0
    assert store.bundle_names() == ["start"] and store.has_bundle("start")


def damage_half(place):
    file = max(place.glob("*.npy"), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def damage_bit(place):
    file = max(place.glob("*.npy"), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def damage_missing(place):
    next(place.glob("*.npy")).unlink()


def damage_manifest(place):
    (place / "manifest.json").write_text('{"format_version"')


def damage_code(place):
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["settings"]["code"] = "0" * 64
    (place / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage", [damage_half, damage_bit, damage_missing, damage_manifest, damage_code]
)
def test_a_damaged_snapshot_is_named_and_put_aside_and_the_one_before_it_is_used(
    store, damage, caplog
):
    state = small_state()
    keep(store, state, 5)
    damage(keep(store, state, 9))
    assert store.newest_state("start", "log", lambda: 9).seq == 5
    assert f"{9:016d}" in caplog.text
    names = {path.name for path in (store.folder / "snapshots" / "start").iterdir()}
    assert names == {f"{5:016d}", f"{9:016d}.bad"}
    assert store.newest_state("start", "log", lambda: 9).seq == 5


def test_a_snapshot_of_another_log_or_of_entries_that_are_not_there_is_not_used(store, caplog):
    keep(store, small_state(), 5, log_id="another")
    assert store.newest_state("start", "log", lambda: 9) is None
    assert "knows another log" in caplog.text
    keep(store, small_state(), 10)
    assert store.newest_state("start", "log", lambda: 9) is None
    assert "restored from an older backup" in caplog.text


def test_a_damaged_bundle_is_refused_by_name_and_stays(store):
    place = store.write_bundle(write_down(small_state(), Origin("b", None, 0)))
    damage_half(place)
    with pytest.raises(SnapshotError, match=r"bundles/b/.*damaged"):
        store.read_bundle("b")
    assert store.newest_state("b", "log", lambda: 9) is None and place.is_dir()


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "x" * 81, "a\n"])
def test_names_that_lead_out_of_the_folder_are_refused(store, name):
    with pytest.raises(SettingsError, match="bundle name"):
        store.read_bundle(name)
    assert not store.has_bundle(name)


def test_an_unknown_bundle_is_told_with_those_there_are(store):
    store.write_bundle(write_down(small_state(), Origin("mine", None, 0)))
    with pytest.raises(SnapshotError, match=r"no bundle 'other' .* there is mine"):
        store.read_bundle("other")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"store.folder .*file/state"):
        StateStore(StoreSettings(folder=tmp_path / "file" / "state"))


def test_a_half_written_snapshot_is_not_taken_for_one(store):
    place = keep(store, small_state(), 5)
    half = place.with_name(f".{9:016d}.abc")
    shutil.copytree(place, half)
    (half / "manifest.json").unlink()
    assert store.newest_state("start", "log", lambda: 9).seq == 5


def _alone(folder, answers):
    with StateStore(StoreSettings(folder=folder)).alone(wait=False) as alone:
        answers.put(alone)


def test_one_process_at_a_time_writes(store):
    context = get_context("spawn")
    answers = context.Queue()
    with store.alone(wait=False) as alone:
        assert alone
        other = context.Process(target=_alone, args=(store.folder, answers))
        other.start()
        assert answers.get(timeout=30) is False
        other.join()
    with store.alone(wait=False) as alone:
        assert alone
