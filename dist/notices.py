#!/usr/bin/env python3
"""Prints the crates that are part of the program, and each text of their licenses once, as these ask for.

Usage: dist/notices.py TARGET. Asks cargo, offline: what was built was fetched.
"""

import json
import pathlib
import subprocess
import sys

WORDS = ("license", "licence", "copying", "notice", "copyright", "unlicense")


def metadata(target):
    command = ["cargo", "metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def linked(data):
    """Ids of what the program is linked of: normal dependencies, no macros that only run while compiling."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    seen, waiting = set(), [data["resolve"]["root"]]
    while waiting:
        node = waiting.pop()
        macro = any("proc-macro" in part["kind"] for part in packages[node]["targets"])
        if node in seen or macro:
            continue
        seen.add(node)
        for dep in nodes[node]["deps"]:
            if any(kind["kind"] is None for kind in dep["dep_kinds"]):
                waiting.append(dep["pkg"])
    seen.remove(data["resolve"]["root"])
    return [packages[node] for node in seen]


def main():
    texts = {}
    crates = sorted(linked(metadata(sys.argv[1])), key=lambda crate: (crate["name"], crate["version"]))
    print("pmisplicense contains these crates, each under the license that it names; SQLite, within libsqlite3-sys, is in\n"
          "the public domain. Texts that the crates bring follow, each with the crates that bring it.\n")
    for crate in crates:
        label = f"{crate['name']} {crate['version']}"
        print(f"{label}: {crate['license']}")
        for path in sorted(pathlib.Path(crate["manifest_path"]).parent.iterdir()):
            if path.is_file() and path.name.lower().startswith(WORDS) and path.suffix != ".rs":
                text = path.read_text(encoding="utf-8", errors="replace").strip()
                texts.setdefault(text, []).append(label)
    for text, labels in texts.items():
        print(f"\n{'-' * 80}\n{', '.join(dict.fromkeys(labels))}\n\n{text}")


main()
