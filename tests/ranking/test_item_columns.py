"""Columns of the catalogue, what users share with items, and rates by publisher, by hand."""

import numpy as np
import pytest

from graphrec.errors import LeakageError
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.item_columns import Fit
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.stream_features import Rate
from graphrec.stages import Candidates, Interactions, Queries

NAN = np.nan


def found(rows):
    item = np.array(rows, np.int32)
    plain = np.zeros(item.shape, np.float32)
    return Candidates(item, plain, plain.astype(np.int8), ("any",), item * 0 - 1, plain)


def asked(users, time_s):
    queries = Queries.of_sessions([np.empty(0, np.int32)] * len(users), time_s)
    rest = (getattr(queries, name) for name in Queries.__slots__[1:])
    return Queries(np.array(users, np.int32), *rest)


def events(*rows):
    time_s, user, item, weight = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Interactions(
        np.array(time_s, np.int64),
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(weight, np.float32),
        3,
        4,
    )


def test_numbers_and_shared_properties_are_read_by_item_and_missing_where_unknown():
    inputs = FeatureInputs(
        numbers={"flag": np.array([0, 1, NAN], np.float32)},
        fits={"language": Fit(np.array([2, -1], np.int32), np.array([2, 0, 2, 2], np.int32))},
    )
    builder = FeatureBuilder(inputs)
    builder.fit(events((1, 0, 0, 1.0)), 10)
    table = builder.build(asked([0, 1, 2], 20), found([[0, 1, 2], [3, 0, -1], [0, -1, -1]]))
    flag = table[..., builder.names.index("item.flag")]
    np.testing.assert_array_equal(flag, [[0, 1, NAN], [NAN, 0, NAN], [0, NAN, NAN]])
    same = table[..., builder.names.index("fit.language")]
    np.testing.assert_array_equal(same, [[1, 0, 1], [NAN] * 3, [NAN] * 3])


def test_rates_by_publisher_join_its_items():
    publishers = NamesOfItems(np.array([0, 1, 2, 3, 3]), np.array([0, 0, 1], np.int32), 2)
    streams = {
        "shown": events((1, 0, 0, 1.0), (2, 0, 1, 1.0), (3, 1, 2, 1.0), (4, 1, 3, 1.0)),
        "clicked": events((2, 0, 1, 1.0)),
    }
    rates = (Rate("click", "clicked", "shown", 0.5),)
    inputs = FeatureInputs(
        names={"publisher": publishers}, streams=streams, rates=rates, publisher_rates=rates
    )
    builder = FeatureBuilder(inputs)
    builder.fit(events((1, 0, 0, 1.0)), 10)
    table = builder.build(asked([0], 20), found([[0, 1, 2, 3]]))[0]
    by_item = table[:, builder.names.index("rate.click")]
    by_publisher = table[:, builder.names.index("publisher_rate.click")]
    np.testing.assert_allclose(by_item, [10 / 21, 11 / 21, 10 / 21, 10 / 21], rtol=1e-4)
    np.testing.assert_allclose(by_publisher, [11 / 22, 11 / 22, 10 / 21, NAN], rtol=1e-4)


def test_questions_may_go_back_in_time_but_not_behind_what_was_told():
    builder = FeatureBuilder(FeatureInputs(streams={"shown": events()}))
    builder.fit(events((1, 0, 0, 1.0)), 10)
    builder.absorb_stream("shown", events((30, 0, 0, 1.0)))
    late = builder.build(asked([0], 101), found([[0]]))
    np.testing.assert_array_equal(builder.build(asked([0], 31), found([[0]])).shape, late.shape)
    with pytest.raises(LeakageError, match="told up to 31 s"):
        builder.build(asked([0], 30), found([[0]]))
