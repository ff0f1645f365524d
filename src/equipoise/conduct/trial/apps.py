"""The running trial as Django sees it."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """One app holds every table."""

    name = "equipoise.conduct.trial"
    label = "store"
