"""Checks template.yaml as CloudFormation sees it: the template that AWS SAM renders from it."""

import json
import logging
import os
import re
import sys
import tomllib
from pathlib import Path

import cfnlint.decode
import yaml
from cfnlint.api import ManualArgs, lint
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parent.parent

# The functions' names in the template, and their packages.
FUNCTIONS = {"WriteCustomizations": "write-customizations", "ReadCustomizations": "read-customizations"}

# Parameters without a default, as an operator would give them.
PARAMETERS = {
    "CspIssuer": "https://issuer.example",
    "CspJwksUrl": "https://issuer.example/keys?format=jwks",
    "ProblemTypeBase": "https://docs.example.com/problems",
}

# What a request's answer may take in all, in seconds: API Gateway waits no longer for a function.
GATEWAY_TIMEOUT = 29

# The least memory with a whole vCPU, in MB.
WHOLE_CPU = 1769

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

# What an operator finds a request by, and learns of it, in the gateway's log.
ACCESS_LOG = {
    *("request_id", "extended_request_id", "xray_trace_id", "timestamp", "method", "route"),
    *("source_ip", "tls_version", "status", "response_bytes", "latency_ms", "error_type"),
    *("integration_status", "integration_latency_ms", "integration_request_id", "integration_error"),
}

# What comes with tracing and logging, by AWS's own names.
MANAGED_POLICIES = {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}


def ref(name):
    return {"Ref": name}


def attribute(resource, name):
    return {"Fn::GetAtt": [resource, name]}


def if_given(condition, value):
    """What is set where an operator gave the parameter, and else left out."""
    return {"Fn::If": [condition, value, ref("AWS::NoValue")]}


STAGE = {
    "StageName": "v1",
    "TracingEnabled": True,
    "AccessLogSetting": {"DestinationArn": attribute("AccessLogs", "Arn")},
    "MethodSettings": [
        {
            "ResourcePath": "/*",
            "HttpMethod": "*",
            "ThrottlingRateLimit": ref("ThrottlingRateLimit"),
            "ThrottlingBurstLimit": ref("ThrottlingBurstLimit"),
            "MetricsEnabled": True,
        }
    ],
}

API = {
    "SecurityPolicy": "SecurityPolicy_TLS13_1_2_2021_06",
    "EndpointAccessMode": "STRICT",
    # Forms in, compressed answers out.
    "BinaryMediaTypes": ["*~1*"],
}

TABLE = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": "PK", "KeyType": "HASH"},
        {"AttributeName": "SK", "KeyType": "RANGE"},
    ],
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35},
    "SSESpecification": {"SSEEnabled": True},
    # Only receipts of idempotency keys bear it.
    "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires_at"},
    "DeletionProtectionEnabled": True,
    "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
}

BUCKET = {
    "VersioningConfiguration": {"Status": "Enabled"},
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    },
    "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    },
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    # This one rule, and so none by which a customer's file expires.
    "LifecycleConfiguration": {
        "Rules": [
            {
                "Id": "abort-unfinished-uploads",
                "Status": "Enabled",
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]
    },
}

# The alarms that an operator is paged by: what each watches.
WATCHED = {
    ("AWS/ApiGateway", "5XXError"),
    ("AWS/Lambda", "Duration"),
    ("AWS/Lambda", "Errors"),
    ("AWS/Lambda", "Throttles"),
    ("AWS/DynamoDB", "ReadThrottleEvents"),
    ("AWS/DynamoDB", "WriteThrottleEvents"),
    ("CatalogCustomizations", "JwksEndpointFaults"),
}

OUTPUTS = {"ApiUrl", "TableName", "TableStreamArn", "BucketName"}


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


def contract():
    """The contract: openapi.yaml."""
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


def documented_problems(contract):
    """The status and title of each problem type in the contract, by slug."""
    documented = {}
    for schema in contract["components"]["schemas"].values():
        properties = schema.get("properties", {})
        if "const" in properties.get("title", {}):
            slug = properties["type"]["pattern"].removesuffix("$").rsplit("/", 1)[1]
            documented[slug] = (properties["status"]["const"], properties["title"]["const"])
    return documented


def runbook():
    """The headings of the runbook."""
    text = (ROOT / "docs/operations.md").read_text()
    return set(re.findall(r"^#+ `?(.*?)`?$", text, re.MULTILINE))


def lists(value):
    return value if isinstance(value, list) else [value]


def differences(actual, expected, place=""):
    """Where `actual` is not as expected; a mapping may hold more than is expected of it."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            fault
            for key, value in expected.items()
            for fault in differences(actual.get(key), value, f"{place}.{key}".lstrip("."))
        ]
    return [] if actual == expected else [f"{place} is {json.dumps(actual)}, not {json.dumps(expected)}"]


def of_type(resources, kind):
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def substituted(template):
    """A gateway response's template as the gateway has it, with a request id filled in."""
    text = template["Fn::Sub"].replace("${ProblemTypeBase}", PARAMETERS["ProblemTypeBase"])
    return json.loads(text.replace("$context.requestId", "01234567-89ab-cdef-0123-456789abcdef"))


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


