"""Templates: data files, one for each version, with all four languages.

A published file never changes: a new wording is a new version, and a notification keeps the version that it was
planned with. A template may name five fields and nothing else: no filters, no attributes, no logic.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from services.notifications.domain.blocked_terms import blocked_terms
from services.notifications.domain.people import Language
from services.notifications.errors import TemplateError

ALLOWED_FIELDS = frozenset({"first_name", "clinic", "date", "time", "phone"})
_PARTS = frozenset({"subject", "body", "calendar_title"})
_FILE_NAME = re.compile(r"(?P<code>[a-z_]+)\.v(?P<version>[1-9]\d*)\.toml")
_ALLOWED_NODES = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFields:
    """All that a template may say; `date` and `time` are empty where the message is not about a session's time."""

    first_name: str = field(repr=False)
    clinic: str
    phone: str
    date: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageText:
    """The words of a message."""

    subject: str = field(repr=False)
    body: str = field(repr=False)
    calendar_title: str


class TemplateLibrary:
    """Every version of every template.

    Args:
        files: content by file name, such as "session_reminder.v1.toml".

    Raises:
        TemplateError: a file breaks a rule.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        # Plain text needs no HTML escaping.
        self._environment = SandboxedEnvironment(
            undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
        )
        self._templates = dict(self._read(name, content) for name, content in files.items())

    @classmethod
    def shipped(cls) -> "TemplateLibrary":
        """Return the templates that come with the service."""
        folder = resources.files("services.notifications") / "templates"
        return cls({file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if ".v" in file.name})

    def newest_version(self, code: str) -> int:
        """Return the newest version of a template.

        Raises:
            TemplateError: there is none.
        """
        versions = [version for known, version in self._templates if known == code]
        if not versions:
            raise TemplateError(f"there is no template {code}")
        return max(versions)

    def render(self, code: str, version: int, language: Language, fields: MessageFields) -> MessageText:
        """Return the words of a message.

        Raises:
            TemplateError: there is no such template.
            jinja2.UndefinedError: it names a field that this message does not have.
        """
        try:
            parts = self._templates[code, version][language]
        except KeyError:
            raise TemplateError(f"there is no template {code}.v{version} in {language}") from None
        present = {name: value for name, value in asdict(fields).items() if value}
        words = {name: self._environment.from_string(source).render(present) for name, source in parts.items()}
        return MessageText(
            subject=" ".join(words["subject"].split()),  # one line, whatever a field holds
            body=words["body"],
            calendar_title=words.get("calendar_title", ""),
        )

    def _read(self, name: str, content: str) -> tuple[tuple[str, int], dict[str, dict[str, str]]]:
        parsed_name = _FILE_NAME.fullmatch(name)
        if parsed_name is None:
            raise TemplateError(f'{name}: call it "<code>.v<version>.toml"')
        languages = tomllib.loads(content)
        faults = list(self._faults(languages))
        if faults:
            raise TemplateError(f"{name}: {'; '.join(faults)}")
        return (parsed_name["code"], int(parsed_name["version"])), languages

    def _faults(self, languages: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        if set(languages) != {language.value for language in Language}:
            yield "write all of " + ", ".join(Language)
        for language, parts in languages.items():
            if not {"subject", "body"} <= set(parts) <= _PARTS:
                yield f"{language}: write subject, body and at most calendar_title"
            for part, source in parts.items():
                yield from (f"{language}.{part}: {fault}" for fault in self._faults_of(source))

    def _faults_of(self, source: str) -> Iterator[str]:
        try:
            tree = self._environment.parse(source)
        except TemplateSyntaxError as error:
            yield f"line {error.lineno}: {error.message}"
            return
        for node in (tree, *tree.find_all(nodes.Node)):
            if not isinstance(node, _ALLOWED_NODES):
                yield f"line {node.lineno}: write fields alone, no {type(node).__name__}"
            elif isinstance(node, nodes.Name) and node.name not in ALLOWED_FIELDS:
                yield f"line {node.lineno}: the field {node.name} may not be named"
        for term in blocked_terms(source):
            yield f'the term "{term}" may not leave'
