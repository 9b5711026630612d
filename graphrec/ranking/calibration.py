"""Scores as probabilities: fitted with scikit-learn, applied with NumPy alone."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64

from graphrec.errors import DataError, SettingsError, SnapshotError

CalibrationMethod = Literal["isotonic", "platt", "log_odds"]


@dataclass(frozen=True, slots=True)
class IsotonicCalibration:
    """A rising line through knots, flat beyond the first and the last.

    Attributes:
        score: Scores at the knots, ascending.
        probability: Their probabilities, in [0, 1], never falling.
    """

    score: Float64[np.ndarray, " knots"]
    probability: Float64[np.ndarray, " knots"]

    def apply(self, score: Float32[np.ndarray, " pairs"]) -> Float32[np.ndarray, " pairs"]:
        """Probability of each score, in [0, 1]."""
        said: Float64[np.ndarray, " pairs"] = np.interp(score, self.score, self.probability)
        return said.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {
            "method": "isotonic",
            "score": self.score.tolist(),
            "probability": self.probability.tolist(),
        }


@dataclass(frozen=True, slots=True)
class PlattCalibration:
    """A logistic curve: probability = 1 / (1 + exp(-(slope · score + intercept))).

    Attributes:
        slope: Log odds per unit of score.
        intercept: Log odds at score 0.
        of_log_odds: The score is a probability, and its log odds stand in the formula, so that
            slope 1 and intercept 0 change nothing.
    """

    slope: float
    intercept: float
    of_log_odds: bool = False

    def apply(self, score: Float32[np.ndarray, " pairs"]) -> Float32[np.ndarray, " pairs"]:
        """Probability of each score, in [0, 1]."""
        x = score.astype(np.float64)
        log_odds = self.slope * (_log_odds(x) if self.of_log_odds else x) + self.intercept
        # The logistic function by way of tanh, which does not overflow.
        return (0.5 + 0.5 * np.tanh(0.5 * log_odds)).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        method = "log_odds" if self.of_log_odds else "platt"
        return {"method": method, "slope": self.slope, "intercept": self.intercept}


Calibration = IsotonicCalibration | PlattCalibration


def fit_calibration(
    score: Float32[np.ndarray, " pairs"],
    outcome: Float32[np.ndarray, " pairs"],
    method: CalibrationMethod,
    weight: Float32[np.ndarray, " pairs"] | None = None,
) -> Calibration:
    """Learn what scores mean from outcomes that the scorer was not trained on.

    Args:
        score: Scores, finite.
        outcome: What came of each, in [0, 1]; NaN where unknown, which is left out.
        method: `isotonic` needs about a thousand outcomes, `platt` some dozens; `log_odds` is
            `platt` on the log odds of scores that are probabilities.
        weight: How much each outcome counts, >= 0; None for alike.

    Raises:
        DataError: An outcome is outside [0, 1], or fewer than two differ.
        SettingsError: scikit-learn is not installed.

    Source:
        Zadrozny and Elkan 2002 (isotonic); Platt 1999, with his targets of (n + 1) / (n + 2) and
        1 / (n + 2) in place of 1 and 0.
    """
    known = ~np.isnan(outcome)
    x, y = score[known].astype(np.float64), outcome[known].astype(np.float64)
    w = np.ones(len(x)) if weight is None else weight[known].astype(np.float64)
    if ((y < 0) | (y > 1)).any():
        raise DataError(f"an outcome is {y[(y < 0) | (y > 1)][0]} — probabilities are in [0, 1]")
    if len(np.unique(y[w > 0])) < 2:
        raise DataError(f"{len(y)} known outcomes, all alike — a calibration needs different ones")
    if method == "isotonic":
        return _fit_isotonic(x, y, w)
    if method == "platt":
        return _fit_platt(x, y, w)
    return replace(_fit_platt(_log_odds(x), y, w), of_log_odds=True)


def calibration_of_json(said: dict[str, Any]) -> Calibration:
    """Read what `to_json` gave.

    Raises:
        SnapshotError: It is something else.
    """
    try:
        match said["method"]:
            case "isotonic":
                return IsotonicCalibration(
                    np.array(said["score"], np.float64), np.array(said["probability"], np.float64)
                )
            case "platt" | "log_odds" as method:
                slope, intercept = float(said["slope"]), float(said["intercept"])
                return PlattCalibration(slope, intercept, method == "log_odds")
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError("not a calibration, or a damaged one") from error
    raise SnapshotError(f"no calibration called {said['method']!r} — isotonic, platt or log_odds")


@dataclass(frozen=True, slots=True)
class ReliabilityTable:
    """Predicted probabilities against what came true, in bins that are not empty.

    Attributes:
        predicted: Mean prediction of each bin, ascending.
        observed: Mean outcome of each bin.
        count: Outcomes in each bin, >= 1.
    """

    predicted: Float64[np.ndarray, " bins"]
    observed: Float64[np.ndarray, " bins"]
    count: Int64[np.ndarray, " bins"]

    @property
    def expected_error(self) -> float:
        """Mean distance of prediction and outcome over the bins, weighted by count (ECE)."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.count))

    @property
    def largest_error(self) -> float:
        """Largest distance of prediction and outcome in a bin (MCE)."""
        return float(np.abs(self.predicted - self.observed).max())


