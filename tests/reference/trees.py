"""Slow twin of `graphrec.kernels.trees`, to be checked by eye: one row walks down one tree."""

import math


def score_of_row(model, row):
    """Sum over the trees of a LightGBM `dump_model()` of the leaf that `row` falls into."""
    return sum(leaf_of_row(tree["tree_structure"], row) for tree in model["tree_info"])


def leaf_of_row(node, row):
    while "leaf_value" not in node:
        node = node["left_child" if goes_left(node, row[node["split_feature"]]) else "right_child"]
    return node["leaf_value"]


def goes_left(node, value):
    if node["decision_type"] == "==":
        categories = [int(category) for category in node["threshold"].split("||")]
        return not math.isnan(value) and int(value) in categories
    if math.isnan(value) and node["missing_type"] != "NaN":
        value = 0.0
    is_missing = {
        "None": False,
        "Zero": abs(value) <= 1.0000000180025095e-35,
        "NaN": math.isnan(value),
    }
    if is_missing[node["missing_type"]]:
        return node["default_left"]
    return value <= node["threshold"]
