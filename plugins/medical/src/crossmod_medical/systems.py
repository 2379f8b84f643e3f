"""The settings modules whose class names recipes of this domain may hold; importing makes them known (torch-free)."""

from __future__ import annotations

import crossmod_medical.encoders.augmentation_settings
import crossmod_medical.encoders.network_settings
import crossmod_medical.encoders.report_settings
import crossmod_medical.encoders.settings
import crossmod_medical.encoders.windowed_settings
import crossmod_medical.findings.data
import crossmod_medical.findings.settings
import crossmod_medical.nodules.data
import crossmod_medical.pairs.objective_settings
import crossmod_medical.pairs.settings
import crossmod_medical.pretraining.settings
import crossmod_medical.vqa.data
import crossmod_medical.vqa.objective_settings
import crossmod_medical.vqa.settings  # noqa: F401 - importing is all that is wanted
