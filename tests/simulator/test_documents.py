"""Whatever Lanyard's documents hold can be made to work: the demo's, the examples', those of the tests."""

import json
from pathlib import Path

import pytest

from credentials import demo
from tests.credentials.kind_facts import FACTS
from tests.simulator.test_who_am_i import good

EXAMPLES = json.loads(Path("tests/data/credentials.json").read_text())
DOCUMENTS = {
    "demo": lambda: list(demo.documents(34)),
    "examples": lambda: [one for one in EXAMPLES if one.get("object") != "oauth_app"],
    "facts": lambda: [{"properties": {"kind": kind, **facts.properties}} for kind, facts in FACTS.items()],
}


@pytest.mark.parametrize("source", DOCUMENTS)
def test_registered_they_work(call, source):
    documents = DOCUMENTS[source]()
    assert len(documents) >= 9
    answer = call("POST", "_control/credentials", data=json.dumps(documents, default=str))
    assert answer.json() == {"registered": len(documents)}
    for document in documents:
        properties = document["properties"]
        assert good(properties["kind"], call.whoami(properties)), properties["kind"]
