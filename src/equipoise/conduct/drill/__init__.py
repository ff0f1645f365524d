"""Proofs that a user can run on a machine of one's own: numbered requirements, each with what was measured."""
