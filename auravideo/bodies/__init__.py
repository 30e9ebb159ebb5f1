"""How much a visitor may send, and how slowly: bounds on bodies, set before anything reads them (docs/operating.md)."""