def check_access_log(line_format):
    """What is wrong with a line of the gateway's log, as it is once every variable has a value."""
    try:
        line = json.loads(re.sub(r"\$context(\.\w+)+", "0", line_format))
    except json.JSONDecodeError as error:
        return [str(error)]
    return sorted(set(line) ^ ACCESS_LOG)


def gateway_checks(resources, contract):
    """The stage, its routes, its log, and what the gateway answers by itself."""
    stages = [stage["Properties"] for stage in of_type(resources, "AWS::ApiGateway::Stage").values()]
    yield "there is one stage: v1, throttled, traced and logged", (
        differences(stages[0], STAGE) if len(stages) == 1 else [f"there are {len(stages)}"]
    )
    yield "the API passes bytes on as they are, and takes TLS 1.2 at least", differences(
        resources["Api"]["Properties"], API
    )
    yield "the access log's lines are JSON, each with what is asked for", check_access_log(
        stages[0]["AccessLogSetting"]["Format"]
    )

    body = resources["Api"]["Properties"]["Body"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    yield "every response of the gateway's own is set", sorted(set(responses) ^ GATEWAY_RESPONSES)
    problems = documented_problems(contract)
    yield "every response of the gateway's own is a problem", [
        fault for name in sorted(responses) for fault in check_gateway_response(name, responses[name], problems)
    ]


def allowed_resources(action):
    """What an action may be done to."""
    if action.startswith("dynamodb:"):
        arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${RestoredTableName}"
        return {"Fn::If": ["UsesRestoredTable", {"Fn::Sub": arn}, attribute("Table", "Arn")]}
    return attribute("Bucket", "Arn") if action == "s3:ListBucket" else {"Fn::Sub": "${Bucket.Arn}/*"}


def allowed_condition(action):
    """The condition of an action: customers write their own partitions, and check catalogs."""
    leading_keys = {"dynamodb:PutItem": "CUSTOMIZATIONS#*", "dynamodb:ConditionCheckItem": "CATALOG#*"}
    if action in leading_keys:
        return {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [leading_keys[action]]}}
    return None


def check_role(role):
    """The faults of a function's role. A test compares its actions with the code's."""
    statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
    faults = []
    for statement in statements:
        name, action = statement["Sid"], statement["Action"]
        if statement["Effect"] != "Allow" or not isinstance(action, str):
            faults.append(f"{name} does not allow one action")
        elif re.search(r"[*?]|Scan|Delete", action):
            faults.append(f"{name} allows {action}")
        elif statement["Resource"] != allowed_resources(action):
            faults.append(f"{name} is for {json.dumps(statement['Resource'])}")
        elif statement.get("Condition") != allowed_condition(action):
            faults.append(f"{name} is allowed if {json.dumps(statement.get('Condition'))}")
    policies = {arn.rsplit("/", 1)[1] for arn in role["ManagedPolicyArns"]}
    return faults + [f"the policy {name}" for name in sorted(policies ^ MANAGED_POLICIES)]


def function_checks(resources, parameters):
    """The functions: what they run on, what they are given, what they may do."""
    roles = of_type(resources, "AWS::IAM::Role")
    yield "there is a role a function, and no other", sorted(
        set(roles) ^ {f"{function}Role" for function in FUNCTIONS}
    )
    yield "functions run on arm64 unless told otherwise", differences(parameters["Architecture"], {"Default": "arm64"})
    for function, package in FUNCTIONS.items():
        properties = resources[function]["Properties"]
        kind = function.removesuffix("Customizations")
        expected = {
            "Architectures": [ref("Architecture")],
            "Runtime": "provided.al2023",
            "TracingConfig": {"Mode": "Active"},
            "ReservedConcurrentExecutions": if_given(f"Reserves{kind}s", ref(f"{kind}ReservedConcurrency")),
            "LoggingConfig": {
                "LogFormat": "JSON",
                "LogGroup": ref(f"{function}Logs"),
                "ApplicationLogLevel": ref("LogLevel"),
            },
        }
        faults = differences(properties, expected)
        faults += differences(resources[function]["Metadata"], {"BuildProperties": {"Binary": package}})
        if not 0 < properties["Timeout"] < GATEWAY_TIMEOUT:
            faults.append(f"may take {properties['Timeout']} s")
        yield f"{function} is bounded, traced and logged", faults
        yield f"{function}'s role limits each action", check_role(roles[f"{function}Role"]["Properties"])
    yield "WriteCustomizations has a whole vCPU", (
        [] if resources["WriteCustomizations"]["Properties"]["MemorySize"] >= WHOLE_CPU else ["it has less"]
    )


