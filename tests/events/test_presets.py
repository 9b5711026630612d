"""Logs in the files of MovieLens, RecBole, Personalize, TGB and MIND are read as they are."""

import pytest

from graphrec.events.readers import read_dataset
from tests.events.log_in_words import edges


def test_movielens_dat_files_are_read(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::10::5::100\n2::11::3::50\n")
    (tmp_path / "movies.dat").write_bytes("10::Amélie (2001)::Comedy|Romance\n".encode("latin-1"))
    (tmp_path / "users.dat").write_text("2::F::25::3::00123\n")
    dataset = read_dataset(tmp_path)
    assert edges(dataset) == [
        (50, "rate", 2, 11, 3.0),
        (100, "has_keyword", 10, "Comedy", 1.0),
        (100, "has_keyword", 10, "Romance", 1.0),
        (100, "rate", 1, 10, 5.0),
    ]
    assert dataset.title(dataset.ids["item"].row(10)) == "Amélie (2001)"
    assert dataset.users["zip"].to_list() == ["00123", None]


def test_movielens_csv_files_are_read_with_their_tags(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,0.5,100\n")
    (tmp_path / "tags.csv").write_text('userId,movieId,tag,timestamp\n1,10,"fun, light",90\n')
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n10,"American President, The",(no genres listed)\n'
    )
    dataset = read_dataset(tmp_path)
    assert edges(dataset) == [
        (90, "tag", 1, 10, 1.0),
        (90, "occurs", 10, "fun, light", 1.0),
        (100, "rate", 1, 10, 0.5),
    ]
    assert dataset.items["keywords"].to_list() == [[]]
    assert dataset.title(0) == "American President, The"


def test_movielens_tags_dat_is_read(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::10::5::100\n")
    (tmp_path / "tags.dat").write_text("1::10::great::110\n")
    assert [edge[1] for edge in edges(read_dataset(tmp_path))] == ["rate", "tag", "occurs"]


def test_recbole_atomic_files_are_read(tmp_path):
    (tmp_path / "set.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti1\t4\t100.0\n"
    )
    (tmp_path / "set.item").write_text(
        "item_id:token\tmovie_title:token_seq\tgenre:token_seq\ni1\tA title\tAction Drama\n"
    )
    (tmp_path / "set.user").write_text("user_id:token\tage:float\nu1\t30\n")
    dataset = read_dataset(tmp_path)
    assert edges(dataset)[-1] == (100, "rate", "u1", "i1", 4.0)
    assert dataset.items["keywords"].to_list() == [["Action", "Drama"]]
    assert dataset.title(0) == "A title"
    assert edges(read_dataset(tmp_path / "set.inter")) == [(100, "rate", "u1", "i1", 4.0)]


def test_personalize_interactions_are_read(tmp_path):
    (tmp_path / "interactions.csv").write_text(
        "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\nu,i,100,click,0.5\n"
    )
    (tmp_path / "items.csv").write_text("ITEM_ID,GENRES,CREATION_TIMESTAMP\ni,A|B,60\n")
    dataset = read_dataset(tmp_path)
    assert edges(dataset) == [
        (60, "has_keyword", "i", "A", 1.0),
        (60, "has_keyword", "i", "B", 1.0),
        (100, "click", "u", "i", 0.5),
    ]


@pytest.mark.parametrize(
    "content",
    [
        ",u,i,ts,label,idx\n0,1,2,36.0,0.0,1\n",
        "src,dst,ts,w\n1,2,36,1\n",
        "user_id,item_id,timestamp,state_label,comma_separated_list_of_features\n"
        "1,2,36.0,0,0.1,0.2,0.3\n",
    ],
)
def test_temporal_edge_lists_are_read(tmp_path, content):
    (tmp_path / "edges.csv").write_text(content)
    assert edges(read_dataset(tmp_path)) == [(36, "interact", 1, 2, 1.0)]


def test_mind_behaviours_become_clicks_and_shown_lists(tmp_path):
    (tmp_path / "behaviors.tsv").write_text(
        "7\tU1\t11/11/2019 9:05:58 AM\tN9 N8\tN1-0 N2-1 N3-1\n"
        "8\tU2\t11/11/2019 9:05:58 PM\t\tN1-0\n"
    )
    (tmp_path / "news.tsv").write_text('N2\tnews\tus\tA "quoted" title\tAbout\thttps://x\t[]\t[]\n')
    dataset = read_dataset(tmp_path)
    assert edges(dataset) == [
        (1573463158, "click", "U1", "N2", 1.0),
        (1573463158, "click", "U1", "N3", 1.0),
    ]
    assert dataset.title(0) == 'A "quoted" title'
    assert dataset.impressions is not None
    assert dataset.impressions.to_dicts() == [
        {
            "user_id": "U1",
            "time_s": 1573463158,
            "shown": ["N1", "N2", "N3"],
            "clicked": ["N2", "N3"],
            "impression_id": "7",
            "history": ["N9", "N8"],
        },
        {
            "user_id": "U2",
            "time_s": 1573506358,
            "shown": ["N1"],
            "clicked": [],
            "impression_id": "8",
            "history": [],
        },
    ]
    assert edges(read_dataset(tmp_path / "behaviors.tsv")) == edges(dataset)
