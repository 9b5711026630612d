"""Settings and URLs are refused by name, and never show a password."""

import pytest
from pydantic import ValidationError

from graphrec.errors import SettingsError
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog

SECRET = "postgresql+psycopg://ann:open-sesame@db.example/log"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not a database's URL"),
        ("no url at all: open-sesame", "not a database's URL"),
        ("mysql://ann:open-sesame@db.example/log", r"url mysql://ann:\*\*\*@db.example/log"),
        ("postgresql+asyncpg://ann:open-sesame@h/log", r"sqlite:/// or postgresql\+psycopg://"),
        ("sqlite://", "a plain file, since the log has to last"),
        ("sqlite:///:memory:", "a plain file"),
        ("sqlite:///file:x?mode=memory&uri=true", "a plain file"),
        ("sqlite:///log.sqlite?cache=shared", "a plain file"),
    ],
)
def test_a_place_where_no_log_can_be_is_refused(url: str, message: str):
    with pytest.raises(SettingsError, match=message) as caught:
        EntryLog(EntryLogSettings(url=url))
    assert "open-sesame" not in str(caught.value)


def test_the_password_is_in_no_repr_dump_or_complaint():
    settings = EntryLogSettings(url=SECRET)
    assert "open-sesame" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(ValidationError) as caught:
        EntryLogSettings(url=[SECRET], patience_s=-1)
    assert "open-sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("queue_entries", 0), ("group_entries", 0), ("patience_s", -1), ("lock_timeout_s", 0)],
)
def test_a_setting_outside_its_range_is_refused_by_name(field: str, value: int):
    with pytest.raises(ValidationError, match=field):
        EntryLogSettings(**{field: value})
    with pytest.raises(ValidationError, match="no_such"):
        EntryLogSettings(no_such=1)
