"""The store as Django sees it."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """One app holds every table."""

    name = "equipoise.conduct.store"
    label = "store"
