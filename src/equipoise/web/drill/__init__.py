"""Drills of the trial in the browser: that its pages keep the blind, and lose nothing under load."""
