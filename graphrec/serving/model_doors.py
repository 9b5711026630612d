"""Doors to bundles and snapshots: put one to use, go back, keep what is known."""

from typing import Any

from fastapi import FastAPI

from graphrec.serving.keeping import Keeper
from graphrec.serving.model_messages import BundleIn, BundlesOut, ModelOut, SnapshotOut
from graphrec.serving.models import Models
from graphrec.serving.problems import documented
from graphrec.serving.state_store import StateStore

_PATIENCE_S = 60.0
_MISSING = documented(404, 409)


def add_model_doors(
    app: FastAPI, models: Models, keeper: Keeper, store: StateStore, guard: Any
) -> None:
    """Add `/v1/admin/bundles`, `reload`, `rollback` and `snapshot` behind `guard`."""

    @app.get("/v1/admin/bundles", summary="Which bundles there are", dependencies=[guard])
    def bundles() -> BundlesOut:
        name = models.in_use
        return BundlesOut(
            in_use=name,
            bundles=store.bundle_names(),
            snapshot_seq=store.newest_seq(name),
            failure=models.failure or keeper.failure,
        )

    @app.post(
        "/v1/admin/reload",
        summary="Put a bundle to use",
        dependencies=[guard],
        responses=_MISSING,
    )
    def reload(asked: BundleIn) -> ModelOut:
        """It is told all that the log holds, tried by recorded questions, and then used.

        Requests are answered meanwhile, by the bundle in use so far. Where the trial fails nothing
        changes. Every process that follows the log puts it to use.
        """
        return _use(models, asked.bundle)

    @app.post(
        "/v1/admin/rollback",
        summary="Go back to the bundle before",
        dependencies=[guard],
        responses=_MISSING,
    )
    def rollback() -> ModelOut:
        """The bundle that was in use before, with all that has happened since."""
        return _use(models, models.previous())

    @app.post("/v1/admin/snapshot", summary="Keep a snapshot now", dependencies=[guard])
    def snapshot() -> SnapshotOut:
        """Written beside the traffic, and kept with the newest ones before it."""
        kept = keeper.keep()
        return SnapshotOut(
            place=str(kept.place), seq=kept.seq, held_s=kept.held_s, took_s=kept.took_s
        )


def _use(models: Models, name: str) -> ModelOut:
    before = models.in_use
    trial = models.use(name, _PATIENCE_S)
    return ModelOut(
        bundle=name,
        before=before,
        n_asked=trial.n_asked,
        overlap=trial.overlap,
        slowest_ms=trial.slowest_ms,
    )
