"""Text, the modality that every domain pairs with: processors and towers."""
