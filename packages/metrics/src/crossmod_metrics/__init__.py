"""Retrieval, zero-shot, probe and calibration metrics as pure functions of tensors."""

from __future__ import annotations

from crossmod_metrics.attack import AttackSuccess, TransferTable, attack_success, transfer_table
from crossmod_metrics.bootstrap import Interval, bootstrap_mean, bootstrap_statistic
from crossmod_metrics.calibration import Calibration, brier, calibration, class_brier, class_calibration
from crossmod_metrics.cepstral import CepstralDistance, mel_cepstral_distance, mel_cepstrum, warping_path
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
from crossmod_metrics.intra_modal import IntraModalScore, intra_modal_retrieval
from crossmod_metrics.knn import knn_classify, knn_regress
from crossmod_metrics.likelihood import answer_log_odds, rank_by_likelihood, sequence_log_likelihood
from crossmod_metrics.moments import moment_recall, multi_event_scores
from crossmod_metrics.nearest import TopK, top_k
from crossmod_metrics.pair_statements import (
    COMPOSITION_CHANCE,
    CompositionScore,
    PairScore,
    composition_score,
    order_sensitivity,
    pair_score,
)
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
from crossmod_metrics.threshold import choose_threshold
from crossmod_metrics.zero_shot import (
    ZeroShotMetrics,
    balanced_accuracy,
    class_embeddings,
    ensemble_scores,
    multi_label_scores,
    top_k_accuracy,
    zero_shot_metrics,
    zero_shot_scores,
)

__all__ = [
    "COMPOSITION_CHANCE",
    "AttackSuccess",
    "Calibration",
    "CepstralDistance",
    "CompositionScore",
    "IntegrationRate",
    "Interval",
    "IntraModalScore",
    "LogisticProbe",
    "MultiTaskScore",
    "PairScore",
    "RankConsistency",
    "RetrievalMetrics",
    "RidgeProbe",
    "TopK",
    "TransferTable",
    "ZeroShotMetrics",
    "accuracy",
    "alignment",
    "answer_log_odds",
    "attack_success",
    "average_precision",
    "balanced_accuracy",
    "best_rank_distribution",
    "bootstrap_mean",
    "bootstrap_statistic",
    "brier",
    "calibration",
    "chance",
    "choose_threshold",
    "class_brier",
    "class_calibration",
    "class_embeddings",
    "composition_score",
    "ensemble_scores",
    "f1_macro",
    "frechet_distance",
    "intra_modal_retrieval",
    "knn_classify",
    "knn_regress",
    "logistic_probe",
    "mae",
    "mean_rank_variance",
    "mel_cepstral_distance",
    "mel_cepstrum",
    "modality_gap",
    "modality_integration_rate",
    "moment_recall",
    "multi_event_scores",
    "multi_label_scores",
    "multi_task",
    "order_sensitivity",
    "pair_score",
    "pearson",
    "r2",
    "rank_by_likelihood",
    "rank_ensemble",
    "rank_matrix",
    "ranks",
    "ranks_from_scores",
    "retrieval_metrics",
    "ridge_probe",
    "rmse",
    "roc_auc",
    "sequence_log_likelihood",
    "spearman",
    "top_k",
    "top_k_accuracy",
    "transfer_table",
    "uniformity",
    "warping_path",
    "zero_shot_metrics",
    "zero_shot_scores",
]
