from django.db import migrations


def forget_old_keys(apps, schema_editor):
    """Keys of mails about tokens had hyphens. These mails are tried at once, and would leave their rows behind."""
    deferred = apps.get_model("accounts", "DeferredMail").objects.using(schema_editor.connection.alias)
    for model in ("permanenttoken", "applicationpassword"):
        deferred.filter(key__contains=f":{model}:").filter(key__contains="-").delete()


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0016_scope_of_a_family"),
    ]

    operations = [
        migrations.RunPython(forget_old_keys, migrations.RunPython.noop, elidable=True),
    ]
