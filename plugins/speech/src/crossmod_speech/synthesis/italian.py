"""Italian: the translated wordings, in the order of `english.TRANSLATED`, and their fillers."""

from __future__ import annotations

from crossmod_speech.synthesis.english import TRANSLATED
from crossmod_speech.synthesis.wording import Language, paired

ITALIAN = Language(
    code="it",
    wordings=paired(
        TRANSLATED,
        "accendi la luce {room}",
        "metti la luce {room}",
        "suona {music}",
        "metti {music} {room}",
        "ferma la musica {room}",
        "spegni la musica {room}",
        "alza il volume {room}",
        "metti la sveglia {time}",
        "svegliami {day} {time}",
        "metti un timer di {duration}",
        "che tempo farà {place} {day}?",
        "pioverà {day} {place}?",
        "chiama {person}",
        "chiama {person} {day}",
        "mostrami la strada {destination}",
        "aggiungi {item} alla lista della spesa",
        "ricordati di comprare {item} {day}",
        "che cosa ho {day} in agenda?",
        "cerca una ricetta per {dish}",
    ),
    slots={
        "room": (
            *("in cucina", "in camera da letto", "in salotto", "in bagno", "nel corridoio", "in giardino"),
            *("al piano di sopra", "dappertutto"),
        ),
        "time": (
            *("alle sei del mattino", "alle sette", "alle sette e mezza", "alle otto", "a mezzogiorno"),
            *("alle tre del pomeriggio", "alle nove di sera", "a mezzanotte"),
        ),
        "duration": (
            *("un minuto", "due minuti", "cinque minuti", "dieci minuti", "venti minuti", "mezz'ora"),
            *("un'ora", "tre ore"),
        ),
        "music": (
            *("del jazz", "le mie canzoni preferite", "musica classica", "musica rock", "musica per pianoforte"),
            *("canzoni popolari", "qualcosa di tranquillo", "musica da ballo"),
        ),
        "day": (
            *("oggi", "domani", "stasera", "lunedì", "venerdì", "questo fine settimana", "domenica"),
            "la prossima settimana",
        ),
        "place": (
            *("a Londra", "a Berlino", "a Parigi", "a Madrid", "a Roma", "sulla costa", "in montagna"),
            "a New York",
        ),
        "person": (
            *("mia madre", "Anna", "Pietro", "mio fratello", "il dottor Miller", "l'ufficio", "Giulia"),
            "il mio vicino",
        ),
        "destination": (
            *("per la stazione", "per l'aeroporto", "per l'ospedale", "per il museo", "per il municipio"),
            *("per il supermercato", "per la spiaggia", "per il teatro"),
        ),
        "item": ("il latte", "il pane", "le mele", "le uova", "il caffè", "il formaggio", "le patate", "il sapone"),
        "dish": (
            *("la zuppa di pomodoro", "le frittelle", "il riso fritto", "la torta di mele", "la pizza"),
            *("la pasta", "l'insalata verde", "il pesce"),
        ),
    },
    before=("", "", "per favore", "allora"),
    after=("", "", "per favore"),
)