def denied_without(policy, condition):
    """Whether the bucket refuses every request to all of it that meets the condition."""
    whole = [attribute("Bucket", "Arn"), {"Fn::Sub": "${Bucket.Arn}/*"}]
    expected = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": whole, "Condition": condition}
    return any(not differences(statement, expected) for statement in policy["PolicyDocument"]["Statement"])


def store_checks(resources):
    """The table and the bucket, and that nothing of the customers' is ever lost."""
    yield "the table can be restored, and is encrypted and followed", differences(
        resources["Table"]["Properties"], TABLE
    )
    yield "the bucket is versioned, encrypted and private, and nothing in it expires", differences(
        resources["Bucket"]["Properties"], BUCKET
    )
    policy = resources["BucketPolicy"]["Properties"]
    yield "the bucket takes TLS 1.2 at least", [
        f"{condition} is not refused"
        for condition in (
            {"Bool": {"aws:SecureTransport": "false"}},
            {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
        )
        if not denied_without(policy, condition)
    ]
    yield "the bucket's policy allows nothing", [
        statement["Sid"] for statement in policy["PolicyDocument"]["Statement"] if statement["Effect"] != "Deny"
    ]
    yield "the stores are kept when the stack goes", [
        f"{name}: {policy}"
        for name in ("Table", "Bucket", "BucketPolicy")
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if resources[name].get(policy) != "Retain"
    ]


def metrics(alarm):
    """The metrics that an alarm watches: each its namespace, name and dimensions."""
    for metric in [alarm, *(query.get("MetricStat", {}).get("Metric", {}) for query in alarm.get("Metrics", []))]:
        if "MetricName" in metric:
            yield metric["Namespace"], metric["MetricName"], metric["Dimensions"]


def watching_checks(resources, outputs):
    """Logs, alarms, the dashboard, and what an operator is told of the stack."""
    yield "logs are kept as long as they are told to be", [
        fault
        for name, group in of_type(resources, "AWS::Logs::LogGroup").items()
        for fault in differences(group["Properties"], {"RetentionInDays": ref("LogRetentionDays")}, name)
    ]
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    topic = if_given("HasAlarmTopic", [ref("AlarmTopicArn")])
    told = {"AlarmActions": topic, "OKActions": topic, "TreatMissingData": "notBreaching"}
    yield "every alarm goes to the topic, and rests where nothing happens", [
        fault for name, alarm in alarms.items() for fault in differences(alarm["Properties"], told, name)
    ]
    watched = [metric for alarm in alarms.values() for metric in metrics(alarm["Properties"])]
    missing = WATCHED - {(namespace, name) for namespace, name, _ in watched}
    for name in ("Duration", "Errors", "Throttles"):
        for function in FUNCTIONS:
            if ("AWS/Lambda", name, [{"Name": "FunctionName", "Value": ref(function)}]) not in watched:
                missing.add((function, name))
    yield "alarms watch what somebody must know of", [" ".join(metric) for metric in sorted(missing)]
    durations = [a["Properties"] for a in alarms.values() if a["Properties"].get("MetricName") == "Duration"]
    yield "alarms come before functions run out of time", [
        f"{alarm['ExtendedStatistic']} of {alarm['Threshold']} ms"
        for alarm in durations
        if alarm["ExtendedStatistic"] != "p99" or not 0 < alarm["Threshold"] < 28_000
    ]
    yield "every alarm is in the runbook", sorted(set(alarms) - runbook())

    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    json.loads(re.sub(r"\$\{[^}]+\}", "x", body))
    shown = set(re.findall(r"\$\{(\w+)\.Arn\}", body))
    # An alarm that is not always there cannot be named; its metric has a widget of its own.
    unseen = {name for name, alarm in alarms.items() if "Condition" not in alarm} - shown
    yield "every alarm is on the dashboard", sorted(unseen)
    yield "the outputs are what the guides need", sorted(set(outputs) ^ OUTPUTS)


def checks():
    """Each check's name and what it found wrong."""
    text = (ROOT / "template.yaml").read_text()
    template, faults = cfnlint.decode.decode_str(text)
    if faults:
        yield "template.yaml can be read", [str(fault) for fault in faults]
        return
    yield "template.yaml passes cfn-lint", lint_findings(text)
    rendered = render(template)
    yield "what SAM renders passes cfn-lint", lint_findings(json.dumps(rendered))
    resources = rendered["Resources"]
    openapi = contract()
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    versions = {openapi["info"]["version"], workspace["package"]["version"]}
    yield "openapi.yaml is of the workspace's version", sorted(versions) if len(versions) > 1 else []
    yield from gateway_checks(resources, openapi)
    yield from function_checks(resources, rendered["Parameters"])
    yield from store_checks(resources)
    yield from watching_checks(resources, rendered["Outputs"])


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
