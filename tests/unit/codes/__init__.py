"""One small case for each code of docs/errors.md that no other test brings about."""
