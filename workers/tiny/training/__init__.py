"""How the shipped models are trained and measured."""
