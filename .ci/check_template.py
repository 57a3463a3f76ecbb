"""Checks template.yaml as CloudFormation will see it: what AWS SAM renders from it."""

import json
import logging
import os
import sys
from pathlib import Path

import cfnlint.decode
import yaml
from cfnlint.api import ManualArgs, lint
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parent.parent

# Parameters without a default, as an operator would give them.
PARAMETERS = {
    "CspIssuer": "https://issuer.example",
    "CspJwksUrl": "https://issuer.example/keys?format=jwks",
    "ProblemTypeBase": "https://docs.example.com/problems",
}

# What each function may do: exactly what its code calls.
READS = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
ACTIONS = {
    "CreateCustomization": READS
    | {"dynamodb:PutItem", "dynamodb:ConditionCheckItem", "s3:PutObject"},
    "GetCustomization": READS | {"s3:GetObject", "s3:ListBucket"},
}

# What each function reads of its environment. One of the key sources is set, never both.
VARIABLES = {"TABLE_NAME", "BUCKET_NAME", "CSP_ISSUER", "CSP_JWKS_URL", "CSP_JWKS", "PROBLEM_TYPE_BASE"}
ENVIRONMENT = {
    "CreateCustomization": VARIABLES | {"CSP_CREATE_PERMISSIONS"},
    "GetCustomization": VARIABLES | {"CSP_READ_PERMISSIONS"},
}

# Every response that API Gateway makes by itself.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
GATEWAY_RESPONSES = {
    *("ACCESS_DENIED", "API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR"),
    *("AUTHORIZER_FAILURE", "BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX"),
    *("DEFAULT_5XX", "EXPIRED_TOKEN", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"),
    *("INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "QUOTA_EXCEEDED"),
    *("REQUEST_TOO_LARGE", "RESOURCE_NOT_FOUND", "THROTTLED", "UNAUTHORIZED"),
    *("UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED"),
}

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


class AnyPolicy(dict):
    """Stands for AWS's own policies, which SAM looks up by name in an account."""

    def __missing__(self, name):
        return f"arn:aws:iam::aws:policy/{name}"


def render(template):
    """The CloudFormation template that SAM makes of `template`."""
    template = json.loads(json.dumps(template, default=dict))
    # Where `sam package` would have put the code.
    template["Globals"]["Function"].pop("CodeUri")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code-bucket/code.zip"
    return Translator(AnyPolicy(), Parser()).translate(template, dict(PARAMETERS))


def lint_findings(text):
    return [str(finding) for finding in lint(text, config=ManualArgs(regions=["us-east-1", "eu-central-1"]))]


def lists(value):
    return value if isinstance(value, list) else [value]


def substituted(template):
    """A gateway response's template as the gateway has it, with a request id filled in."""
    text = template["Fn::Sub"].replace("${ProblemTypeBase}", PARAMETERS["ProblemTypeBase"])
    return json.loads(text.replace("$context.requestId", "01234567-89ab-cdef-0123-456789abcdef"))


def routes(paths, prefix=""):
    return {
        (method.upper(), prefix + path)
        for path, item in paths.items()
        for method in item
        if method in METHODS
    }


def check_gateway_response(name, response, problems):
    """What is wrong with one of the gateway's own responses."""
    document = substituted(response["responseTemplates"]["application/json"])
    headers = {
        key.removeprefix("gatewayresponse.header."): value.strip("'")
        for key, value in response["responseParameters"].items()
    }
    slug = document["type"].removeprefix(PARAMETERS["ProblemTypeBase"] + "/")
    status = int(response["statusCode"])
    faults = []
    members = {"type", "title", "status", "detail", "instance"}
    if set(document) - {"violations"} != members or ("violations" in document) != (status == 400):
        faults.append(f"has the members {sorted(document)}")
    if document["status"] != status:
        faults.append(f"says {document['status']} and answers {status}")
    if (status, document["title"]) != problems.get(slug):
        faults.append(f"{slug} is not as openapi.yaml has it")
    if headers.get("Content-Type") != "application/problem+json":
        faults.append("is not application/problem+json")
    if not document["instance"].startswith("urn:uuid:"):
        faults.append("its instance is not the request")
    if ("Retry-After" in headers) != (status in (429, 503)):
        faults.append("Retry-After is missing or out of place")
    if ("WWW-Authenticate" in headers) != (status == 401):
        faults.append("WWW-Authenticate is missing or out of place")
    return [f"{name}: {fault}" for fault in faults]


def documented_problems(contract):
    """The status and title of each problem type in the contract, by slug."""
    documented = {}
    for schema in contract["components"]["schemas"].values():
        properties = schema.get("properties", {})
        if "const" in properties.get("title", {}):
            slug = properties["type"]["pattern"].removesuffix("$").rsplit("/", 1)[1]
            documented[slug] = (properties["status"]["const"], properties["title"]["const"])
    return documented


def checks():
    """Each check's name and what it found wrong."""
    text = (ROOT / "template.yaml").read_text()
    template, faults = cfnlint.decode.decode_str(text)
    if faults:
        yield "template.yaml can be read", [str(fault) for fault in faults]
        return
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text())

    yield "template.yaml passes cfn-lint", lint_findings(text)
    rendered = render(template)
    resources = rendered["Resources"]
    yield "what SAM renders passes cfn-lint", lint_findings(json.dumps(rendered))

    stages = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::ApiGateway::Stage"]
    names = [stage["StageName"] for stage in stages]
    yield "there is one stage, v1", [] if names == ["v1"] else [str(names)]

    api = resources["Api"]["Properties"]["Body"]
    difference = routes(api["paths"], "/v1") ^ routes(contract["paths"])
    yield "the routes are those of openapi.yaml", [" ".join(route) for route in sorted(difference)]

    for function, expected in ACTIONS.items():
        role = resources[f"{function}Role"]["Properties"]
        statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
        allowed = {action for s in statements for action in lists(s["Action"])}
        wrong = [f"{action} is {'missing' if action in expected else 'too much'}" for action in sorted(allowed ^ expected)]
        wrong += [f"{s['Sid']} is for anything" for s in statements if "*" in lists(s["Resource"])]
        yield f"{function} may do what it does, and no more", wrong

    for function, expected in ENVIRONMENT.items():
        variables = resources[function]["Properties"]["Environment"]["Variables"]
        yield f"{function} has the environment it reads", sorted(set(variables) ^ expected)

    responses = api["x-amazon-apigateway-gateway-responses"]
    yield "every response of the gateway's own is set", sorted(set(responses) ^ GATEWAY_RESPONSES)
    problems = documented_problems(contract)
    wrong = [fault for name in sorted(responses) for fault in check_gateway_response(name, responses[name], problems)]
    yield "every response of the gateway's own is a problem", wrong

    kept = [name for name in ("Table", "Bucket", "BucketPolicy") for policy in ("DeletionPolicy", "UpdateReplacePolicy")
            if resources[name].get(policy) != "Retain"]
    yield "the stores are kept when the stack goes", kept


def main():
    # The region only has to be one; nothing is asked of it.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    # SAM warns of settings of its own service.
    logging.disable(logging.WARNING)
    total = failed = 0
    for name, faults in checks():
        total += 1
        failed += bool(faults)
        print(f"{'FAIL' if faults else 'ok  '} {name}")
        for fault in faults:
            print(f"       {fault}")
    print(f"{total - failed} of {total} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
