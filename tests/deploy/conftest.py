"""Which tests of deploying run: those that build with the package index only when asked to."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "WIREROOM_TEST_IMAGE" in os.environ else ["test_image_steps.py"]
