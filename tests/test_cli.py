"""Every command does what its help shows, and refuses with one message and exit code 2."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from graphrec import cli, recommend
from graphrec.kernels import cache
from tests.events.test_malformed import MALFORMED

COMMANDS = [
    ["recommend"],
    ["similar"],
    ["build"],
    ["evaluate"],
    ["simulate"],
    ["train"],
    ["embed"],
    ["demo"],
    ["data", "get"],
    ["data", "check"],
    ["data", "list"],
    ["data", "simulate"],
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str | Path) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ann and bob watch a, then b; cal watches a; dee came to look at d, long ago.

    ann's c comes two days later, so that b alone is watched within a day of a.
    """
    folder = tmp_path_factory.mktemp("log")
    rows = [
        (100, "dee", "d"),
        (86_400_000, "ann", "a"),
        (86_400_010, "ann", "b"),
        (86_500_000, "bob", "a"),
        (86_500_010, "bob", "b"),
        (86_500_020, "cal", "a"),
        (86_600_000, "ann", "c"),
    ]
    pl.DataFrame(rows, schema=["time_s", "user_id", "item_id"], orient="row").write_parquet(
        folder / "events.parquet"
    )
    items = {
        "item_id": ["a", "b", "c", "d"],
        "title": ["Alpha", "Beta", "Gamma", "Delta"],
        "publisher": [["North"], ["North"], ["South"], ["South"]],
    }
    pl.DataFrame(items).write_parquet(folder / "items.parquet")
    return folder


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(run: Run, words: list[str]) -> None:
    code, out, _ = run(*words, "--help")
    assert code == 0
    assert "Example" in out
    assert f"graphrec {' '.join(words)}" in out


def test_the_version_and_the_list_of_commands_are_told(run: Run) -> None:
    assert run("--version")[1].startswith("graphrec 0.")
    code, out, _ = run("--help")
    assert code == 0
    assert all(words[0] in out for words in COMMANDS)


def test_recommendations_come_with_titles_and_reasons(run: Run, log: Path) -> None:
    code, out, _ = run("recommend", "--data", log, "--user", "cal", "--k", "2")
    assert code == 0
    assert "last watched: Alpha" in out
    assert "Beta" in out
    assert "because you watched Alpha" in out


def test_what_fills_a_slate_up_is_told_in_words(run: Run, log: Path) -> None:
    _, out, err = run("recommend", "--data", log, "--user", "cal", "--k", "3")
    assert "popular lately (counts halve every 30 days)" in out
    assert "topped up from popular lately" in err
    assert "half_life" not in out + err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("popular", "popular"),
        ("popular_7d", "popular in the last 7 days"),
        ("popular_0.5d", "popular in the last 0.5 days"),
        ("popular_1h", "popular in the last hour"),
        ("popular_half_life_2.5d", "popular lately (counts halve every 2.5 days)"),
        ("last_items", "last items"),
    ],
)
def test_every_source_has_a_name_in_words(name: str, words: str) -> None:
    assert recommend.source_in_words(name) == words


