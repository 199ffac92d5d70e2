"""The three people who have an account at Northwind, with what is theirs. All of it is made up."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from demo.provider.models import Contact, Note


@dataclass(frozen=True, kw_only=True)
class Person:
    """One account. Contacts are (name, company, city); address and number follow from them."""

    username: str
    first_name: str
    last_name: str
    contacts: tuple[tuple[str, str, str], ...]
    notes: tuple[tuple[str, str], ...]


PEOPLE = (
    Person(
        username="amira",
        first_name="Amira",
        last_name="Haddad",
        contacts=(
            ("Astrid Lund", "Fjordline Freight", "Bergen"),
            ("Bilal Osman", "Cedar Print House", "Beirut"),
            ("Chiara Conti", "Ponte Vecchio Tours", "Florence"),
            ("Dagmar Weiss", "Weiss Metallbau", "Leipzig"),
            ("Elif Kaya", "Bosporus Textiles", "Istanbul"),
            ("Femi Adeyemi", "Lagoon Analytics", "Lagos"),
            ("Greta Holm", "Holm Ceramics", "Gothenburg"),
            ("Hugo Marchand", "Atelier Marchand", "Lyon"),
        ),
        notes=(
            ("Harbour visit", "Ask Astrid about the ferry timetable before booking."),
            ("Offer for Cedar", "Two colour variants, answer by Friday."),
        ),
    ),
    Person(
        username="tomas",
        first_name="Tomás",
        last_name="Novák",
        contacts=(
            ("Ines Duarte", "Alfama Coffee Roasters", "Lisbon"),
            ("Jakub Svoboda", "Svoboda Bicycles", "Brno"),
            ("Katarína Hronská", "Tatra Outdoor", "Poprad"),
            ("Liam Byrne", "Byrne & Daughters", "Galway"),
            ("Mina Park", "Han River Studio", "Seoul"),
        ),
        notes=(("Workshop", "Bring the torque wrench to Brno."),),
    ),
    Person(
        username="test-user",
        first_name="Test",
        last_name="User",
        contacts=(
            ("Nadia Petrova", "Rila Herbs", "Plovdiv"),
            ("Oskar Nilsen", "Nordlys Lamps", "Tromsø"),
            ("Priya Raman", "Marina Robotics", "Chennai"),
        ),
        notes=(("Hello", "This account is there to be tried out."),),
    ),
)


def seed(password: str) -> None:
    """Create whoever is missing and let everybody sign in with `password`. Safe to repeat."""
    if not password:
        raise CommandError("DEMO_PASSWORD is not set: the demo accounts have no default password.")
    for person in PEOPLE:
        user, created = User.objects.get_or_create(
            username=person.username,
            defaults={
                "first_name": person.first_name,
                "last_name": person.last_name,
                "email": f"{person.username}@northwind.example",
            },
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save()
        if created:
            _furnish(user, person)


def _furnish(user: User, person: Person) -> None:
    Note.objects.bulk_create(Note(user=user, title=title, text=text) for title, text in person.notes)
    Contact.objects.bulk_create(
        Contact(
            user=user,
            name=name,
            email=f"{name.split()[0].casefold()}@{company.split()[0].casefold()}.example",
            phone=f"+00 555 01{10 * user.pk + number:02}",
            company=company,
            city=city,
        )
        for number, (name, company, city) in enumerate(person.contacts)
    )
