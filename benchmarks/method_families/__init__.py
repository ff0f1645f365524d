"""Our answers to the rows of ``../shared/data/methods`` (and folders laid out like it), a module a family.

Each module has ``FAMILIES``: the name of a file of answers to a function that takes the folder and gives a function of
one row. That one gives our number; in words why there is none; or None for a row that another module answers.
"""
