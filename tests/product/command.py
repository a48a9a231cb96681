"""The installed command, in a process of its own."""

from __future__ import annotations

from tests.e2e.project import FILES, Project, Result


class Command(Project):
    """A folder with a config; calling it runs `connector` there as a user does."""

    def __call__(self, *arguments: str, **environment: str) -> Result:
        return self.process(*arguments, **environment)

    def fill(self) -> Command:
        """Three deals of two sellers, a people file, a CSV destination: tests/e2e/project.py."""
        for name, content in FILES.items():
            self.write(name, content)
        return self
