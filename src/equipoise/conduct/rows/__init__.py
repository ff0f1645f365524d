"""The one way to the rows: everything in SQL that a running trial says to its database stands in this folder.

:mod:`~equipoise.conduct.rows.tables` has a class for each table, :mod:`~equipoise.conduct.rows.find` reads rows of a
class, :mod:`~equipoise.conduct.rows.statements` holds what writes, compares and copies whole tables, and
:mod:`~equipoise.conduct.rows.guards` the triggers. A test finds SQL anywhere else.
"""
