"""What depends on what. Every change goes through health.wiring: it locks, looks for cycles, and rolls up."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class DependencyQuerySet(models.QuerySet["Dependency"]):
    """What changes the graph goes through wiring.rewire, so that no cycle and no stale status can arise."""

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        """Like Django's; also `component.depends_on.add()` and `.set()` end here."""
        from health import wiring

        created = list(objs)
        wiring.connect([(edge.component_id, edge.depends_on_id) for edge in created])
        return created

    def delete(self) -> tuple[int, dict[str, int]]:
        from health import wiring

        edges = list(self.values_list("component_id", "depends_on_id"))
        wiring.disconnect(edges)
        return len(edges), {Dependency._meta.label: len(edges)}

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def update(self, **values: Any) -> int:
        raise TypeError("A dependency is not changed: remove it and add another.")


class Dependency(models.Model):
    """`component` cannot work without `depends_on`."""

    component = models.ForeignKey("health.Component", on_delete=models.CASCADE, related_name="dependencies")
    # What others depend on is not deleted under them.
    depends_on = models.ForeignKey("health.Component", on_delete=models.RESTRICT, related_name="dependents")

    objects = DependencyQuerySet.as_manager()

    class Meta:
        verbose_name = _("dependency")
        verbose_name_plural = _("dependencies")
        constraints = [
            models.UniqueConstraint(fields=["component", "depends_on"], name="dependency_once"),
            models.CheckConstraint(
                condition=~models.Q(component=models.F("depends_on")), name="dependency_not_on_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.component} → {self.depends_on}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the dependency and roll up anew; adding it twice is no error. Raises graph.Cycle."""
        from health import wiring

        if not self._state.adding:
            raise TypeError("A dependency is not changed: remove it and add another.")
        wiring.connect([(self.component_id, self.depends_on_id)])
        stored = Dependency.objects.get(component=self.component_id, depends_on=self.depends_on_id)
        self.pk, self._state.adding, self._state.db = stored.pk, False, stored._state.db

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        return Dependency.objects.filter(pk=self.pk).delete()
