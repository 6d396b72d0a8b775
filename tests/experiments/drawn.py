"""What is looked at in the figure of an experiment."""


def has_figure(done):
    """Whether a figure is drawn in which every axis has a label."""
    axes = [ax for ax in done.experiment.draw(done.findings).axes if ax.get_visible()]
    labelled = [ax.get_xlabel() or ax.get_shared_x_axes().get_siblings(ax) for ax in axes]
    return bool(axes) and all(labelled) and any(ax.get_ylabel() or ax.get_yticklabels() for ax in axes)
