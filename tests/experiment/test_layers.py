"""Settings from a file, the environment and options: the last one holds, and faults are named."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from graphrec.errors import SettingsError
from graphrec.experiment.layers import Layer, environment_layer, file_layer, layered


class Log(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr = SecretStr("sqlite:///x")
    patience_s: float = Field(1.0, ge=0)


class Serve(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(8000, ge=1, le=65535)
    keys: str | None = None
    names: list[str] = []
    log: Log = Log()


def from_environment(**variables):
    return environment_layer(Serve, variables, "GRAPHREC_", besides=["GRAPHREC_KEY"])


def test_each_value_comes_from_the_last_that_gives_it(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("port: 1\nkeys: a.json\nlog: {url: 'sqlite:///file', patience_s: 3}\n")
    environment = from_environment(GRAPHREC_PORT="2", GRAPHREC_LOG__URL="sqlite:///e", PATH="/bin")
    options = Layer("options", {"port": 3}, {"port": "--port"})
    found = layered(Serve, [file_layer(file), environment, options])
    assert (found.port, found.keys) == (3, "a.json")
    assert found.log.url.get_secret_value() == "sqlite:///e" and found.log.patience_s == 3
    assert layered(Serve, [file_layer(file), environment]).port == 2
    assert layered(Serve, [file_layer(file)]).port == 1
    assert layered(Serve, []) == Serve()


def test_an_empty_variable_says_nothing_and_null_none():
    file = Layer("f", {"keys": "a.json", "port": 5})
    found = layered(Serve, [file, from_environment(GRAPHREC_KEYS="null", GRAPHREC_PORT="")])
    assert found.keys is None and found.port == 5


def test_lists_are_given_as_yaml_and_other_names_are_left_alone():
    names = {"GRAPHREC_NAMES": '["a", b]', "GRAPHREC_KEY": "grk_x", "graphrec_port": "7"}
    assert layered(Serve, [from_environment(**names)]).names == ["a", "b"]
    with pytest.raises(SettingsError, match="GRAPHREC_NAMES — what begins with"):
        from_environment(GRAPHREC_NAMES="[a: secret: b")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("GRAPHREC_PROT", "did you mean GRAPHREC_PORT"),
        ("GRAPHREC_LOG_URL", "did you mean GRAPHREC_LOG__URL"),
        ("GRAPHREC_LOG", "did you mean GRAPHREC_LOG__URL or GRAPHREC_LOG__PATIENCE_S"),
        ("GRAPHREC_LOG__URL__X", "no setting of this name"),
        ("GRAPHREC_", "no setting of this name"),
    ],
)
def test_a_variable_of_no_setting_is_refused_without_its_value(name, near):
    with pytest.raises(SettingsError, match=near) as caught:
        from_environment(**{name: "postgresql://me:open-sesame@db/log"})
    assert str(caught.value).startswith(f"{name} — ") and "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (from_environment(GRAPHREC_PORT="70000"), "GRAPHREC_PORT: '70000' — Input should be less"),
        (from_environment(GRAPHREC_PORT="many"), "GRAPHREC_PORT: 'many' — Input should be a valid"),
        (from_environment(GRAPHREC_LOG__PATIENCE_S="-1"), "GRAPHREC_LOG__PATIENCE_S: '-1' — "),
        (Layer("serve.yaml", {"port": 0}), "serve.yaml: port: 0 — Input should be greater"),
        (Layer("options", {"port": 0}, {"port": "--port"}), "--port: 0 — Input should be greater"),
        (Layer("serve.yaml", {"prot": 1}), "serve.yaml: prot — there is no setting of this name"),
        (Layer("serve.yaml", {"log": {"x": 1}}), "serve.yaml: log.x — there is no setting"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named_as_it_is_called_there(layer, message):
    with pytest.raises(SettingsError) as caught:
        layered(Serve, [Layer("low", {"port": 5}), layer])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "values",
    [
        {"log": "postgresql://me:open-sesame@db/log"},
        {"log": {"url": ["postgresql://me:open-sesame@db/log"]}},
        {"log": {"url": 7, "uri": "postgresql://me:open-sesame@db/log"}},
        {"url": "postgresql://me:open-sesame@db/log"},
    ],
)
def test_no_message_holds_a_secret(values):
    with pytest.raises(SettingsError) as caught:
        layered(Serve, [Layer("serve.yaml", values)])
    assert "serve.yaml: " in str(caught.value) and "sesame" not in str(caught.value)


def test_a_line_that_is_no_yaml_is_told_of_by_its_place_alone(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("port: 1\nlog:\n  url: postgresql://me:open-sesame@db: 'x'\n")
    with pytest.raises(SettingsError, match="not YAML — line 3, column") as caught:
        file_layer(file)
    assert "sesame" not in str(caught.value)
