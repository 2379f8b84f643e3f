"""French: the translated wordings, in the order of `english.TRANSLATED`, and their fillers."""

from __future__ import annotations

from crossmod_speech.synthesis.english import TRANSLATED
from crossmod_speech.synthesis.wording import Language, paired

FRENCH = Language(
    code="fr",
    wordings=paired(
        TRANSLATED,
        "allume la lumière {room}",
        "mets la lumière {room}",
        "joue {music}",
        "mets {music} {room}",
        "arrête la musique {room}",
        "coupe la musique {room}",
        "monte le son {room}",
        "mets un réveil à {time}",
        "réveille-moi {day} à {time}",
        "mets un minuteur de {duration}",
        "quel temps fera-t-il {place} {day}?",
        "va-t-il pleuvoir {day} {place}?",
        "appelle {person}",
        "appelle {person} {day}",
        "montre-moi le chemin pour {destination}",
        "ajoute {item} à la liste de courses",
        "pense à acheter {item} {day}",
        "qu'est-ce que j'ai {day} dans mon agenda?",
        "cherche une recette pour {dish}",
    ),
    slots={
        "room": (
            *("dans la cuisine", "dans la chambre", "dans le salon", "dans la salle de bain", "dans le couloir"),
            *("dans le jardin", "à l'étage", "partout"),
        ),
        "time": (
            *("six heures du matin", "sept heures", "sept heures et demie", "huit heures", "midi"),
            *("trois heures de l'après-midi", "neuf heures du soir", "minuit"),
        ),
        "duration": (
            *("une minute", "deux minutes", "cinq minutes", "dix minutes", "vingt minutes", "une demi-heure"),
            *("une heure", "trois heures"),
        ),
        "music": (
            *("du jazz", "mes chansons préférées", "de la musique classique", "du rock", "du piano"),
            *("des chansons populaires", "quelque chose de calme", "de la musique pour danser"),
        ),
        "day": (
            *("aujourd'hui", "demain", "ce soir", "lundi", "vendredi", "ce week-end", "dimanche"),
            "la semaine prochaine",
        ),
        "place": (
            *("à Londres", "à Berlin", "à Paris", "à Madrid", "à Rome", "sur la côte", "en montagne"),
            "à New York",
        ),
        "person": (
            *("ma mère", "Anna", "Pierre", "mon frère", "le docteur Miller", "le bureau", "Julie"),
            "mon voisin",
        ),
        "destination": (
            *("la gare", "l'aéroport", "l'hôpital", "le musée", "la mairie", "le supermarché", "la plage"),
            "le théâtre",
        ),
        "item": (
            *("du lait", "du pain", "des pommes", "des œufs", "du café", "du fromage", "des pommes de terre"),
            "du savon",
        ),
        "dish": (
            *("la soupe de tomates", "les crêpes", "le riz sauté", "la tarte aux pommes", "la pizza"),
            *("les pâtes", "la salade verte", "le poisson"),
        ),
    },
    before=("", "", "s'il te plaît", "alors"),
    after=("", "", "s'il te plaît"),
)
