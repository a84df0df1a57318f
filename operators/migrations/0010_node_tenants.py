"""A node token may belong to a tenant, whose sessions its private nodes serve."""

from typing import ClassVar

from django.db import migrations, models

import operators.db.token_models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("operators", "0009_probes")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="nodetoken",
            name="tenant_id",
            field=models.CharField(
                blank=True,
                help_text="the tenant whose sessions a private node serves without a code;"
                " empty: none",
                max_length=64,
                validators=[operators.db.token_models.check_node_id],
            ),
        ),
    ]
