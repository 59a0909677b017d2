"""The description of the real API: valid, with examples that fit."""

from __future__ import annotations

from typing import Any

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from agentpost.http.answer import JSON
from agentpost.http.problems import ProblemBody
from tests.http.resources import described

DOCUMENT = described.document()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def fits(content: dict[str, Any], example: object) -> bool:
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    return bool(OAS31Validator(schema).is_valid(example))


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_json_body_has_an_example_that_fits_its_schema() -> None:
    wrong = []
    for name, operation in OPERATIONS:
        bodies = {"request": operation.get("requestBody", {})}
        bodies |= {
            status: answer for status, answer in operation["responses"].items() if status < "300"
        }
        examples = 0
        for which, body in bodies.items():
            content = body.get("content", {}).get(JSON)
            if content is None:
                continue
            if "example" in content:
                examples += 1
                if not fits(content, content["example"]):
                    wrong.append(f"{name} {which}: does not fit")
            elif which == "request":
                wrong.append(f"{name}: no example of a request")
        if not examples and any(JSON in body.get("content", {}) for body in bodies.values()):
            wrong.append(f"{name}: no example")
    assert wrong == []


def test_every_failure_is_described_with_its_codes() -> None:
    for name, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            if status < "400" or status == "426":
                continue
            examples = answer["content"][JSON]["examples"]
            assert examples, name
            for code, example in examples.items():
                assert example["value"]["code"] == code
                assert set(example["value"]) == set(ProblemBody.__struct_fields__)
                assert fits(answer["content"][JSON], example["value"])
