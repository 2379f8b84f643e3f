"""German: the translated wordings, in the order of `english.TRANSLATED`, and their fillers."""

from __future__ import annotations

from crossmod_speech.synthesis.english import TRANSLATED
from crossmod_speech.synthesis.wording import Language, paired

GERMAN = Language(
    code="de",
    wordings=paired(
        TRANSLATED,
        "schalte das Licht {room} an",
        "mach {room} das Licht an",
        "spiele {music}",
        "spiele {room} {music}",
        "stoppe die Musik {room}",
        "mach die Musik {room} aus",
        "mach es {room} lauter",
        "stelle einen Wecker auf {time}",
        "weck mich {day} um {time}",
        "stelle einen Timer auf {duration}",
        "wie wird das Wetter {place} {day}?",
        "regnet es {day} {place}?",
        "ruf {person} an",
        "ruf {day} {person} an",
        "zeig mir den Weg {destination}",
        "setze {item} auf die Einkaufsliste",
        "denk daran {day} {item} zu kaufen",
        "was steht {day} in meinem Kalender?",
        "suche ein Rezept für {dish}",
    ),
    slots={
        "room": (
            *("in der Küche", "im Schlafzimmer", "im Wohnzimmer", "im Bad", "im Flur", "im Garten", "oben"),
            "überall",
        ),
        "time": (
            *("sechs Uhr morgens", "sieben", "halb acht", "acht", "zwölf Uhr mittags", "drei Uhr nachmittags"),
            *("neun Uhr abends", "Mitternacht"),
        ),
        "duration": (
            *("eine Minute", "zwei Minuten", "fünf Minuten", "zehn Minuten", "zwanzig Minuten"),
            *("eine halbe Stunde", "eine Stunde", "drei Stunden"),
        ),
        "music": (
            *("etwas Jazz", "meine Lieblingslieder", "klassische Musik", "Rockmusik", "Klaviermusik", "Volkslieder"),
            *("etwas Ruhiges", "Tanzmusik"),
        ),
        "day": (
            *("heute", "morgen", "heute Abend", "am Montag", "am Freitag", "am Wochenende", "am Sonntag"),
            "nächste Woche",
        ),
        "place": (
            *("in London", "in Berlin", "in Paris", "in Madrid", "in Rom", "an der Küste", "in den Bergen"),
            "in New York",
        ),
        "person": (
            *("meine Mutter", "Anna", "Peter", "meinen Bruder", "Doktor Miller", "das Büro", "Julia"),
            "meinen Nachbarn",
        ),
        "destination": (
            *("zum Bahnhof", "zum Flughafen", "zum Krankenhaus", "zum Museum", "zum Rathaus", "zum Supermarkt"),
            *("zum Strand", "zum Theater"),
        ),
        "item": ("Milch", "Brot", "Äpfel", "Eier", "Kaffee", "Käse", "Kartoffeln", "Seife"),
        "dish": (
            *("Tomatensuppe", "Pfannkuchen", "gebratenen Reis", "Apfelkuchen", "Pizza", "Nudeln"),
            *("grünen Salat", "Fisch"),
        ),
    },
    before=("", "", "bitte", "also"),
    after=("", "", "bitte"),
)
