"""Rules and pins by the caller's names become a slate arranger over rows."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError, SettingsError, UnknownIdError
from graphrec.events.dataset import Dataset
from graphrec.experiment.named_items import column_of_names
from graphrec.retrieval.vector_source import VectorModel
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.facts import ItemFacts
from graphrec.slate.rules import Pin, RuleSettings
from graphrec.slate.settings import ArrangingSettings, SlateSettings

_ROWS_OF = {"items": "item_id", "publishers": "publisher", "keywords": "keywords"}


class NamedPin(BaseModel):
    """An item that stands at a place for a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: int | str = Field(description="Item id; it need not be among the candidates.")
    place: int = Field(ge=1, le=1000, description="Place, counted from 1.")
    until: datetime | None = Field(
        None, description="From when it no longer holds, UTC; null: for good."
    )


class NamedRules(BaseModel):
    """What may be shown, by ids and names; a deny list outweighs an allow list, a rule a pin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deny_items: tuple[int | str, ...] = Field((), description="Item ids never shown.")
    deny_publishers: tuple[str, ...] = Field((), description="Publishers never shown.")
    deny_keywords: tuple[str, ...] = Field((), description="Items with one of these: not shown.")
    allow_items: tuple[int | str, ...] | None = Field(
        None, description="Item ids that may be shown, and no others; null: any."
    )
    allow_publishers: tuple[str, ...] | None = Field(
        None, description="Publishers that may be shown, and no others; null: any."
    )
    allow_keywords: tuple[str, ...] | None = Field(
        None, description="Only items with one of these are shown; null: any."
    )
    remove_flags: tuple[str, ...] = Field(
        (), description="True/false columns of the items table whose items are not shown."
    )
    pins: tuple[NamedPin, ...] = Field((), description="Items that stand at a place.")


class NamedSlate(ArrangingSettings):
    """How a slate is made, with rules by ids and names."""

    rules: NamedRules = Field(NamedRules(), description="What may be shown, and pins.")


def build_arranger(
    slate: NamedSlate, dataset: Dataset, vectors: VectorModel | None = None
) -> SlateArranger:
    """The arranger that `slate` describes.

    Args:
        slate: Its settings.
        dataset: Ids, and what the items table says.
        vectors: A fitted model whose item vectors say what is alike.

    Raises:
        SettingsError: A rule or a pin names an unknown item, publisher, keyword or flag.
    """
    rules = refuse_unknown_names(slate, dataset)
    values = slate.model_dump(exclude={"rules"})
    return SlateArranger(item_facts(dataset, vectors), SlateSettings(**values, rules=rules))


def refuse_unknown_names(slate: NamedSlate, dataset: Dataset) -> RuleSettings:
    """The rules over rows.

    Raises:
        SettingsError: A rule or a pin names an unknown item, publisher, keyword or flag.
    """
    flags = [name for name, kind in dataset.items.schema.items() if kind == pl.Boolean]
    for flag in slate.rules.remove_flags:
        if flag not in flags:
            raise SettingsError(
                f"slate.rules.remove_flags: {flag!r} — true/false columns of the items are "
                f"{', '.join(flags) or 'none'}"
            )
    return _rules_of(slate.rules, dataset)


def item_facts(dataset: Dataset, vectors: VectorModel | None = None) -> ItemFacts:
    """What a data set says of its items: first publisher, keywords, other columns, vectors.

    A column of text becomes groups, a true/false column a flag.
    """
    items = dataset.items
    groups, flags = {}, {}
    publisher, keywords = (column_of_names(dataset, name) for name in ("publisher", "keywords"))
    if publisher.names:
        groups["publisher"] = publisher.of_items().first()
    for name, kind in items.schema.items():
        if name in ("item_id", "title", "publisher", "keywords"):
            continue
        if kind == pl.String:
            groups[name] = column_of_names(dataset, name).of_items().first()
        elif kind == pl.Boolean:
            flags[name] = items[name].fill_null(value=False).to_numpy().astype(np.bool_)
    known = bool(keywords.names)
    return ItemFacts(
        dataset.n_items,
        None if vectors is None else vectors.item_vectors()[: dataset.n_items],
        groups,
        keywords.ptr if known else None,
        keywords.name_row if known else None,
        flags,
        publisher.ptr if publisher.names else None,
        publisher.name_row if publisher.names else None,
    )


def _rules_of(rules: NamedRules, dataset: Dataset) -> RuleSettings:
    ids = dataset.ids["item"]
    values: dict[str, object] = {"remove_flags": rules.remove_flags}
    for way in ("deny", "allow"):
        for what, column in _ROWS_OF.items():
            where, wanted = f"{way}_{what}", getattr(rules, f"{way}_{what}")
            if wanted is None:
                continue
            try:
                values[where] = (
                    tuple(ids.row(key) for key in wanted)
                    if what == "items"
                    else column_of_names(dataset, column).rows(wanted)
                )
            except (DataError, UnknownIdError) as error:
                raise SettingsError(f"slate.rules.{where}: {error}") from error
    pins = []
    for pin in rules.pins:
        try:
            row = ids.row(pin.item)
        except UnknownIdError as error:
            raise SettingsError(f"slate.rules.pins: {error}") from error
        pins.append(Pin(item_row=row, place=pin.place - 1, until_s=_utc_s(pin.until)))
    return RuleSettings.model_validate({**values, "pins": tuple(pins)})


def _utc_s(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
