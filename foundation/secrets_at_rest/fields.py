"""The model field that holds sealed values.

A model says in `sealing_context()` where its values belong. Knows no model but through that.
"""

from typing import Any, NoReturn, Protocol, Self, overload

from django.db import models

from foundation.secrets_at_rest.sealed_values import Unreadable, is_key_here, seal, unseal


class Sealable(Protocol):
    def sealing_context(self) -> str: ...


class _Plain:
    """A value that was set and is not saved yet. Never shows itself."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<sealed>"

    def __reduce__(self) -> NoReturn:
        """Into no cache, queue or session in the clear."""
        raise TypeError("A secret that is not sealed yet cannot be pickled.")


class EncryptedField(models.BinaryField):  # type: ignore[type-arg]
    """Text that lies sealed in the database and is opened when it is read from the instance. "" is stored as NULL.

    The model says in `sealing_context()` where its values belong. Not searchable, not shown by forms or serializers.
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

    def opened(self, held: bytes, sealing_context: str) -> str:
        """What the database holds of a row that no instance was made of. `Unreadable` where it does not open."""
        return unseal(bytes(held), purpose=self.purpose, context=self.context(sealing_context))

    def sealed_in(self, instance: models.Model) -> bytes | None:
        """What the database holds, as it was read; None where that is nothing, or a value not sealed yet."""
        held = instance.__dict__.get(self.attname)
        return None if held is None or isinstance(held, _Plain) else bytes(held)

    def sealed_anew(self, instance: models.Model) -> bytes:
        """The same value under the first key. `Unreadable` where it does not open."""
        context = self.context_in(instance)
        plaintext = unseal(self.sealed_in(instance) or b"", purpose=self.purpose, context=context)
        return seal(plaintext, purpose=self.purpose, context=context)

    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        held = model_instance.__dict__.get(self.attname)
        if isinstance(held, _Plain):
            held = (
                seal(held.value, purpose=self.purpose, context=self.context_in(model_instance)) if held.value else None
            )
            model_instance.__dict__[self.attname] = held
        return held

    def value_to_string(self, obj: models.Model) -> str:
        """Fixtures and exports carry no secret, sealed or not."""
        return ""


class _Sealed:
    """Reads and writes an `EncryptedField` on an instance."""

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
        held = instance.__dict__[self.field.attname]
        if isinstance(held, _Plain):
            return held.value
        if held is None:
            return ""
        return unseal(bytes(held), purpose=self.field.purpose, context=self.field.context_in(instance))

    def __set__(self, instance: models.Model, value: str | bytes | memoryview | None) -> None:
        """Text is a secret to be sealed; bytes are what the database holds."""
        instance.__dict__[self.field.attname] = _Plain(value) if isinstance(value, str) else value


def readable(row: models.Model, name: str) -> str:
    """The opened value, or "" where its key is gone: what cannot be read cannot be sent either."""
    try:
        return str(getattr(row, name))
    except Unreadable:
        return ""


def sealed_names(model: type[models.Model]) -> set[str]:
    return {each.attname for each in model._meta.concrete_fields if isinstance(each, EncryptedField)}


def sealed(row: models.Model, name: str) -> bytes | None:
    """What the database holds for this column, as it was read."""
    field = row._meta.get_field(name)
    return field.sealed_in(row) if isinstance(field, EncryptedField) else None


def is_sealed(row: models.Model, name: str) -> bool:
    return sealed(row, name) is not None


def opens_by_header(row: models.Model, name: str) -> bool:
    """Whether the key of this value is set. Opens nothing, so that pages may ask; True where nothing is stored."""
    held = sealed(row, name)
    return held is None or is_key_here(held)
