"""The triggers that refuse what no action does."""

from typing import Any, ClassVar

from django.db import migrations

from equipoise.conduct.rows.guards import install


def _install(apps: Any, schema_editor: Any) -> None:
    install(schema_editor.connection)


class Migration(migrations.Migration):
    """Guards for both databases."""

    dependencies: ClassVar = [("store", "0001_tables")]
    operations: ClassVar = [migrations.RunPython(_install, migrations.RunPython.noop)]
