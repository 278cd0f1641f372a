#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check a JSON document against a schema: what status.schema.json uses of draft 7."""
import json
import re
import sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("integer", "number"):
        kinds = int if name == "integer" else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def check(value, schema, root, at):
    if "$ref" in schema:
        check(value, root["definitions"][schema["$ref"].rsplit("/", 1)[1]], root, at)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, t) for t in types):
        sys.exit(f"{at}: {value!r} is not {types}")
    if "const" in schema and value != schema["const"]:
        sys.exit(f"{at}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        sys.exit(f"{at}: {value!r} is not one of {schema['enum']}")
    if "minimum" in schema and isinstance(value, (int, float)) and value < schema["minimum"]:
        sys.exit(f"{at}: {value} is too small")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        sys.exit(f"{at}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            check(item, schema["items"], root, f"{at}[{i}]")
    if isinstance(value, dict):
        check_object(value, schema, root, at)


def check_object(value, schema, root, at):
    for name in schema.get("required", []):
        if name not in value:
            sys.exit(f"{at}: lacks {name}")
    known = schema.get("properties", {})
    for name, member in value.items():
        rest = schema.get("additionalProperties")
        if name in known:
            check(member, known[name], root, f"{at}.{name}")
        elif rest:
            check(member, rest, root, f"{at}.{name}")
        elif known:
            sys.exit(f"{at}.{name} is not in the schema")
    condition = schema.get("if", {}).get("properties", {})
    if condition and all(value.get(k) == v["const"] for k, v in condition.items()):
        check(value, {"required": schema["then"]["required"]}, root, at)


def main():
    with open(sys.argv[1]) as f:
        schema = json.load(f)
    check(json.load(sys.stdin), schema, schema, "$")


main()
