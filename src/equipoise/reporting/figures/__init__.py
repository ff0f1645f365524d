"""Figures: plain data in, a drawing with alternative text out."""
