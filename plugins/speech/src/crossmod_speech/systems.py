"""The settings modules whose class names recipes of this domain may hold; importing makes them known (torch-free)."""

from __future__ import annotations

import crossmod_speech.codec.objective_settings
import crossmod_speech.codec.settings
import crossmod_speech.corpora.settings
import crossmod_speech.encoders.keyword_settings
import crossmod_speech.encoders.pretrained_settings
import crossmod_speech.encoders.settings
import crossmod_speech.encoders.windowed_settings
import crossmod_speech.speecht5.objective_settings
import crossmod_speech.speecht5.settings
import crossmod_speech.unitts.settings  # noqa: F401 - as above
