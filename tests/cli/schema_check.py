# SPDX-License-Identifier: Apache-2.0
"""Checks a JSON value against the part of JSON Schema that docs/reference/json uses, and refuses a schema that uses more."""

import re

KNOWN = {
    "$schema",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "pattern",
    "minimum",
}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def check(value, schema, where="$"):
    unknown = set(schema) - KNOWN
    assert not unknown, f"the schema at {where} uses {unknown}"
    names = schema.get("type")
    if names is not None:
        names = names if isinstance(names, list) else [names]
        assert any(is_type(value, name) for name in names), f"{where}: {value!r} is not {names}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r} is not one of {schema['enum']}"
    if "pattern" in schema and isinstance(value, str):
        assert re.search(schema["pattern"], value), f"{where}: {value!r} does not match {schema['pattern']}"
    if "minimum" in schema and is_type(value, "number"):
        assert value >= schema["minimum"], f"{where}: {value} is less than {schema['minimum']}"
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            check(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict) and "properties" in schema:
        for name in schema.get("required", []):
            assert name in value, f"{where}: {name} is missing"
        for name, member in value.items():
            if name in schema["properties"]:
                check(member, schema["properties"][name], f"{where}.{name}")
            else:
                rest = schema.get("additionalProperties", True)
                assert rest is not False, f"{where}: {name} is not in the schema"
                if isinstance(rest, dict):
                    check(member, rest, f"{where}.{name}")
