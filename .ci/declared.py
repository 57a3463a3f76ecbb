"""What the code and the contract declare, and the template has to agree with; read from their sources."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# The functions' names in the template, and their packages.
FUNCTIONS = {"WriteCustomizations": "write-customizations", "ReadCustomizations": "read-customizations"}

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def source(path):
    """A source file without its tests, which stand at its end."""
    return (ROOT / path).read_text().partition("#[cfg(test)]\nmod tests")[0]


def deployed_sources():
    """All that a function is built from, by its path."""
    for folder in ("shared/src", *(f"functions/{package}/src" for package in FUNCTIONS.values())):
        for path in sorted((ROOT / folder).rglob("*.rs")):
            yield path.relative_to(ROOT), source(path)


def actions(function):
    """The IAM actions that the function's code needs: its constant ACTIONS."""
    code = source(f"functions/{FUNCTIONS[function]}/src/lib.rs")
    [listed] = re.findall(r"pub const ACTIONS: \[&str; \d+\] = \[(.*?)\];", code, re.DOTALL)
    return set(re.findall(r'"([^"]+)"', listed))


def variables(function):
    """The environment variables that the function reads of its configuration, but for those that Lambda sets."""
    config = source("shared/src/config.rs")
    permissions = dict(re.findall(r'Self::(\w+) => "(\w+)"', config))
    [needed] = re.findall(r"Permissions::(\w+)", source(f"functions/{FUNCTIONS[function]}/src/main.rs"))
    read = set(re.findall(r'\b(?:required|optional)\("(\w+)"\)', config)) | {permissions[needed]}
    return {name for name in read if not name.startswith("AWS_")}


def readers():
    """The sources that read the environment."""
    return {str(path) for path, code in deployed_sources() if re.search(r"\benv::vars?(_os)?\(", code)}


def contract():
    """The contract: openapi.yaml."""
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


def problems(contract):
    """The status and title of each problem type in the contract, by slug."""
    documented = {}
    for schema in contract["components"]["schemas"].values():
        properties = schema.get("properties", {})
        if "const" in properties.get("title", {}):
            slug = properties["type"]["pattern"].removesuffix("$").rsplit("/", 1)[1]
            documented[slug] = (properties["status"]["const"], properties["title"]["const"])
    return documented


def routes(contract):
    """The contract's routes: methods and paths."""
    return {
        (method.upper(), path)
        for path, item in contract["paths"].items()
        for method in item
        if method in METHODS
    }


def workspace():
    """The workspace, as Cargo.toml has it."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]


def watched_routes():
    """The routes that `cargo lambda watch` serves, each with its function's package."""
    router = workspace()["metadata"]["lambda"]["watch"]["router"]
    return {(route["method"], path): route["function"] for path, routes in router.items() for route in routes}


def emitted(metric):
    """Whether the functions' code names this metric."""
    return any(f'"{metric}"' in code for _, code in deployed_sources())


def runbook():
    """The headings of the runbook."""
    text = (ROOT / "docs/operations.md").read_text()
    return set(re.findall(r"^#+ `?(.*?)`?$", text, re.MULTILINE))
