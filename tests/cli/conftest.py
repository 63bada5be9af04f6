"""What tests of several commands share."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def search(command):
    """Runs search with --json; the document."""

    def run(store, *arguments):
        done = command("search", store, "--json", *arguments)
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)

    return run
