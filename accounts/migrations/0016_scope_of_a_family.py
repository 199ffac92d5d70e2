from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0015_told_of_programs"),
    ]

    operations = [
        migrations.AddField(
            model_name="tokenfamily",
            name="scope",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
