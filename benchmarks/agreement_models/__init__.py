"""One module a family of models; each offers ``COMPARERS``, a mapping from model name to a comparer.

A comparer takes a :class:`~agreement_models.base.Folder` and returns an :class:`~agreement_models.base.Agreement`. To
add a family, put a module here: ``agreement.py`` finds it.
"""
