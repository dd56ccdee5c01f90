"""Words that may never reach a patient's mailbox or calendar, since each can give the treatment away.

HIPAA treatment reminders should leave only what is needed to confirm (HHS FAQ 198); our rule is stricter: no drug,
dose, diagnosis, programme or specialty, and no link, in any of the four languages, whatever the message's language.
"""

import re
import unicodedata

# Without accents and in lower case; a trailing "*" stands for any ending.
_TERMS = """
ketamin* esketamin* arketamin* spravato ketalar racemic lozenge* troche*
dose doses dosing dosage* dosis dosierung* dosificacion* posolog* milligram* miligramo*
infusion* inject* inyeccion* injektion* intraven* intramusc* intramusk* nasal* nasenspray sublingual*
depress* depres* ptsd tept suicid* suizid* anxiety ansiedad angst* anxiete trauma* bipolar* schizo* esquizo*
addict* adicc* sucht* abhangig* dissocia* disocia* dissozi*
therap* terap* treatment* tratamiento* behandlung* traitement* psych* psiqui* psico* mental* seelisch*
rems c-ssrs phq-9 gad-7 sedat* anasthes* anesth* anest* narko*
patient* paciente* diagnos* medication* medicacion* medikament* medicament* prescri*
"""


def _pattern() -> re.Pattern[str]:
    terms = "|".join(re.escape(term).replace(r"\*", r"\w*") for term in _TERMS.split())
    amounts = r"\d+(?:[.,]\d+)?\s?(?:mg|mcg|ug|ml)"
    links = r"https?://\S+|www\.\S+"
    ids = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    return re.compile(rf"(?<!\w)(?:{terms}|{amounts}|{links}|{ids})(?!\w)")


_BLOCKED = _pattern()


def blocked_terms(text: str) -> tuple[str, ...]:
    """Return the blocked terms in a text, each once, in the order of their appearance, in lower case."""
    return tuple(dict.fromkeys(match.group() for match in _BLOCKED.finditer(_plain(text))))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
