"""A log as a test can write it down."""

from graphrec.events.dataset import Dataset


def edges(dataset: Dataset) -> list[tuple[int, str, object, object, float]]:
    """The log in words: time, type, source id, target id, weight."""
    log, out = dataset.log, []
    for i in range(len(log)):
        kind = log.edge_types[log.edge_type[i]]
        source = dataset.ids[kind.source].key(int(log.source_row[i]))
        target = dataset.ids[kind.target].key(int(log.target_row[i]))
        out.append((int(log.time_s[i]), kind.name, source, target, float(log.weight[i])))
    return out
