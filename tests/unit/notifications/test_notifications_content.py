"""What messages say, and what they may not."""

import hashlib
from importlib import resources

import jinja2
import pytest

from services.notifications.domain.blocked_terms import blocked_terms
from services.notifications.domain.people import Language
from services.notifications.domain.rules import RULES
from services.notifications.errors import TemplateError
from services.notifications.mail.templates import MessageFields, TemplateLibrary

FIELDS = MessageFields(
    first_name="Nora", clinic="Riverside", phone="+1 212-555-0100", date="Tuesday, March 10, 2026", time="3:00 PM"
)

# A published template never changes; a new wording is a new version.
PUBLISHED = {
    "aftercare.v1.toml": "aced28ef406c56b071b35440b8ed98528facfed7de6319e4a8d37428fed0a6cb",
    "aftercare_check_in.v1.toml": "cb87d402596198d4d175853f8a156c812983053ad9e97e9f75ca59be9e97cfd6",
    "session_cancellation.v1.toml": "d1453cf37eec0506c42cad1d5bba11bcf47e2c2566efa6320bf43ff38c174715",
    "session_change.v1.toml": "ed16f3a4acc851bb85ba0d35bd0c7dd5eda849da91c243353a9d38ae459c4187",
    "session_confirmation.v1.toml": "30e52ca5e6c953d7c8356c147d3e0dc1eb4a1fb5af89517f111bd45915b93860",
    "session_reminder.v1.toml": "657121a3a5c599fed713ed4023d41df387888a45aaf54304bb0c47e6419557a5",
}


def _all_languages(part: str) -> str:
    return "".join(part.replace("{language}", language) for language in Language)


@pytest.mark.parametrize(
    "text",
    [
        *("Your ketamine session", "KETAMINA", "Esketamin-Termin", "kétamine", "Spravato", "your dose", "la dosis"),
        *("die Dosierung", "posologie", "infusion", "Injektion", "therapy", "Behandlung", "traitement", "tratamiento"),
        *(
            "dépression",
            "Depression",
            "depresión",
            "PTSD",
            "psychiatry",
            "psiquiatría",
            "Angststörung",
            "santé mentale",
        ),
        *("REMS", "37.5 mg", "0,5 ml", "https://example.org", "www.example.org", "suicidal"),
        "see 0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e",
    ],
)
def test_terms_that_give_the_treatment_away_are_found(text):
    assert blocked_terms(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Your appointment on Tuesday", "Ihr Termin im März", "Su cita", "Votre rendez-vous", "Riverside", "Marge"),
        *("Call +1 212-555-0100", "Dolores", "10 mangos", "Remsen", "Saldo"),
    ],
)
def test_ordinary_words_are_not(text):
    assert blocked_terms(text) == ()


def test_every_template_of_every_rule_reads_well_in_every_language():
    library = TemplateLibrary.shipped()
    for rule in RULES.values():
        about_visit = rule.template.startswith("aftercare")
        fields = MessageFields(first_name="Nora", clinic="Riverside", phone=FIELDS.phone) if about_visit else FIELDS
        for language in Language:
            words = library.render(rule.template, library.newest_version(rule.template), language, fields)
            assert words.subject
            assert "Nora" in words.body
            assert "Riverside" in words.body
            assert FIELDS.phone in words.body
            assert bool(words.calendar_title) == (rule.calendar is not None)
            assert "{" not in words.subject + words.body
            assert not blocked_terms(words.subject + words.body + words.calendar_title)
            if not about_visit:
                assert FIELDS.date in words.body
                assert FIELDS.time in words.body


def test_published_templates_are_what_they_were():
    folder = resources.files("services.notifications") / "templates"
    shipped = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert shipped == PUBLISHED


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("{{ diagnosis }}", "diagnosis may not be named"),
        ("{{ first_name.__class__ }}", "Getattr"),
        ("{{ first_name | upper }}", "Filter"),
        ("{% for x in 'ab' %}{{ x }}{% endfor %}", "For"),
        ("{{ 7 * 7 }}", "Mul"),
        ("{{ first_name", "unexpected end"),
        ("Your ketamine", "ketamine"),
        ("https://example.org", "example.org"),
    ],
)
def test_a_template_that_could_say_more_is_refused_when_it_is_read(part, fault):
    content = _all_languages('[{language}]\nsubject = "x"\nbody = """' + part + '"""\n')
    with pytest.raises(TemplateError, match=fault):
        TemplateLibrary({"a.v1.toml": content})


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.toml", "", "call it"),
        ("a.v1.toml", '[en]\nsubject = "x"\nbody = "y"\n', "write all of en, es, de, fr"),
        ("a.v1.toml", _all_languages('[{language}]\nsubject = "x"\n'), "write subject, body"),
    ],
)
def test_an_incomplete_template_is_refused(name, content, fault):
    with pytest.raises(TemplateError, match=fault):
        TemplateLibrary({name: content})


def test_a_notification_keeps_the_version_that_it_was_planned_with():
    files = {
        "a.v1.toml": _all_languages('[{language}]\nsubject = "one"\nbody = "x"\n'),
        "a.v2.toml": _all_languages('[{language}]\nsubject = "two"\nbody = "x"\n'),
    }
    library = TemplateLibrary(files)
    assert library.newest_version("a") == 2
    assert library.render("a", 1, Language.GERMAN, FIELDS).subject == "one"
    with pytest.raises(TemplateError, match="no template a"):
        library.render("a", 3, Language.GERMAN, FIELDS)
    with pytest.raises(TemplateError, match="no template b"):
        library.newest_version("b")


def test_a_field_that_a_message_does_not_have_is_an_error_and_not_a_blank():
    library = TemplateLibrary({"a.v1.toml": _all_languages('[{language}]\nsubject = "{{ date }}"\nbody = "x"\n')})
    with pytest.raises(jinja2.UndefinedError):
        library.render("a", 1, Language.ENGLISH, MessageFields(first_name="Nora", clinic="C", phone="1"))


def test_a_name_cannot_break_out_of_the_subject():
    library = TemplateLibrary({"a.v1.toml": _all_languages('[{language}]\nsubject = "{{ first_name }}"\nbody = "x"\n')})
    fields = MessageFields(first_name="Nora\r\nBcc: all@example.org", clinic="C", phone="1")
    assert "\n" not in library.render("a", 1, Language.ENGLISH, fields).subject
