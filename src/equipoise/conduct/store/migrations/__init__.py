"""Migrations: the tables first, then what guards them."""
