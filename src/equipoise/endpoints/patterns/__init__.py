"""The endpoint language carried out: patterns in, values out, and the library of published definitions."""
