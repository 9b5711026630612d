"""Experiment files and words become settings, or are refused by path, value and rule."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import SettingsError
from graphrec.experiment.reading import parse_words, read_yaml, settings_of
from graphrec.experiment.settings import ExperimentSettings


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: int = Field(5, ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a: [1, 2", "is not YAML"),
        (b"- 1\n- 2\n", "holds list"),
        (b"", "holds NoneType"),
        (b"\xff\xfe\x00bad", "cannot read|is not YAML"),
        (b"a: !!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "e.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=complaint):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*nothing\.yaml"):
        read_yaml(tmp_path / "nothing.yaml")


def test_every_fault_is_told_with_its_path_and_value() -> None:
    values = {"inner": {"steps": 0, "stride": 2}}
    with pytest.raises(SettingsError) as refused:
        settings_of(Outer, values, "e.yaml")
    assert str(refused.value).splitlines() == [
        "e.yaml: name — Field required",
        "e.yaml: inner.steps: 0 — Input should be greater than or equal to 1",
        "e.yaml: inner.stride: 2 — there is no setting of this name",
    ]


def test_a_list_whose_parts_are_refused_is_not_called_short_as_well() -> None:
    values = {
        "name": "x",
        "data": {"path": "log"},
        "evaluate": [{"protocol": "stream"}],
        "methods": [{"method": "walk", "walk": {"restart": 3}}],
    }
    with pytest.raises(SettingsError) as refused:
        settings_of(ExperimentSettings, values, "e.yaml")
    assert str(refused.value).splitlines() == [
        "e.yaml: methods.0.walk.walk.restart: 3 — Input should be less than or equal to 1"
    ]
    with pytest.raises(SettingsError, match="methods — Tuple should have at least 1 item"):
        settings_of(ExperimentSettings, {**values, "methods": []}, "e.yaml")


def test_words_become_nested_values() -> None:
    assert parse_words(["walk.n_steps=500", "walk.boost=false", "name=x", "a.b.c=[1, 2]"]) == {
        "walk": {"n_steps": 500, "boost": False},
        "name": "x",
        "a": {"b": {"c": [1, 2]}},
    }


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["steps"], "name=value"),
        (["=5"], "name=value"),
        (["walk..x=5"], "name=value"),
        (["a=1", "a.b=2"], "a was already given"),
        (["a=1", "a=2"], "a was already given"),
        (["a=[1"], "is not a value"),
    ],
)
def test_wrong_words_are_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        parse_words(words)
