"""A pytest plugin that notes which lines and branches of the product the workers of a run take, for `-p tests.probes`.

SlipCover puts probes into the code when it is imported, and takes out those that have told what they know. coverage.py
is called for every line, also of Django's, and doubles what a test costs.

Each worker leaves a file in the folder that KEYRACK_COVERAGE names. The plugin is loaded before the product is
imported, and so imports nothing of it.
"""

import json
import os
from pathlib import Path

import slipcover

from tests.coverage import EXCLUDED, MEASURED, OMITTED

is_worker = "PYTEST_XDIST_WORKER" in os.environ  # the process that deals out the tests runs none
if is_worker:
    noted = slipcover.Slipcover(branch=True, source=[*MEASURED], omit=OMITTED, exclude_also=EXCLUDED)
    slipcover.ImportManager(noted, slipcover.FileMatcher(sources=MEASURED, omit=OMITTED)).__enter__()


def pytest_sessionfinish() -> None:
    """Leave the file before this worker says that it is done: ten seconds after that, it would be killed."""
    if is_worker:
        Path(os.environ["KEYRACK_COVERAGE"], f"{os.getpid()}.json").write_text(json.dumps(noted.get_coverage()))
