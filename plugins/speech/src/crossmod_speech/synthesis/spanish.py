"""Spanish: the translated wordings, in the order of `english.TRANSLATED`, and their fillers."""

from __future__ import annotations

from crossmod_speech.synthesis.english import TRANSLATED
from crossmod_speech.synthesis.wording import Language, paired

SPANISH = Language(
    code="es",
    wordings=paired(
        TRANSLATED,
        "enciende la luz {room}",
        "pon la luz {room}",
        "pon {music}",
        "toca {music} {room}",
        "para la música {room}",
        "apaga la música {room}",
        "sube el volumen {room}",
        "pon una alarma para {time}",
        "despiértame {day} a {time}",
        "pon un temporizador de {duration}",
        "qué tiempo hará {place} {day}?",
        "va a llover {day} {place}?",
        "llama a {person}",
        "llama {day} a {person}",
        "enséñame el camino {destination}",
        "añade {item} a la lista de la compra",
        "acuérdate de comprar {item} {day}",
        "qué tengo {day} en mi agenda?",
        "busca una receta para {dish}",
    ),
    slots={
        "room": (
            *("en la cocina", "en el dormitorio", "en el salón", "en el baño", "en el pasillo", "en el jardín"),
            *("arriba", "en todas partes"),
        ),
        "time": (
            *("las seis de la mañana", "las siete", "las siete y media", "las ocho", "las doce"),
            *("las tres de la tarde", "las nueve de la noche", "medianoche"),
        ),
        "duration": (
            *("un minuto", "dos minutos", "cinco minutos", "diez minutos", "veinte minutos", "media hora"),
            *("una hora", "tres horas"),
        ),
        "music": (
            *("algo de jazz", "mis canciones favoritas", "música clásica", "música rock", "música de piano"),
            *("canciones populares", "algo tranquilo", "música de baile"),
        ),
        "day": (
            *("hoy", "mañana", "esta noche", "el lunes", "el viernes", "este fin de semana", "el domingo"),
            "la próxima semana",
        ),
        "place": (
            *("en Londres", "en Berlín", "en París", "en Madrid", "en Roma", "en la costa", "en las montañas"),
            "en Nueva York",
        ),
        "person": ("mi madre", "Ana", "Pedro", "mi hermano", "la doctora Miller", "la oficina", "Julia", "mi vecino"),
        "destination": (
            *("a la estación", "al aeropuerto", "al hospital", "al museo", "al ayuntamiento", "al supermercado"),
            *("a la playa", "al teatro"),
        ),
        "item": ("leche", "pan", "manzanas", "huevos", "café", "queso", "patatas", "jabón"),
        "dish": (
            *("la sopa de tomate", "las tortitas", "el arroz frito", "la tarta de manzana", "la pizza"),
            *("la pasta", "la ensalada verde", "el pescado"),
        ),
    },
    before=("", "", "por favor", "ahora"),
    after=("", "", "por favor"),
)
