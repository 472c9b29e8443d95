"""Settings of estimators of other packages: facts from their documentation, so that nothing is imported.

Sources: https://lightgbm.readthedocs.io/en/stable/Parameters.html (names, aliases, constraints) and the reference of
``LGBMClassifier``; https://scikit-learn.org/stable/modules/generated/sklearn.linear_model.LogisticRegression.html and
``sklearn.preprocessing.StandardScaler``. Settings that name files or network addresses are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.settings.composite_kinds import AnyOf, Field, Fields, ListOf, MappingOf
from harness.settings.kinds import Boolean, Integer, Kind, Null, Number, Text
from harness.settings.limits import Above, AtLeast, Between, Limit, OneOf
from harness.settings.problem import Problem

_SEED = AnyOf((Integer((Between(0, 2**31 - 1),)), Null()))
_WEIGHTS = AnyOf((Text((OneOf("balanced"),)), MappingOf(Number((AtLeast(0),))), Null()))
_JOBS = AnyOf((Integer((Between(-1024, 1024),)), Null()))
_SHARE = Number((Above(0, 1),))
_FRACTION = Number((Between(0, 1),))
_NOT_NEGATIVE = Number((AtLeast(0),))
_POSITIVE = Number((Above(0),))


def _whole(limit: Limit) -> Kind:
    return Integer((limit,))


def _word(*words: str) -> Kind:
    return Text((OneOf(*words),))


@dataclass(frozen=True)
class Alias(Kind):
    """Another name of a parameter that is always set: one of the two would silently be ignored."""

    of: str = ""
    is_listed = False

    def problems(self, key: str, value: Any) -> Iterator[Problem]:  # noqa: ARG002
        yield Problem(key, f": is another name of {self.of}, which is set already; write {self.of}")


def _fields(kinds: Mapping[str, tuple[Kind, Any]]) -> Fields:
    return Fields({name: Field(kind, default=default) for name, (kind, default) in kinds.items()})


_LIGHTGBM: dict[str, tuple[Kind, Any]] = {  # parameters of LGBMClassifier
    "boosting_type": (_word("gbdt", "rf", "dart", "goss"), "gbdt"),
    "num_leaves": (_whole(Between(2, 131072)), 31),
    "max_depth": (_whole(Between(-1, 10_000)), -1),
    "learning_rate": (_POSITIVE, 0.1),
    "n_estimators": (_whole(Between(1, 1_000_000)), 100),
    "subsample_for_bin": (_whole(AtLeast(1)), 200_000),
    "objective": (AnyOf((_word("binary", "cross_entropy"), Null())), None),
    "class_weight": (_WEIGHTS, None),
    "min_split_gain": (_NOT_NEGATIVE, 0.0),
    "min_child_weight": (_NOT_NEGATIVE, 1e-3),
    "min_child_samples": (_whole(Between(0, 2**31 - 1)), 20),
    "subsample": (_SHARE, 1.0),
    "subsample_freq": (_whole(Between(0, 2**31 - 1)), 0),
    "colsample_bytree": (_SHARE, 1.0),
    "reg_alpha": (_NOT_NEGATIVE, 0.0),
    "reg_lambda": (_NOT_NEGATIVE, 0.0),
    "random_state": (_SEED, None),
    "n_jobs": (_JOBS, None),
    "importance_type": (_word("split", "gain"), "split"),
}

_LIGHTGBM_MORE: dict[str, Kind] = {  # parameters of the library that LGBMClassifier hands on
    **dict.fromkeys(
        (
            "deterministic", "force_row_wise", "force_col_wise", "extra_trees", "linear_tree", "boost_from_average",
            "is_unbalance", "uniform_drop", "xgboost_dart_mode", "feature_pre_filter", "use_missing", "zero_as_missing",
            "enable_bundle", "is_enable_sparse", "use_quantized_grad", "quant_train_renew_leaf", "stochastic_rounding",
            "gpu_use_dp", "first_metric_only",
        ),
        Boolean(),
    ),
    **dict.fromkeys(
        ("bagging_seed", "feature_fraction_seed", "extra_seed", "data_random_seed", "drop_seed", "objective_seed"),
        _whole(Between(0, 2**31 - 1)),
    ),
    **dict.fromkeys(("drop_rate", "skip_drop", "top_rate", "other_rate"), _FRACTION),
    **dict.fromkeys(("feature_fraction_bynode", "pos_bagging_fraction", "neg_bagging_fraction"), _SHARE),
    **dict.fromkeys(
        ("path_smooth", "linear_lambda", "cegb_tradeoff", "cegb_penalty_split", "cat_l2", "cat_smooth"), _NOT_NEGATIVE
    ),
    **dict.fromkeys(("scale_pos_weight", "sigmoid"), _POSITIVE),
    **dict.fromkeys(("max_delta_step", "histogram_pool_size", "monotone_penalty"), Number()),
    **dict.fromkeys(("gpu_platform_id", "gpu_device_id"), _whole(AtLeast(-1))),
    **dict.fromkeys(
        ("max_cat_threshold", "max_cat_to_onehot", "min_data_per_group", "min_data_in_bin", "num_gpu"),
        _whole(AtLeast(1)),
    ),
    "max_bin": _whole(Between(2, 65_535)),
    "max_drop": _whole(AtLeast(-1)),
    "num_grad_quant_bins": _whole(AtLeast(2)),
    "verbosity": _whole(Between(-10, 10)),
    "data_sample_strategy": _word("bagging", "goss"),
    "tree_learner": _word("serial", "feature", "data", "voting"),
    "device_type": _word("cpu", "gpu", "cuda"),
    "metric": AnyOf((Text(), ListOf(Text()), Null())),
    "monotone_constraints": ListOf(_whole(Between(-1, 1))),
    "interaction_constraints": ListOf(ListOf(Integer())),
    "feature_contri": ListOf(Number()),
}  # fmt: skip

_ALIASES: dict[str, tuple[str, ...]] = {  # name that is used here: others for the same
    "n_estimators": (
        "num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds",
        "num_boost_round", "max_iter",
    ),
    "learning_rate": ("eta", "shrinkage_rate"),
    "num_leaves": ("num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes"),
    "boosting_type": ("boosting", "boost"),
    "objective": ("objective_type", "app", "application", "loss"),
    "n_jobs": ("num_threads", "num_thread", "nthread", "nthreads"),
    "random_state": ("seed", "random_seed"),
    "subsample_for_bin": ("bin_construct_sample_cnt",),
    "min_split_gain": ("min_gain_to_split",),
    "min_child_weight": ("min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian"),
    "min_child_samples": ("min_data_in_leaf", "min_data_per_leaf", "min_data", "min_samples_leaf"),
    "subsample": ("bagging_fraction", "sub_row", "bagging"),
    "subsample_freq": ("bagging_freq",),
    "colsample_bytree": ("feature_fraction", "sub_feature"),
    "reg_alpha": ("lambda_l1", "l1_regularization"),
    "reg_lambda": ("lambda_l2", "lambda", "l2_regularization"),
    "verbosity": ("verbose",),
    "max_bin": ("max_bins",),
    "extra_trees": ("extra_tree",),
    "feature_fraction_bynode": ("sub_feature_bynode", "colsample_bynode"),
    "max_delta_step": ("max_tree_output", "max_leaf_output"),
    "linear_tree": ("linear_trees",),
    "device_type": ("device",),
    "is_unbalance": ("unbalance", "unbalanced_sets"),
    "enable_bundle": ("is_enable_bundle", "bundle"),
    "drop_rate": ("rate_drop",),
    "metric": ("metrics", "metric_types"),
    "tree_learner": ("tree", "tree_type", "tree_learner_type"),
    "histogram_pool_size": ("hist_pool_size",),
}  # fmt: skip


def _lightgbm() -> Fields:
    more = {name: (kind, None) for name, kind in _LIGHTGBM_MORE.items()}
    for name, aliases in _ALIASES.items():
        kind = Alias(name) if name in _LIGHTGBM else _LIGHTGBM_MORE[name]
        more.update(dict.fromkeys(aliases, (kind, None)))
    return _fields({**_LIGHTGBM, **more})


def _logistic_rule(node: Mapping[str, Any]) -> str | None:
    """Return the problem with a combination of LogisticRegression's settings, if any."""
    penalty, solver = node.get("penalty", "deprecated"), node.get("solver", "lbfgs")
    share = node.get("l1_ratio") or 0
    l1_alone = penalty == "l1" or (penalty == "deprecated" and share == 1)
    if (l1_alone and solver not in ("liblinear", "saga")) or (not l1_alone and share > 0 and solver != "saga"):
        return f"solver={solver}: has no L1 penalty; expected {'liblinear or saga' if l1_alone else 'saga'} with it"
    if penalty == "elasticnet" and solver != "saga":
        return f"solver={solver}: has no elastic net; expected saga with penalty=elasticnet"
    if node.get("dual") is True and (solver != "liblinear" or l1_alone):
        return "dual=true: expected solver=liblinear without an L1 penalty, or dual=false"
    return None


