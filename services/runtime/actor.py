"""Who did something, as the domain sees it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person or system as their token named them at that moment. `roles` are lower-case role names."""

    subject: str
    printed_name: str
    credential: str
    roles: tuple[str, ...]

    def has_role(self, *names: str) -> bool:
        """Say whether the actor holds one of these roles."""
        return any(name in self.roles for name in names)
