"""The model field that holds sealed values.

`sealing_context()` of a model names the place that its values are bound to. Knows no model by name.
"""

from typing import Any, NoReturn, Protocol, Self, overload

from django.db import models

from foundation.secrets_at_rest.sealed_values import Unreadable, is_key_here, seal, unseal


class Sealable(Protocol):
    def sealing_context(self) -> str: ...


class _Plain:
    """A value that was set and is not saved yet. Its repr hides it."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<sealed>"

    def __reduce__(self) -> NoReturn:
        """Keep the plaintext out of caches, queues and sessions."""
        raise TypeError("A secret that is not sealed yet cannot be pickled.")


class EncryptedField(models.BinaryField):  # type: ignore[type-arg]
    """Text that is encrypted in the database and decrypted when the attribute is read. "" is stored as NULL.

    `sealing_context()` of the model names the place that its values are bound to. Not searchable; forms and
    serializers do not show it.
    """

    def __init__(self, *, purpose: str, **kwargs: Any) -> None:
        self.purpose = purpose
        super().__init__(**{**kwargs, "null": True, "blank": True, "editable": False})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        for derived in ("null", "blank", "editable"):
            kwargs.pop(derived, None)
        return name, path, list(args), {**kwargs, "purpose": self.purpose}

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _Sealed(self))

    def context_in(self, instance: Any) -> str:
        return self.context(instance.sealing_context())

    def context(self, sealing_context: str) -> str:
        return f"{self.model._meta.db_table}.{self.column}:{sealing_context}"

    def opened(self, stored: bytes, sealing_context: str) -> str:
        """Decrypt a column of a row that was read without a model instance. Raises `Unreadable`."""
        return unseal(bytes(stored), purpose=self.purpose, context=self.context(sealing_context))

    def sealed_in(self, instance: models.Model) -> bytes | None:
        """The stored bytes as they were read; None if the column is NULL or its new value is not sealed yet."""
        value = instance.__dict__.get(self.attname)
        return None if value is None or isinstance(value, _Plain) else bytes(value)

    def sealed_anew(self, instance: models.Model) -> bytes:
        """The same value encrypted under the first key. Raises `Unreadable`."""
        context = self.context_in(instance)
        plaintext = unseal(self.sealed_in(instance) or b"", purpose=self.purpose, context=context)
        return seal(plaintext, purpose=self.purpose, context=context)

    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, _Plain):
            value = (
                seal(value.value, purpose=self.purpose, context=self.context_in(model_instance))
                if value.value
                else None
            )
            model_instance.__dict__[self.attname] = value
        return value

    def value_to_string(self, obj: models.Model) -> str:
        """Always "": fixtures and exports carry no secret, sealed or not."""
        return ""


class _Sealed:
    """The descriptor that reads and writes an `EncryptedField` of an instance."""

    def __init__(self, field: EncryptedField) -> None:
        self.field = field

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: type) -> str: ...
    def __get__(self, instance: models.Model | None, owner: type) -> Self | str:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        if isinstance(value, _Plain):
            return value.value
        if value is None:
            return ""
        return unseal(bytes(value), purpose=self.field.purpose, context=self.field.context_in(instance))

    def __set__(self, instance: models.Model, value: str | bytes | memoryview | None) -> None:
        """Text is a new secret to be sealed; bytes are the stored value."""
        instance.__dict__[self.field.attname] = _Plain(value) if isinstance(value, str) else value


def value_or_blank(row: models.Model, name: str) -> str:
    """The decrypted value; "" if its key is gone, because a value that cannot be read cannot be sent."""
    try:
        return str(getattr(row, name))
    except Unreadable:
        return ""


def sealed_names(model: type[models.Model]) -> set[str]:
    return {each.attname for each in model._meta.concrete_fields if isinstance(each, EncryptedField)}


def sealed_bytes(row: models.Model, name: str) -> bytes | None:
    """The stored bytes of this column as they were read, or None."""
    field = row._meta.get_field(name)
    return field.sealed_in(row) if isinstance(field, EncryptedField) else None


def is_sealed(row: models.Model, name: str) -> bool:
    return sealed_bytes(row, name) is not None


def has_key(row: models.Model, name: str) -> bool:
    """Whether the key of this value is configured; True if nothing is stored. Decrypts nothing: pages may call it."""
    stored = sealed_bytes(row, name)
    return stored is None or is_key_here(stored)
