"""Runs in MLflow: the only package that imports it."""

import logging
import os

from harness.track.store import COMPARISON, Tracking

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar per small table is noise
logging.getLogger("mlflow").setLevel(logging.WARNING)  # else a new database announces each of its migrations
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # logs the traceback of what it raises anyway

__all__ = ["COMPARISON", "Tracking"]