def test_recommendations_as_json(run: Run, log: Path) -> None:
    code, out, _ = run("recommend", "--data", log, "--user", "cal", "-k", "3", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["user_id"] == "cal"
    assert answer["history"] == ["a"]
    first = answer["items"][0]
    assert (first["rank"], first["item_id"], first["title"]) == (1, "b", "Beta")
    assert first["because"] == {"item_id": "a", "title": "Alpha", "share": 1.0}
    assert answer["items"][-1]["because"] is None
    assert answer["notes"] == ["1 slate(s) topped up from popular_half_life_30d"]


def test_an_anonymous_visitor_is_answered_from_items(run: Run, log: Path) -> None:
    code, out, _ = run("recommend", "--data", log, "--items", "b, a", "--seen", "allow")
    assert code == 0
    assert "anonymous visitor" in out
    assert "Delta" in out


def test_filters_and_methods_reach_the_answer(run: Run, log: Path) -> None:
    words = ("recommend", "--data", log, "--user", "cal", "--json", "--method", "popular")
    _, out, _ = run(*words, "--publisher", "South", "--deny", "c")
    assert [item["item_id"] for item in json.loads(out)["items"]] == ["d"]
    _, out, _ = run(*words, "--allow", "c", "--min-age-days", "0")
    assert [item["item_id"] for item in json.loads(out)["items"]] == ["c"]


def test_an_answer_can_be_as_of_a_time(run: Run, log: Path) -> None:
    code, out, _ = run("recommend", "--data", log, "--user", "cal", "--at", "1970-01-02", "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["at"], answer["history"]) == ("1970-01-02 00:00:00", [])
    assert [item["item_id"] for item in answer["items"]] == ["d"]


def test_settings_of_the_method_can_be_given(run: Run, log: Path) -> None:
    words = ("recommend", "--data", log, "--user", "cal", "--json")
    one, other = (
        json.loads(run(*words, "--set", f"n_steps={n}")[1])["items"][0] for n in (1, 100_000)
    )
    assert one["item_id"] == other["item_id"] == "b"
    assert run(*words, "--set", "graph.window_hours=0.001")[0] == 0


def test_everyone_is_answered_into_a_file(run: Run, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "slates.parquet"
    code, out, _ = run("recommend", "--data", log, "--all-users", path, "-k", "2")
    assert code == 0
    assert "for 4 users" in out
    table = pl.read_parquet(path)
    assert set(table["user_id"]) == {"ann", "bob", "cal", "dee"}
    assert table.filter(pl.col("user_id") == "cal")["item_id"][0] == "b"


def test_an_item_is_not_like_itself(run: Run, log: Path) -> None:
    code, out, _ = run("similar", "--data", log, "--item", "a", "--json")
    assert code == 0
    found = [item["item_id"] for item in json.loads(out)["items"]]
    assert found[0] == "b"
    assert "a" not in found
    assert "Like Alpha" in run("similar", "--data", log, "--item", "a")[1]


def test_a_snapshot_answers_as_its_log_does(run: Run, log: Path, tmp_path: Path) -> None:
    code, out, _ = run("build", "--data", log, "--out", tmp_path / "s")
    assert code == 0
    assert "pairs" in out
    words = ("--user", "cal", "--json")
    assert run("recommend", "--data", tmp_path / "s", *words) == run(
        "recommend", "--data", log, *words
    )


def test_a_damaged_snapshot_is_refused_by_file(run: Run, log: Path, tmp_path: Path) -> None:
    run("build", "--data", log, "--out", tmp_path / "s")
    (tmp_path / "s" / "time_s.npy").write_bytes(b"")
    code, out, err = run("recommend", "--data", tmp_path / "s", "--user", "cal")
    assert (code, out) == (2, "")
    assert "time_s.npy is damaged" in err


def test_a_check_says_what_is_in_a_log(run: Run, log: Path) -> None:
    code, out, _ = run("data", "check", log)
    assert code == 0
    assert "1970-01-01" in out
    report = json.loads(run("data", "check", log, "--json")[1])
    assert report["n_interactions"] == 7


def test_a_world_is_simulated_checked_and_recommended_from(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    code, out, _ = run("data", "simulate", "--out", folder, "--events", "1000", "--seed", "3")
    assert code == 0
    assert "events" in out
    assert run("data", "check", folder)[0] == 0
    code, _, err = run("data", "simulate", "--out", folder, "--events", "1000")
    assert code == 2
    assert "not empty" in err


def test_public_sets_are_listed_and_fetching_without_a_network_is_explained(
    run: Run, tmp_path: Path
) -> None:
    assert "ml-1m" in run("data", "list")[1]
    code, _, err = run(
        "data", "get", "ml-1m", "--into", tmp_path / "d", "--mirror", "http://127.0.0.1:9"
    )
    assert code == 2
    assert "error:" in err
    assert not list(tmp_path.rglob("*.zip"))


WRONG: dict[str, tuple[list[str], str]] = {
    "nobody asked": ([], "exactly one of"),
    "two asked": (["--user", "ann", "--items", "a"], "exactly one of"),
    "unknown user": (["--user", "zoe"], "unknown user 'zoe'"),
    "unknown item": (["--items", "zzz"], "unknown item 'zzz'"),
    "unknown method": (["--user", "ann", "--method", "magic"], "unknown method 'magic'"),
    "unknown setting": (["--user", "ann", "--set", "magic=1"], "magic"),
    "setting out of range": (["--user", "ann", "--set", "restart=2"], "restart: 2"),
    "setting without value": (["--user", "ann", "--set", "restart"], "name=value"),
    "unknown publisher": (["--user", "ann", "--publisher", "West"], "publisher 'West'"),
    "no keywords": (["--user", "ann", "--keyword", "x"], "keywords"),
    "ages crossed": (["--user", "ann", "--min-age-days", "9", "--max-age-days", "1"], "above"),
    "k of zero": (["--user", "ann", "--k", "0"], "--k"),
    "a time that is none": (["--user", "ann", "--at", "yesterday"], "yesterday"),
    "a time before all": (["--user", "ann", "--at", "50"], "nothing to learn"),
    "unknown columns": (["--user", "ann", "--columns", "magic"], "preset: magic"),
    "missing column": (["--user", "ann", "--columns", "time=when"], "when"),
    "output that is no Parquet": (["--all-users", "slates.csv"], "must end in .parquet"),
    "output in no folder": (["--all-users", "nowhere/slates.parquet"], "folder that exists"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_refused_with_one_message(run: Run, log: Path, case: str) -> None:
    words, message = WRONG[case]
    code, out, err = run("recommend", "--data", log, *words)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_log_is_refused_and_leaves_nothing(run: Run, tmp_path: Path, what: str) -> None:
    write = MALFORMED[what][0]
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in")
    before = sorted(tmp_path.rglob("*"))
    for words in (
        ("build", "--data", path, "--out", tmp_path / "snapshot"),
        ("recommend", "--data", path, "--all-users", tmp_path / "slates.parquet"),
    ):
        code, out, err = run(*words)
        assert code == 2
        assert err.startswith("error: ") or "first run" in err
        assert "Traceback" not in out + err
        assert sorted(tmp_path.rglob("*")) == before


def test_a_first_run_says_that_it_compiles(
    run: Run, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "is_compiled", lambda kernel: False)
    assert "compiling kernels" in run("recommend", "--data", log, "--user", "cal")[2]


def test_recommending_never_imports_torch(log: Path) -> None:
    script = (
        "import sys; from graphrec.recommend import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'torch', 'sklearn'}))"
    )
    words = [sys.executable, "-c", script, "--data", str(log), "--user", "cal", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_short_name_answers_too(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["recommend", "--data", str(log), "--user", "cal"])
        assert recommend.main() == 0
    assert "because you watched Alpha" in " ".join(capsys.readouterr().out.split())
