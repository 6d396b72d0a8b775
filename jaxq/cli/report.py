"""What becomes of the outcome of a run, a sweep or a comparison."""

from jaxq.cli.console import stdout_console
from jaxq.cli.delivery import present
from jaxq.cli.given_options import Output
from jaxq.engine.model import Model
from jaxq.engine.quantity import primary
from jaxq.engine.result import Result, Results


def report(verb: str, outcome: Result | Results, systems: list[Model], output: Output) -> int:
    """Save, draw and print an outcome."""
    first = primary_of(outcome, systems)

    def show():
        if isinstance(outcome, Results):
            from jaxq.cli.result_tables import print_results

            print_results(stdout_console(), verb, outcome, first)
        else:
            from jaxq.cli.tables import print_result

            print_result(stdout_console(), outcome)

    return present(outcome, output, lambda path: draw(outcome, path, first), show)


def primary_of(outcome: Result | Results, systems: list[Model]) -> tuple[str, ...]:
    """The primary metrics of the system and those the run was given targets for; all if there are none."""
    result = outcome[0] if isinstance(outcome, Results) else outcome
    targets = [text.partition(":")[0] for text in result.run["options"]["metric"]]
    first = primary(systems[0].metric_table, result.metrics)
    return tuple(dict.fromkeys([*first, *targets])) or tuple(result.metrics)


def draw(outcome: Result | Results, path: str, primary: tuple[str, ...]) -> None:
    """The figure of an outcome, without a display: all metrics of a run, the primary metrics of several."""
    from jaxq.plotting import plot

    plot(outcome, metric=primary if isinstance(outcome, Results) else None, path=path)
