"""The vocabulary: frozen values that cross floors."""
