"""Findings show themselves as people read them: the verdict and the law, not the thousands of rows that they hold."""

from scikan.law.record import Law


class Finding:
    """What a question of physics comes back with; `verdict`, `reason` and `told` say it in a few lines."""

    verdict: str
    reason: str

    @property
    def told(self) -> tuple[Law, ...]:
        """The laws to show first."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join([f"{self.verdict}: {self.reason}", *(f"  {law}" for law in self.told)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.verdict}: {'; '.join(map(str, self.told)) or 'no law'})"


class LawFinding(Finding):
    """A finding with one law, or none."""

    law: Law | None

    @property
    def told(self) -> tuple[Law, ...]:
        """The law, if there is one."""
        return () if self.law is None else (self.law,)
