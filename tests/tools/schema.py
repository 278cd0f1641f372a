#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""schema.py SCHEMA [--lines [--all-kinds]] < JSON: check a document, or one a line, against a
schema: what ours use of draft 7. --all-kinds: every word of its "kind" must have been seen, too."""
import json
import os
import re
import sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"$schema", "title", "description", "definitions", "$ref", "type", "const", "enum",
         "minimum", "maximum", "pattern", "items", "required", "properties",
         "additionalProperties", "allOf", "if", "then"}
roots = {}


def load(path):
    if path not in roots:
        with open(path) as f:
            roots[path] = json.load(f)
    return roots[path]


def is_type(value, name):
    if name in ("integer", "number"):
        kinds = int if name == "integer" else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def check_ref(value, ref, path, at):
    file, _, name = ref.partition("#/definitions/")
    path = os.path.join(os.path.dirname(path), file) if file else path
    check(value, load(path)["definitions"][name], path, at)


def check(value, schema, path, at):
    unknown = set(schema) - KNOWN
    if unknown:
        sys.exit(f"{path}: {unknown}: not checked here")
    if "$ref" in schema:
        check_ref(value, schema["$ref"], path, at)
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
    if "maximum" in schema and isinstance(value, (int, float)) and value > schema["maximum"]:
        sys.exit(f"{at}: {value} is too large")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        sys.exit(f"{at}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            check(item, schema["items"], path, f"{at}[{i}]")
    if isinstance(value, dict):
        check_object(value, schema, path, at)


def holds(value, condition):
    """Of "if": properties that are a constant, or one of some."""
    return all(value.get(k) in w.get("enum", [w.get("const")])
               for k, w in condition["properties"].items())


def check_object(value, schema, path, at):
    for name in schema.get("required", []):
        if name not in value:
            sys.exit(f"{at}: lacks {name}")
    known = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    for name, member in value.items():
        if name in known:
            check(member, known[name], path, f"{at}.{name}")
        elif rest is False:
            sys.exit(f"{at}.{name} is not in the schema")
        elif rest:
            check(member, rest, path, f"{at}.{name}")
    for one in schema.get("allOf", []) + ([schema] if "if" in schema else []):
        if holds(value, one["if"]):
            check(value, one["then"], path, at)


def main():
    path = sys.argv[1]
    if "--lines" not in sys.argv:
        check(json.load(sys.stdin), load(path), path, "$")
        return
    seen = set()
    for number, line in enumerate(sys.stdin, 1):
        value = json.loads(line)
        check(value, load(path), path, f"line {number}")
        seen.add(value["kind"])
    missing = set(load(path)["properties"]["kind"]["enum"]) - seen
    if "--all-kinds" in sys.argv and missing:
        sys.exit(f"no line of {missing}")


main()
