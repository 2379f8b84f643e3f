"""The default corpus: commands and sentences, spoken by eSpeak NG."""