def reliability_table(
    probability: Float32[np.ndarray, " pairs"],
    outcome: Float32[np.ndarray, " pairs"],
    n_bins: int = 10,
    *,
    by: Literal["count", "width"] = "count",
) -> ReliabilityTable:
    """Compare predictions with outcomes, bin by bin.

    Args:
        probability: Predictions in [0, 1].
        outcome: What came of each, in [0, 1]; NaN is left out.
        n_bins: Bins, >= 1; fewer come back where some are empty.
        by: Bins of equally many predictions (equal ones stay together), or of equal width.

    Raises:
        DataError: No outcome is known, a prediction is outside [0, 1], or there are no bins.

    Source:
        Naeini et al. 2015 for the expected error; bins of equal count as in Nixon et al. 2019.
    """
    known = ~np.isnan(outcome)
    p, y = probability[known].astype(np.float64), outcome[known].astype(np.float64)
    if n_bins < 1 or not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise DataError(
            f"{n_bins} bins of {len(p)} known outcomes — at least one of each, and predictions in "
            "[0, 1]"
        )
    inner = np.arange(1, n_bins) / n_bins
    edges = inner if by == "width" else np.unique(np.quantile(p, inner, method="higher"))
    which = np.searchsorted(edges, p, side="right")
    count = np.bincount(which, minlength=len(edges) + 1)
    used = count > 0
    total = [np.bincount(which, value, len(edges) + 1)[used] for value in (p, y)]
    return ReliabilityTable(total[0] / count[used], total[1] / count[used], count[used])


def _fit_isotonic(
    x: Float64[np.ndarray, " pairs"],
    y: Float64[np.ndarray, " pairs"],
    w: Float64[np.ndarray, " pairs"],
) -> IsotonicCalibration:
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError as error:
        raise _missing() from error
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y, w)
    return IsotonicCalibration(
        np.asarray(fitted.X_thresholds_, np.float64), np.asarray(fitted.y_thresholds_, np.float64)
    )


def _fit_platt(
    x: Float64[np.ndarray, " pairs"],
    y: Float64[np.ndarray, " pairs"],
    w: Float64[np.ndarray, " pairs"],
) -> PlattCalibration:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise _missing() from error
    n_true, n_false = float((w * y).sum()), float((w * (1.0 - y)).sum())
    target = y * (n_true + 1.0) / (n_true + 2.0) + (1.0 - y) / (n_false + 2.0)
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    # A target between 0 and 1 is a row of each class, weighted.
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        np.tile((x - centre) / spread, 2)[:, None],
        np.repeat([1, 0], len(x)),
        np.concatenate([w * target, w * (1.0 - target)]),
    )
    slope = float(fitted.coef_[0, 0]) / spread
    return PlattCalibration(slope, float(fitted.intercept_[0]) - slope * centre)


def _log_odds(probability: Float64[np.ndarray, " pairs"]) -> Float64[np.ndarray, " pairs"]:
    p = np.clip(probability, 1e-7, 1.0 - 1e-7)
    odds: Float64[np.ndarray, " pairs"] = p / (1.0 - p)
    return np.asarray(np.log(odds))


def _missing() -> SettingsError:
    return SettingsError(
        "calibrating needs scikit-learn, which is not installed — pip install 'graphrec[rank]'"
    )
