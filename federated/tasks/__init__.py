"""What jobs train: one module for each task, found by name (registry), all by one interface (task)."""

from federated.tasks.task import LinearTask, Task

__all__ = ["LinearTask", "Task"]
