"""API keys: only hashes on disk, scopes that hold, and a file that may change while it is used."""

import json

import pytest

from graphrec.errors import SettingsError
from graphrec.serving.keys import KeyFile, add_key, read_keys, revoke_key


def test_a_key_is_known_by_its_hash_alone(tmp_path):
    path = tmp_path / "keys.json"
    key = add_key(path, "web shop", ["read", "write"])
    assert key.startswith("grk_") and len(key) > 40
    assert key not in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    keys = KeyFile(path)
    caller = keys.caller_of(key)
    assert caller.name == "web shop"
    assert caller.may("read") and caller.may("write") and not caller.may("admin")
    assert keys.caller_of(key + "x") is None and keys.caller_of("") is None
    assert keys.caller_of(read_keys(path)[0].sha256) is None
    assert keys.caller_of("\ud800") is None


def test_admins_may_do_everything(tmp_path):
    key = add_key(tmp_path / "keys.json", "me", ["admin"])
    caller = KeyFile(tmp_path / "keys.json").caller_of(key)
    assert caller.may("read") and caller.may("write") and caller.may("admin")


def test_keys_are_rotated_while_the_file_is_in_use(tmp_path):
    path = tmp_path / "keys.json"
    old = add_key(path, "old", ["read"])
    keys = KeyFile(path)
    new = add_key(path, "new", ["write"])
    assert keys.caller_of(new).name == "new" and keys.caller_of(old).name == "old"
    assert len(keys) == 2
    revoke_key(path, "old")
    assert keys.caller_of(old) is None and keys.caller_of(new).name == "new"


@pytest.mark.parametrize("damage", ["gone", "cut in half"])
def test_a_damaged_file_leaves_the_keys_as_they_were_and_says_so(tmp_path, damage, caplog):
    path = tmp_path / "keys.json"
    key = add_key(path, "me", ["read"])
    keys, whole = KeyFile(path), path.read_text()
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(whole[: len(whole) // 2])
    assert keys.caller_of(key).name == "me"
    assert "keys" in keys.fault
    assert keys.caller_of(key).name == "me"
    assert caplog.text.count("the keys stay as they were last read") == 1
    path.write_text(whole + "\n")
    assert keys.caller_of(key).name == "me" and keys.fault is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no JSON object with a list `keys`"),
        ("{", "no JSON object"),
        ('{"keys": [{"name": "a", "sha256": "12", "scopes": ["read"]}]}', "sha256"),
        ('{"keys": [{"name": "a", "sha256": "%s", "scopes": []}]}' % ("0" * 64), "scopes"),
        ('{"keys": [{"name": "a", "sha256": "%s", "scopes": ["root"]}]}' % ("0" * 64), "scopes"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, text, message):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(SettingsError, match=message):
        KeyFile(tmp_path / "keys.json")


def test_names_and_keys_stand_once(tmp_path):
    path = tmp_path / "keys.json"
    add_key(path, "me", ["read"])
    with pytest.raises(SettingsError, match="'me' has a key"):
        add_key(path, "me", ["read"])
    with pytest.raises(SettingsError, match="key name"):
        add_key(path, "", ["read"])
    with pytest.raises(SettingsError, match="nobody is called 'you' — there are me"):
        revoke_key(path, "you")
    said = json.loads(path.read_text())
    said["keys"] *= 2
    path.write_text(json.dumps(said))
    with pytest.raises(SettingsError, match="a name stands there twice"):
        read_keys(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="No such file or directory — make one"):
        KeyFile(tmp_path / "none.json")
    with pytest.raises(SettingsError, match="cannot be written"):
        add_key(tmp_path / "no folder" / "keys.json", "me", ["read"])