def _lightgbm_rule(node: Mapping[str, Any]) -> str | None:
    """Return the problem with a combination of LGBMClassifier's settings, if any."""
    if node.get("force_row_wise") is True and node.get("force_col_wise") is True:
        return "force_col_wise=true: expected one of force_row_wise and force_col_wise, not both"
    draws = node.get("subsample_freq", 0) > 0 and node.get("subsample", 1.0) < 1
    if node.get("boosting_type") == "rf" and not (draws or node.get("colsample_bytree", 1.0) < 1):
        return "boosting_type=rf: a random forest draws rows or features; set subsample below 1 and subsample_freq=1"
    return None


RULES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "lightgbm.LGBMClassifier": _lightgbm_rule,
    "sklearn.linear_model.LogisticRegression": _logistic_rule,
}

THIRD_PARTY: dict[str, Fields] = {
    "lightgbm.LGBMClassifier": _lightgbm(),
    "sklearn.linear_model.LogisticRegression": _fields(
        {
            "penalty": (AnyOf((_word("l1", "l2", "elasticnet", "deprecated"), Null())), "deprecated"),
            "C": (_POSITIVE, 1.0),
            "l1_ratio": (AnyOf((_FRACTION, Null())), 0.0),
            "dual": (Boolean(), False),
            "tol": (_POSITIVE, 1e-4),
            "fit_intercept": (Boolean(), True),
            "intercept_scaling": (_POSITIVE, 1),
            "class_weight": (_WEIGHTS, None),
            "random_state": (AnyOf((Integer((Between(0, 2**32 - 1),)), Null())), None),
            "solver": (_word("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"), "lbfgs"),
            "max_iter": (_whole(Between(1, 10_000_000)), 100),
            "verbose": (_whole(Between(0, 100)), 0),
            "warm_start": (Boolean(), False),
            "n_jobs": (_JOBS, None),
        }
    ),
    "sklearn.preprocessing.StandardScaler": _fields(
        {"copy": (Boolean(), True), "with_mean": (Boolean(), True), "with_std": (Boolean(), True)}
    ),
}
