"""Experiments that are computed twice, as they are and with a claim that is wrong, are simulated once."""

from jaxq.experiments.experiment import Run


def once(right):
    """A function that gives what it gave before for the same arguments and, of a run, the same seed."""
    known: dict = {}

    def found(*args, **options):
        named = [(x.seed, x.interrupted) if isinstance(x, Run) else x for x in args]
        key = str((named, options))
        if key not in known:
            known[key] = right(*args, **options)
        return known[key]

    return found
