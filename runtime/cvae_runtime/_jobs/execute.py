"""Run the tasks of a job: in this process, or wherever another executor runs them."""

import dataclasses
from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

from .._model import Model

Task = TypeVar("Task")
Result = TypeVar("Result")


class Executor(Protocol):
    """Calls ``work(model, task)`` for each task, and yields tasks and results as they complete.

    A task can run twice, if a machine dies. So ``work`` writes a whole result or none. In error messages, an executor
    names a task by its ``str``.
    """

    def __call__(
        self, work: Callable[[Model, Task], Result], tasks: Sequence[Task]
    ) -> Generator[tuple[Task, Result], None, None]:
        """Run the tasks; closing the generator cancels those that are left."""
        ...


@dataclasses.dataclass(frozen=True)
class InProcess:
    """Executor that runs the tasks in this process, one after another."""

    model: Model

    def __call__(
        self, work: Callable[[Model, Task], Result], tasks: Sequence[Task]
    ) -> Generator[tuple[Task, Result], None, None]:
        """Run the tasks in their order."""
        for task in tasks:
            yield task, work(self.model, task)
