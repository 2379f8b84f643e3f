"""The corpus that ships with the plugin: real molecules, and texts generated from their measured chemistry."""
