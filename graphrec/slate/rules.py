"""The product's rules: what may be shown at all, and what is pinned to a place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32
from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.errors import SettingsError
from graphrec.slate.facts import ItemFacts
from graphrec.stages import Decision


class Pin(BaseModel):
    """An item that stands at a place for a time, whatever the ranking says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_row: int = Field(ge=0, description="The item; it need not be among the candidates.")
    place: int = Field(ge=0, le=999, description="0-based place.")
    until_s: int | None = Field(
        None, description="UTC seconds from which it no longer holds; null: for good."
    )


class RuleSettings(BaseModel):
    """What may be shown. A deny list outweighs an allow list, a rule outweighs a pin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deny_items: tuple[int, ...] = Field((), description="Item rows never shown.")
    deny_publishers: tuple[int, ...] = Field((), description="Publisher rows never shown.")
    deny_keywords: tuple[int, ...] = Field((), description="Items with one of these are not shown.")
    allow_items: tuple[int, ...] | None = Field(
        None, description="Item rows that may be shown, and no others; null: any."
    )
    allow_publishers: tuple[int, ...] | None = Field(
        None, description="Publisher rows that may be shown, and no others; null: any."
    )
    allow_keywords: tuple[int, ...] | None = Field(
        None, description="Only items with one of these are shown; null: any."
    )
    remove_flags: tuple[str, ...] = Field(
        (), description="Content flags whose items are not shown, such as `content_flag`."
    )
    pins: tuple[Pin, ...] = Field((), description="Items that stand at a place.")

    @model_validator(mode="after")
    def _check(self) -> "RuleSettings":
        timeless = [pin for pin in self.pins if pin.until_s is None]
        for name in ("place", "item_row"):
            values = [getattr(pin, name) for pin in timeless]
            if len(set(values)) < len(values):
                raise ValueError(f"pins without an end share a {name} — each needs its own")
        return self


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule: whether it removes each item, and why."""

    name: str
    removes: Bool[np.ndarray, " items"]
    detail: str


class Rules:
    """The rules of the settings, against what is known of items."""

    def __init__(self, facts: ItemFacts, settings: RuleSettings) -> None:
        """Look the rules up; one whose column is missing is left out and noted.

        Raises:
            SettingsError: A pinned item has no row.
        """
        for pin in settings.pins:
            if pin.item_row >= facts.n_items:
                raise SettingsError(
                    f"pin of item row {pin.item_row} — rows reach from 0 to {facts.n_items - 1}"
                )
        self._settings = settings
        self._facts = facts
        notes: list[str] = []
        self._rules = list(self._item_rules())
        self._rules += self._publisher_rules(notes)
        self._rules += self._keyword_rules(notes)
        self._rules += self._flag_rules(notes)
        self.notes = tuple(notes)

    def keep(
        self, query: int, items: Int32[np.ndarray, " k"], decisions: list[Decision]
    ) -> Bool[np.ndarray, " k"]:
        """Which of `items` may be shown to a query; a line for each other is added."""
        kept = np.ones(len(items), np.bool_)
        for rule in self._rules:
            removed = kept & rule.removes[items]
            kept &= ~removed
            decisions.extend(
                Decision(query, item, rule.name, "removed", rule.detail)
                for item in items[removed].tolist()
            )
        return kept

    def pins_at(self, query: int, time_s: int, k: int, decisions: list[Decision]) -> dict[int, int]:
        """Item pinned to each place below `k` at a time, by place, of those that may be shown.

        Of two pins for one place or of one item, the first of the settings holds. A line is added
        for each pin that is tried: pinned, or removed by a rule.
        """
        held: dict[int, int] = {}
        for pin in self._settings.pins:
            is_over = pin.until_s is not None and time_s >= pin.until_s
            if is_over or pin.place >= k or pin.place in held or pin.item_row in held.values():
                continue
            removed: list[Decision] = []
            kept = self.keep(query, np.array([pin.item_row], np.int32), removed)[0]
            # As a candidate the item may have been removed already.
            decisions.extend(line for line in removed if line not in decisions)
            if kept:
                held[pin.place] = pin.item_row
                until = "" if pin.until_s is None else f" until {pin.until_s} s"
                detail = f"place {pin.place}{until}"
                decisions.append(Decision(query, pin.item_row, "pin", "pinned", detail))
        return held

    def _item_rules(self) -> Sequence[_Rule]:
        settings, n_items = self._settings, self._facts.n_items
        rules = []
        if settings.deny_items:
            denied = _members(settings.deny_items, n_items)
            rules.append(_Rule("deny", denied, "item on the deny list"))
        if settings.allow_items is not None:
            allowed = _members(settings.allow_items, n_items)
            rules.append(_Rule("allow", ~allowed, "item not on the allow list"))
        return rules

    def _publisher_rules(self, notes: list[str]) -> Sequence[_Rule]:
        settings = self._settings
        if not settings.deny_publishers and settings.allow_publishers is None:
            return []
        denied = self._facts.with_publisher(settings.deny_publishers)
        allowed = self._facts.with_publisher(settings.allow_publishers or ())
        if denied is None or allowed is None:
            notes.append("no publisher of items: rules of publishers are not applied")
            return []
        rules = []
        if settings.deny_publishers:
            rules.append(_Rule("deny", denied, "publisher on the deny list"))
        if settings.allow_publishers is not None:
            rules.append(_Rule("allow", ~allowed, "publisher not on the allow list"))
        return rules

    def _keyword_rules(self, notes: list[str]) -> Sequence[_Rule]:
        settings = self._settings
        if not settings.deny_keywords and settings.allow_keywords is None:
            return []
        denied = self._facts.with_keyword(settings.deny_keywords)
        allowed = self._facts.with_keyword(settings.allow_keywords or ())
        if denied is None or allowed is None:
            notes.append("no keywords of items: rules of keywords are not applied")
            return []
        rules = []
        if settings.deny_keywords:
            rules.append(_Rule("deny", denied, "keyword on the deny list"))
        if settings.allow_keywords is not None:
            rules.append(_Rule("allow", ~allowed, "no keyword on the allow list"))
        return rules

    def _flag_rules(self, notes: list[str]) -> Sequence[_Rule]:
        rules = []
        for name in self._settings.remove_flags:
            if name not in self._facts.flags:
                notes.append(f"no flag {name!r} of items: it removes nothing")
                continue
            rules.append(_Rule("flag", self._facts.flags[name], f"flagged {name}"))
        return rules


def _members(rows: Sequence[int], n_items: int) -> Bool[np.ndarray, " items"]:
    return np.isin(np.arange(n_items), rows)
