"""Combining the results of several studies. Methods: ``docs/methods/meta_analysis.md``."""
