"""English: commands and questions of every intent, and which intents and words training never hears."""

from __future__ import annotations

from collections.abc import Mapping

from crossmod_speech.synthesis.wording import Language

SLOTS = {
    "room": (
        *("in the kitchen", "in the bedroom", "in the living room", "in the bathroom", "in the hall"),
        *("in the garden", "upstairs", "everywhere"),
    ),
    "time": (
        *("six in the morning", "seven", "half past seven", "eight", "noon", "three in the afternoon"),
        *("nine in the evening", "midnight"),
    ),
    "duration": (
        *("one minute", "two minutes", "five minutes", "ten minutes", "twenty minutes", "half an hour"),
        *("an hour", "three hours"),
    ),
    "music": (
        *("some jazz", "my favourite songs", "classical music", "rock music", "piano music", "folk songs"),
        *("something quiet", "dance music"),
    ),
    "day": ("today", "tomorrow", "tonight", "on monday", "on friday", "this weekend", "on sunday", "next week"),
    "place": (
        *("in london", "in berlin", "in paris", "in madrid", "in rome", "at the coast", "in the mountains"),
        "in new york",
    ),
    "person": (
        *("my mother", "anna", "peter", "my brother", "doctor miller", "the office", "julia"),
        "my neighbour",
    ),
    "destination": (
        *("the station", "the airport", "the hospital", "the museum", "the town hall", "the supermarket"),
        *("the beach", "the theatre"),
    ),
    "item": ("milk", "bread", "apples", "eggs", "coffee", "cheese", "potatoes", "soap"),
    "dish": ("tomato soup", "pancakes", "fried rice", "apple pie", "pizza", "noodles", "green salad", "fish"),
    "event": (
        *("a meeting", "lunch with anna", "the dentist", "a birthday party", "the football match"),
        *("a visit to the museum", "dinner with my parents", "a call with the office"),
    ),
    "topic": ("sport", "politics", "science", "business", "the election", "technology", "health", "film"),
}

WORDINGS: Mapping[str, tuple[str, ...]] = {
    "lights_on": (
        "turn on the lights {room}",
        "switch the lights on {room}",
        "put the lights on {room}",
        "light up {room}",
    ),
    "lights_dim": ("dim the lights {room}", "turn down the lights {room}", "make the light softer {room}"),
    "heating_set": ("turn on the heating {room}", "make it warmer {room}", "heat the house {day}"),
    "cleaning_start": ("start the vacuum cleaner {room}", "clean the floor {room}", "vacuum {room} {day}"),
    "coffee_make": ("make me a coffee", "start the coffee machine {day}", "brew a cup of coffee in {duration}"),
    "music_play": ("play {music}", "put on {music}", "let me hear {music} {room}", "start {music} {room}"),
    "music_stop": ("stop the music {room}", "turn off the music {room}", "end the music {room}"),
    "volume_up": (
        "turn up the volume {room}",
        "make it louder {room}",
        "play it louder {room}",
        "put the volume up {room}",
    ),
    "alarm_set": ("set an alarm for {time}", "wake me up at {time}", "get me up at {time} {day}"),
    "alarm_cancel": ("cancel the alarm at {time}", "delete my alarm for {time} {day}", "remove the alarm at {time}"),
    "timer_set": ("set a timer for {duration}", "start a timer of {duration}", "count down {duration}"),
    "time_ask": ("what time is it {place}?", "tell me the time {place}", "do you know what time it is {place}?"),
    "weather_ask": (
        *("what is the weather like {place} {day}?", "will it rain {place} {day}?", "do i need an umbrella {day}?"),
        "how warm will it be {place} {day}?",
    ),
    "news_ask": ("read me the news about {topic}", "what is new in {topic}?", "tell me the news about {topic} {day}"),
    "phone_call": ("call {person}", "ring {person} on the phone", "phone {person} {day}", "let me talk to {person}"),
    "message_send": ("send a message to {person}", "text {person} that i am late", "write {person} a message"),
    "way_ask": (
        *("how do i get to {destination}?", "show me the way to {destination}", "take me to {destination}"),
        "how do i get home from {destination}?",
    ),
    "traffic_ask": ("how is the traffic to {destination}?", "is the road to {destination} busy {day}?"),
    "shopping_add": ("add {item} to my shopping list", "put {item} on the list", "remember to buy {item} {day}"),
    "shopping_read": ("what is on my shopping list {day}?", "read me the shopping list", "do we need {item}?"),
    "calendar_add": ("put {event} in my calendar {day}", "add {event} {day} at {time}", "plan {event} {day}"),
    "calendar_ask": ("what is in my calendar {day}?", "when is {event}?", "am i free {day} at {time}?"),
    "recipe_ask": ("how do i cook {dish}?", "find a recipe for {dish}", "what do i need for {dish}?"),
    "joke_tell": ("tell me a joke about {topic}", "make me laugh", "say something funny about {topic}"),
}

