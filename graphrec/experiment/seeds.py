"""The same method with another seed."""

from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.settings import Method
from graphrec.experiment.staged_settings import BlendedMethod, PipelineMethod


def with_seed(method: Method, seed: int) -> Method:
    """The method as it is trained from a seed; one that is not trained stays as it is.

    The models that a pipeline averages have seeds of their own, counted up from 1,000 times `seed`,
    so that no two seeds share one.
    """
    match method:
        case TemporalNetworkMethod(weights=None):
            training = method.training.model_copy(update={"seed": seed})
            return method.model_copy(update={"training": training})
        case PipelineMethod():
            replayed = method.staged.replay.model_copy(update={"seed": seed})
            update = {
                "ranker": method.ranker.model_copy(update={"seed": 1000 * seed}),
                "staged": method.staged.model_copy(update={"replay": replayed}),
                "sources": tuple(_part_with_seed(part, seed) for part in method.sources),
            }
            return method.model_copy(update=update)
    return method


def _part_with_seed(part: BlendedMethod, seed: int) -> BlendedMethod:
    return part.model_copy(update={"source": with_seed(part.source, seed)})
