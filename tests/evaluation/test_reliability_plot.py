"""The reliability plot names its models and is the same each time."""

from xml.etree import ElementTree

import numpy as np

from graphrec.evaluation.plots import INK, ReliabilityLine, plot_reliability

LINES = {
    "raw <scores>": ReliabilityLine(
        np.array([0.1, 0.5, 0.9]), np.array([0.3, 0.5, 0.6]), np.array([10, 80, 10])
    ),
    "isotonic": ReliabilityLine(np.array([0.2, 0.7]), np.array([0.2, 0.7]), np.array([50, 50])),
}


def test_models_and_axes_are_named_in_ink_of_the_page():
    svg = plot_reliability(LINES)
    text = {element.text for element in ElementTree.fromstring(svg).iter() if element.text}
    assert {"raw <scores>", "isotonic", "predicted", "came true"} <= text
    assert INK not in svg
    assert "currentColor" in svg


def test_equal_figures_give_an_equal_plot_and_others_another():
    assert plot_reliability(LINES) == plot_reliability(dict(LINES))
    assert plot_reliability(LINES) != plot_reliability({"isotonic": LINES["isotonic"]})
