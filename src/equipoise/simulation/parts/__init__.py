"""A simulator made of parts: those that a protocol's own assessments call for, and no other."""
