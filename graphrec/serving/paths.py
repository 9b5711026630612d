"""Ids in paths: any text that a URL can quote, line ends among them."""

from starlette.convertors import PathConvertor, register_url_convertor


class _AnyText(PathConvertor):
    """Starlette's own stops at a line end: who has one in their id could not be forgotten."""

    regex = "(?s:.*)"


def take_any_text_in_paths() -> None:
    """Have `{id:path}` match line ends, too, in the doors that are added from now on."""
    register_url_convertor("path", _AnyText())
