"""A run of the command line that is interrupted once it has printed a certain line."""

import os
import signal
import subprocess
import sys
import time


def interrupted(arguments, begins):
    """Run scikan, send Ctrl-C soon after a line that begins so, and return what it printed after that line."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "scikan", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run that was started in the background ignores Ctrl-C, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as job:
        for line in job.stdout:
            if line.startswith(begins):
                break
        time.sleep(0.3)
        job.send_signal(signal.SIGINT)
        rest, err = job.communicate(timeout=200)
    assert job.returncode == 130, err
    return rest
