"""What the states of a run look like."""

from etl_engine.model.execution import Execution, Status
from etl_engine.ui.theme import Look

CANCELLING = "cancelling"  # it runs, and was asked to end
RUN_STATUS = {
    Status.RUNNING.value: Look("loader-circle", "Running", "busy"),
    CANCELLING: Look("loader-circle", "Cancelling", "warn"),
    Status.PENDING.value: Look("clock-3", "Queued", "busy"),
    Status.LOST.value: Look("unplug", "Worker lost", "warn"),
    Status.FAILED.value: Look("x", "Failed", "bad"),
    Status.PARTIAL.value: Look("triangle-alert", "Partly done", "warn"),
    Status.SUCCESS.value: Look("check", "Succeeded", "ok"),
    Status.CANCELLED.value: Look("circle", "Cancelled", "idle"),
}
UNKNOWN = Look("circle", "Unknown", "idle")
KINDS = {"mapping": "Mapping", "copy": "Copy", "pipeline": "Pipeline", "sync": "Sync", "check": "Check"}


def status_of(execution: Execution) -> str:
    """The status as a page shows it."""
    if execution.status is Status.RUNNING and execution.cancel_requested_at is not None:
        return CANCELLING
    return execution.status.value
