"""What readers of any domain share: tables as streams, splits that every machine repeats, groups, seeded choices."""
