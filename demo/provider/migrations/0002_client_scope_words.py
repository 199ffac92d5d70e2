from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("provider", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="client",
            name="scope_words",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
