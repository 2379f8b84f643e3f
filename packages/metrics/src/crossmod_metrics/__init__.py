"""Retrieval, zero-shot, probe and calibration metrics as pure functions of tensors."""

from __future__ import annotations

from crossmod_metrics.bootstrap import Interval, bootstrap_mean, bootstrap_statistic
from crossmod_metrics.calibration import Calibration, brier, calibration, class_brier, class_calibration
from crossmod_metrics.classification import (
    MultiTaskScore,
    accuracy,
    average_precision,
    f1_macro,
    multi_task,
    roc_auc,
)
from crossmod_metrics.ensemble import rank_ensemble, rank_matrix
from crossmod_metrics.geometry import alignment, modality_gap, uniformity
from crossmod_metrics.integration import IntegrationRate, frechet_distance, modality_integration_rate
from crossmod_metrics.knn import knn_classify, knn_regress
from crossmod_metrics.nearest import TopK, top_k
from crossmod_metrics.probe import LogisticProbe, logistic_probe
from crossmod_metrics.ranking import ranks, ranks_from_scores
from crossmod_metrics.regression import mae, pearson, r2, rmse, spearman
from crossmod_metrics.retrieval import (
    RankConsistency,
    RetrievalMetrics,
    best_rank_distribution,
    chance,
    mean_rank_variance,
    retrieval_metrics,
)
from crossmod_metrics.ridge import RidgeProbe, ridge_probe
from crossmod_metrics.zero_shot import (
    ZeroShotMetrics,
    balanced_accuracy,
    class_embeddings,
    multi_label_scores,
    top_k_accuracy,
    zero_shot_metrics,
    zero_shot_scores,
)

__all__ = [
    "Calibration",
    "IntegrationRate",
    "Interval",
    "LogisticProbe",
    "MultiTaskScore",
    "RankConsistency",
    "RetrievalMetrics",
    "RidgeProbe",
    "TopK",
    "ZeroShotMetrics",
    "accuracy",
    "alignment",
    "average_precision",
    "balanced_accuracy",
    "best_rank_distribution",
    "bootstrap_mean",
    "bootstrap_statistic",
    "brier",
    "calibration",
    "chance",
    "class_brier",
    "class_calibration",
    "class_embeddings",
    "f1_macro",
    "frechet_distance",
    "knn_classify",
    "knn_regress",
    "logistic_probe",
    "mae",
    "mean_rank_variance",
    "modality_gap",
    "modality_integration_rate",
    "multi_label_scores",
    "multi_task",
    "pearson",
    "r2",
    "rank_ensemble",
    "rank_matrix",
    "ranks",
    "ranks_from_scores",
    "retrieval_metrics",
    "ridge_probe",
    "rmse",
    "roc_auc",
    "spearman",
    "top_k",
    "top_k_accuracy",
    "uniformity",
    "zero_shot_metrics",
    "zero_shot_scores",
]
