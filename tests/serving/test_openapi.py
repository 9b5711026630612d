"""The OpenAPI document holds: what it promises is what is answered, whatever is asked."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from graphrec.serving.keys import KeyFile, add_key
from tests.serving.test_app import House

load_all_checks()
# The document cannot say which types of events and which ids the log knows, nor that names of a
# query which no door reads are ignored.
NOT_PROMISED = ("positive_data_acceptance", "negative_data_rejection")
CASES = settings(
    max_examples=12,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    key = add_key(folder / "keys.json", "all", ["admin"])
    found = House(folder, keys=KeyFile(folder / "keys.json"))
    found.client.headers["X-API-Key"] = key
    yield found
    found.close()


def operations(house):
    schema = schemathesis.openapi.from_asgi("/openapi.json", house.client.app)
    return [one.ok() for one in schema.get_all_operations()]


# Schemathesis draws by the `random` module, which Hypothesis would rather it did not.
@pytest.mark.filterwarnings("ignore:Do not use the")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_door_answers_as_its_document_says(house, mode):
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in NOT_PROMISED]
    key = house.client.headers["X-API-Key"]
    n_answered = n_doors = 0
    for operation in operations(house):
        strategy = operation.as_strategy(generation_mode=mode)

        @seed(1)
        @CASES
        @given(case=strategy)
        def answers(case):
            nonlocal n_answered
            case.call_and_validate(headers={"X-API-Key": key}, checks=checks)
            n_answered += 1

        # What takes neither a body nor a parameter can be asked nothing wrong.
        with suppress(Unsatisfiable):
            answers()
            n_doors += 1
    assert n_doors >= 7 and n_answered >= 8 * n_doors
    assert house.client.get("/health/ready").status_code == 200


def test_every_error_is_documented_as_a_problem_document(house):
    document = house.client.get("/openapi.json").json()
    assert "ProblemOut" in document["components"]["schemas"]
    assert "HTTPValidationError" not in str(document)
    for path, methods in document["paths"].items():
        for method, door in methods.items():
            for status, answer in door["responses"].items():
                if status.startswith("2"):
                    continue
                content = answer["content"]
                assert list(content) == ["application/problem+json"], (path, method, status)
                schema = content["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ProblemOut"}
