"""Designs of a folder laid out like rpact-reference: read from their words, computed by equipoise."""