UNSEEN_WORDINGS: Mapping[str, tuple[str, ...]] = {
    "lights_off": ("turn off the lights {room}", "switch the lights off {room}", "put the lights off {room}"),
    "volume_down": ("turn down the volume {room}", "make it softer {room}", "put the volume down {room}"),
    "timer_cancel": ("cancel the timer of {duration}", "stop the timer", "delete my timer for {duration}"),
    "shopping_remove": ("remove {item} from my shopping list", "delete {item} from the list"),
    "message_read": ("read me the message from {person}", "what is the message from {person}?"),
    "calendar_cancel": ("cancel {event} {day}", "remove {event} from my calendar", "delete {event} {day}"),
}
"""Intents that training never hears; nearly all their words it knows from others, so that a text can tell them."""

PHRASES = {
    "lights_on": "turn on the lights",
    "lights_dim": "dim the lights",
    "heating_set": "turn on the heating",
    "cleaning_start": "clean the floor",
    "coffee_make": "make a coffee",
    "music_play": "play music",
    "music_stop": "stop the music",
    "volume_up": "turn up the volume",
    "alarm_set": "set an alarm",
    "alarm_cancel": "cancel the alarm",
    "timer_set": "set a timer",
    "time_ask": "what time is it",
    "weather_ask": "what is the weather like",
    "news_ask": "read me the news",
    "phone_call": "make a phone call",
    "message_send": "send a message",
    "way_ask": "show me the way",
    "traffic_ask": "how is the traffic on the road",
    "shopping_add": "add something to the shopping list",
    "shopping_read": "what is on the shopping list",
    "calendar_add": "put a meeting in the calendar",
    "calendar_ask": "what is in the calendar",
    "recipe_ask": "find a recipe",
    "joke_tell": "tell me a joke",
    "lights_off": "turn off the lights",
    "volume_down": "turn down the volume",
    "timer_cancel": "cancel the timer",
    "shopping_remove": "remove something from the shopping list",
    "message_read": "read me the message",
    "calendar_cancel": "cancel a meeting in the calendar",
}
"""Each intent as a short sentence; zero-shot prompts are made of it and of the name's own words."""

PROMPTS = ("{}", "please {}", "{} please", "can you {}", "i want you to {}")

KEYWORDS = (
    *("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"),
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
)
UNSEEN_KEYWORDS = ("music", "weather", "kitchen", "coffee", "alarm", "tomorrow", "message", "calendar")
"""Words that training hears in sentences only, never alone."""

TRANSLATED: tuple[tuple[str, str], ...] = (
    ("lights_on", "turn on the lights {room}"),
    ("lights_on", "switch the lights on {room}"),
    ("music_play", "play {music}"),
    ("music_play", "play {music} {room}"),
    ("music_stop", "stop the music {room}"),
    ("music_stop", "turn off the music {room}"),
    ("volume_up", "turn up the volume {room}"),
    ("alarm_set", "set an alarm for {time}"),
    ("alarm_set", "wake me up at {time} {day}"),
    ("timer_set", "set a timer for {duration}"),
    ("weather_ask", "what is the weather like {place} {day}"),
    ("weather_ask", "will it rain {place} {day}"),
    ("phone_call", "call {person}"),
    ("phone_call", "phone {person} {day}"),
    ("way_ask", "show me the way to {destination}"),
    ("shopping_add", "add {item} to my shopping list"),
    ("shopping_add", "remember to buy {item} {day}"),
    ("calendar_ask", "what is in my calendar {day}"),
    ("recipe_ask", "find a recipe for {dish}"),
)
"""Intents and English wordings that the other languages translate, in this order."""

ENGLISH = Language(
    code="en",
    wordings={
        intent: tuple((wording, "") for wording in several)
        for intent, several in {**WORDINGS, **UNSEEN_WORDINGS}.items()
    },
    slots=SLOTS,
    before=("", "", "please", "can you", "could you please", "i want you to", "okay now"),
    after=("", "", "", "please", "now", "for me"),
)


def intent_prompts(intent: str) -> list[str]:
    """What zero-shot reads of an intent: its name as words, and its phrase in short templates.

    >>> intent_prompts("lights_on")[:3]
    ['lights on', 'turn on the lights', 'please turn on the lights']
    """
    return [intent.replace("_", " "), *(template.format(PHRASES[intent]) for template in PROMPTS)]
