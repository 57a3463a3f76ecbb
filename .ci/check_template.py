"""Checks template.yaml, and the CloudFormation template that AWS SAM renders from it."""

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

# The functions' resources in the template, and their packages.
FUNCTIONS = {"WriteCustomizations": "write-customizations", "ReadCustomizations": "read-customizations"}

# Values for the parameters that have no default.
PARAMETERS = {
    "CspIssuer": "https://issuer.example",
    "CspJwksUrl": "https://issuer.example/keys?format=jwks",
    "ProblemTypeBase": "https://docs.example.com/problems",
}

# The longest time that API Gateway waits for a function's response, in seconds.
GATEWAY_TIMEOUT = 29

# The memory size at which Lambda gives a function one vCPU, in MB.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
ONE_VCPU_MEMORY = 1769

# All types of error responses that API Gateway itself sends.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
GATEWAY_RESPONSES = {
    *("ACCESS_DENIED", "API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR"),
    *("AUTHORIZER_FAILURE", "BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX"),
    *("DEFAULT_5XX", "EXPIRED_TOKEN", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"),
    *("INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "QUOTA_EXCEEDED"),
    *("REQUEST_TOO_LARGE", "RESOURCE_NOT_FOUND", "THROTTLED", "UNAUTHORIZED"),
    *("UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED"),
}

# The fields of a line in the gateway's access log.
ACCESS_LOG = {
    *("request_id", "extended_request_id", "xray_trace_id", "timestamp", "method", "route"),
    *("source_ip", "tls_version", "status", "response_bytes", "latency_ms", "error_type"),
    *("integration_status", "integration_latency_ms", "integration_request_id", "integration_error"),
}

# AWS's policies for logging and tracing.
MANAGED_POLICIES = {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}


def ref(name):
    return {"Ref": name}


def attribute(resource, name):
    return {"Fn::GetAtt": [resource, name]}


def if_given(condition, value):
    """The value if the condition is true, else no value: the condition says that a parameter is given."""
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
        },
        # Lists cost more than other requests.
        {
            "ResourcePath": "/~1catalogs~1{catalog_id}~1customizations",
            "HttpMethod": "GET",
            "ThrottlingRateLimit": ref("ListThrottlingRateLimit"),
            "ThrottlingBurstLimit": ref("ListThrottlingBurstLimit"),
            "MetricsEnabled": True,
        },
        # The start of a direct upload permits the caller to store up to 256 MiB.
        {
            "ResourcePath": "/~1catalogs~1{catalog_id}~1uploads",
            "HttpMethod": "POST",
            "ThrottlingRateLimit": ref("UploadThrottlingRateLimit"),
            "ThrottlingBurstLimit": ref("UploadThrottlingBurstLimit"),
            "MetricsEnabled": True,
        },
    ],
}

API = {
    "SecurityPolicy": "SecurityPolicy_TLS13_1_2_2021_06",
    "EndpointAccessMode": "STRICT",
    # Requests have binary forms, and responses are compressed.
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
    # Only idempotency records have this attribute.
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
    # This is the only rule: customers' files never expire.
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

# Direct uploads count for nothing until a request names them, so they expire.
UPLOAD_BUCKET = {
    "BucketEncryption": BUCKET["BucketEncryption"],
    "PublicAccessBlockConfiguration": BUCKET["PublicAccessBlockConfiguration"],
    "OwnershipControls": BUCKET["OwnershipControls"],
    "LifecycleConfiguration": {
        "Rules": [
            {
                "Id": "expire-uploads",
                "Status": "Enabled",
                "ExpirationInDays": 1,
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]
    },
}

# Both policies keep a resource when the stack is deleted. With RetainExceptOnCreate, the rollback of
# a failed first deployment deletes it. A rollback cannot delete the table, because it is protected.
DELETION_POLICIES = {
    "Table": "Retain",
    "Bucket": "RetainExceptOnCreate",
    "BucketPolicy": "RetainExceptOnCreate",
    "WriteCustomizationsLogs": "RetainExceptOnCreate",
    "ReadCustomizationsLogs": "RetainExceptOnCreate",
    "AccessLogs": "RetainExceptOnCreate",
}

# The parameter of each option: its value if the option is off, and one that switches it on.
OPTION_PARAMETERS = {
    "WafRateLimit": ("0", "1000"),
    "EventBusArn": ("", "arn:aws:events:us-east-1:123456789012:event-bus/builds"),
    "ObjectLockDays": (0, 30),
    "ReplicaBucketArn": ("", "arn:aws:s3:::replica"),
    "BackupVaultArn": ("", "arn:aws:backup:us-east-1:123456789012:backup-vault:vault"),
    "MalwareScan": ("false", "true"),
}

# The resources of each option, by the condition under which they exist.
OPTIONS = {
    "HasWebAcl": {"WebAcl", "WebAclAssociation"},
    "HasEventBus": {"Pipe", "PipeRole", "PipeDeadLetters"},
    "LocksObjects": set(),
    "ReplicatesFiles": {"ReplicationRole", "ReplicationPolicy"},
    "BacksUpTable": {"BackupPlan", "BackupVault", "BackupSelection", "BackupRole"},
    "ScansForMalware": {"MalwareProtectionPlan", "MalwareScanRole"},
}

# The rules of AWS's common rule set that look into a body, which may hold any bytes here.
BODY_RULES = {
    *("SizeRestrictions_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY"),
    "CrossSiteScripting_BODY",
}

# The metrics that alarms must watch.
WATCHED_METRICS = {
    ("AWS/ApiGateway", "5XXError"),
    ("AWS/Lambda", "Duration"),
    ("AWS/Lambda", "Errors"),
    ("AWS/Lambda", "Throttles"),
    ("AWS/DynamoDB", "ReadThrottleEvents"),
    ("AWS/DynamoDB", "WriteThrottleEvents"),
    ("AWS/DynamoDB", "ReadKeyRangeThroughputThrottleEvents"),
    ("AWS/DynamoDB", "WriteKeyRangeThroughputThrottleEvents"),
    ("AWS/Usage", "ResourceCount"),
    ("CatalogCustomizations", "Refusals"),
    ("CatalogCustomizations", "JwksEndpointFaults"),
}

OUTPUTS = {"ApiUrl", "TableName", "TableStreamArn", "BucketName"}


class AnyPolicy(dict):
    """Maps every name of an AWS policy to its ARN. SAM normally looks it up in an account."""

    def __missing__(self, name):
        return f"arn:aws:iam::aws:policy/{name}"


def render(template):
    """Returns the CloudFormation template that SAM renders from `template`."""
    template = json.loads(json.dumps(template, default=dict))
    # `sam package` replaces the code's path by its location in S3.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code-bucket/code.zip"
    return Translator(AnyPolicy(), Parser()).translate(template, dict(PARAMETERS))


def lint_findings(text):
    return [str(finding) for finding in lint(text, config=ManualArgs(regions=["us-east-1", "eu-central-1"]))]


def contract():
    """Returns the contract, openapi.yaml."""
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


def documented_problems(contract):
    """Returns the status and the title of each problem type in the contract, by slug."""
    documented = {}
    for schema in contract["components"]["schemas"].values():
        properties = schema.get("properties", {})
        if "const" in properties.get("title", {}):
            slug = properties["type"]["pattern"].removesuffix("$").rsplit("/", 1)[1]
            documented[slug] = (properties["status"]["const"], properties["title"]["const"])
    return documented


def runbook_headings():
    """Returns the headings of the runbook."""
    text = (ROOT / "docs/operations.md").read_text()
    return set(re.findall(r"^#+ `?(.*?)`?$", text, re.MULTILINE))


def differences(actual, expected, path=""):
    """Returns the differences between `actual` and `expected`. Extra keys of a mapping are no differences."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            difference
            for key, value in expected.items()
            for difference in differences(actual.get(key), value, f"{path}.{key}".lstrip("."))
        ]
    return [] if actual == expected else [f"{path} is {json.dumps(actual)}, not {json.dumps(expected)}"]


def check_example(configuration, parameters):
    """Returns the errors of the example configuration: each value is empty or the template's default."""
    values = configuration["default"]["deploy"]["parameters"]["parameter_overrides"]
    errors = [f"{name} is no parameter of the template" for name in values if name not in parameters]
    errors += [f"{name} is missing" for name in parameters if "Default" not in parameters[name] and name not in values]
    return errors + [
        f"{name} is neither empty nor the default"
        for name, value in values.items()
        if value not in ("", parameters.get(name, {}).get("Default"))
    ]


def of_type(resources, resource_type):
    return {name: resource for name, resource in resources.items() if resource["Type"] == resource_type}


def gateway_response_body(template):
    """Returns the body of a gateway response: its template with a request id."""
    text = template["Fn::Sub"].replace("${ProblemTypeBase}", PARAMETERS["ProblemTypeBase"])
    return json.loads(text.replace("$context.requestId", "01234567-89ab-cdef-0123-456789abcdef"))


def check_gateway_response(name, response, problems):
    """Returns the errors of one gateway response."""
    document = gateway_response_body(response["responseTemplates"]["application/json"])
    headers = {
        key.removeprefix("gatewayresponse.header."): value.strip("'")
        for key, value in response["responseParameters"].items()
    }
    slug = document["type"].removeprefix(PARAMETERS["ProblemTypeBase"] + "/")
    status = int(response["statusCode"])
    errors = []
    members = {"type", "title", "status", "detail", "instance"}
    if set(document) - {"violations"} != members or ("violations" in document) != (status == 400):
        errors.append(f"the members are {sorted(document)}")
    if document["status"] != status:
        errors.append(f"the member status is {document['status']}, but the HTTP status is {status}")
    if (status, document["title"]) != problems.get(slug):
        errors.append(f"the status or the title of {slug} differs from openapi.yaml")
    if headers.get("Content-Type") != "application/problem+json":
        errors.append("the content type is not application/problem+json")
    if not document["instance"].startswith("urn:uuid:"):
        errors.append("the instance is not the request id")
    if ("Retry-After" in headers) != (status in (429, 503)):
        errors.append("Retry-After is missing, or the status is not 429 or 503")
    if ("WWW-Authenticate" in headers) != (status == 401):
        errors.append("WWW-Authenticate is missing, or the status is not 401")
    return [f"{name}: {error}" for error in errors]


def check_access_log(line_format):
    """Returns the errors of a line in the access log, after every variable is replaced by a value."""
    try:
        line = json.loads(re.sub(r"\$context(\.\w+)+", "0", line_format))
    except json.JSONDecodeError as error:
        return [str(error)]
    return sorted(set(line) ^ ACCESS_LOG)


def gateway_checks(resources, contract):
    """Checks the stage, the API, the access log, and the gateway responses."""
    stages = [stage["Properties"] for stage in of_type(resources, "AWS::ApiGateway::Stage").values()]
    yield "the only stage is v1; it has throttling, tracing and an access log", (
        differences(stages[0], STAGE) if len(stages) == 1 else [f"there are {len(stages)} stages"]
    )
    yield "the API passes bodies on as bytes, and requires TLS 1.2", differences(
        resources["Api"]["Properties"], API
    )
    yield "a line of the access log is JSON with all fields", check_access_log(
        stages[0]["AccessLogSetting"]["Format"]
    )

    body = resources["Api"]["Properties"]["Body"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    yield "every type of gateway response is defined", sorted(set(responses) ^ GATEWAY_RESPONSES)
    problems = documented_problems(contract)
    yield "every gateway response is a problem document of the contract", [
        error for name in sorted(responses) for error in check_gateway_response(name, responses[name], problems)
    ]


def allowed_resources(function, action):
    """Returns the resources that a function may use with an action. Only one function handles uploads."""
    if action.startswith("dynamodb:"):
        arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${RestoredTableName}"
        return {"Fn::If": ["UsesRestoredTable", {"Fn::Sub": arn}, attribute("Table", "Arn")]}
    buckets = ["Bucket", "UploadBucket"] if function == "WriteCustomizations" else ["Bucket"]
    is_list = action == "s3:ListBucket"
    arns = [attribute(name, "Arn") if is_list else {"Fn::Sub": f"${{{name}.Arn}}/*"} for name in buckets]
    return arns if len(arns) > 1 else arns[0]


def allowed_condition(action):
    """Returns the condition of an action. Functions write only partitions of customizations, and check catalogs."""
    conditions = {
        "dynamodb:PutItem": {
            "StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"},
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["CUSTOMIZATIONS#*"]},
        },
        "dynamodb:ConditionCheckItem": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["CATALOG#*"]}},
        "s3:PutObject": {"Null": {"s3:if-none-match": "false"}},
    }
    return conditions.get(action)


def check_role(function, role):
    """Returns the errors of a function's role. An end-to-end test compares its actions with the code."""
    statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
    errors = []
    for statement in statements:
        name, action = statement["Sid"], statement["Action"]
        if statement["Effect"] != "Allow" or not isinstance(action, str):
            errors.append(f"{name} does not allow exactly one action")
        elif re.search(r"[*?]|Scan|Delete", action):
            errors.append(f"{name} allows {action}, which is a wildcard, a scan or a deletion")
        elif statement["Resource"] != allowed_resources(function, action):
            errors.append(f"{name} allows {action} on {json.dumps(statement['Resource'])}")
        elif statement.get("Condition") != allowed_condition(action):
            errors.append(f"{name} has the condition {json.dumps(statement.get('Condition'))}")
    policies = {arn.rsplit("/", 1)[1] for arn in role["ManagedPolicyArns"]}
    differing = sorted(policies ^ MANAGED_POLICIES)
    return errors + [f"the policy {name} is missing or not expected" for name in differing]


def function_checks(resources):
    """Checks the functions: architecture, configuration and roles."""
    roles = of_type(resources, "AWS::IAM::Role")
    options = {name for names in OPTIONS.values() for name in names}
    yield "there is exactly one role for each function, beside those of the options", sorted(
        set(roles) - options ^ {f"{function}Role" for function in FUNCTIONS}
    )
    for function, package in FUNCTIONS.items():
        properties = resources[function]["Properties"]
        prefix = function.removesuffix("Customizations")
        expected = {
            "Architectures": ["arm64"],
            "Runtime": "provided.al2023",
            "TracingConfig": {"Mode": "Active"},
            "ReservedConcurrentExecutions": if_given(f"Reserves{prefix}s", ref(f"{prefix}ReservedConcurrency")),
            "LoggingConfig": {
                "LogFormat": "JSON",
                "LogGroup": ref(f"{function}Logs"),
                "ApplicationLogLevel": ref("LogLevel"),
            },
        }
        errors = differences(properties, expected)
        errors += differences(resources[function]["Metadata"], {"BuildProperties": {"Binary": package}})
        if not 0 < properties["Timeout"] < GATEWAY_TIMEOUT:
            errors.append(f"the timeout is {properties['Timeout']} s")
        yield f"{function} runs on arm64, with a timeout, tracing and logs", errors
        yield f"the role of {function} limits each action", check_role(
            function, roles[f"{function}Role"]["Properties"]
        )
    memory = resources["WriteCustomizations"]["Properties"]["MemorySize"]
    yield "WriteCustomizations has one vCPU", [] if memory >= ONE_VCPU_MEMORY else [f"it has only {memory} MB"]


def denies(policy, bucket, condition, action="s3:*"):
    """Returns true if the policy of a bucket denies the action to requests that meet the condition."""
    objects = {"Fn::Sub": f"${{{bucket}.Arn}}/*"}
    expected = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": [attribute(bucket, "Arn"), objects] if action == "s3:*" else objects,
        "Condition": condition,
    }
    return any(not differences(statement, expected) for statement in policy["PolicyDocument"]["Statement"])


def store_checks(resources):
    """Checks the table and the bucket, and that customers' data is never deleted."""
    yield "the table has point-in-time recovery, encryption and a stream", differences(
        resources["Table"]["Properties"], TABLE
    )
    yield "the bucket is versioned, encrypted and private, and its objects never expire", differences(
        resources["Bucket"]["Properties"], BUCKET
    )
    upload_bucket = resources["UploadBucket"]["Properties"]
    yield "the bucket for uploads is encrypted and private, not versioned, and its objects expire", differences(
        upload_bucket, UPLOAD_BUCKET
    ) + sorted(set(upload_bucket) & {"VersioningConfiguration"})
    policies = {name: resources[f"{name}Policy"]["Properties"] for name in ("Bucket", "UploadBucket")}
    yield "the buckets require TLS 1.2", [
        f"{name} does not deny requests with {condition}"
        for name, policy in policies.items()
        for condition in (
            {"Bool": {"aws:SecureTransport": "false"}},
            {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
        )
        if not denies(policy, name, condition)
    ]
    yield "only presigned requests of at most 15 minutes' age upload, and only new keys", [
        f"uploads with {condition} are not denied"
        for condition in (
            {"StringNotEquals": {"s3:authType": "REST-QUERY-STRING"}},
            {"NumericGreaterThan": {"s3:signatureAge": "900000"}},
            {"Null": {"s3:if-none-match": "true"}},
        )
        if not denies(policies["UploadBucket"], "UploadBucket", condition, "s3:PutObject")
    ]
    yield "the bucket policies only deny", [
        statement["Sid"]
        for policy in policies.values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] != "Deny"
    ]
    yield "the stores and the logs are retained when the stack is deleted", [
        difference
        for name, deletion_policy in DELETION_POLICIES.items()
        for difference in differences(
            resources[name], {"DeletionPolicy": deletion_policy, "UpdateReplacePolicy": "Retain"}, name
        )
    ]


def with_option(value, conditions):
    """Returns a part of a template with the results of the conditions in place of `Fn::If`."""
    if isinstance(value, list):
        return [with_option(item, conditions) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, item in value.items():
        if isinstance(item, dict) and set(item) == {"Fn::If"} and item["Fn::If"][0] in conditions:
            condition, if_true, if_false = item["Fn::If"]
            item = if_true if conditions[condition] else if_false
            if item == ref("AWS::NoValue"):
                continue
        result[name] = with_option(item, conditions)
    return result


def with_options(rendered, is_on):
    """Returns the rendered template as CloudFormation deploys it with all options on, or all off."""
    conditions = dict.fromkeys(OPTIONS, is_on)
    template = with_option(rendered, conditions)
    template["Resources"] = {
        name: {key: value for key, value in resource.items() if key != "Condition" or value not in OPTIONS}
        for name, resource in template["Resources"].items()
        if conditions.get(resource.get("Condition"), True)
    }
    template["Conditions"] = {name: value for name, value in template["Conditions"].items() if name not in OPTIONS}
    for name, values in OPTION_PARAMETERS.items():
        template["Parameters"][name]["Default"] = values[is_on]
    return template


def statements(role):
    """Yields the statements of a role or of a policy."""
    for policy in role.get("Policies", [role]):
        yield from policy.get("PolicyDocument", {}).get("Statement", [])


def option_checks(rendered):
    """Checks the options: off by default, valid in both settings, and with no more permissions than they need."""
    resources, parameters = rendered["Resources"], rendered["Parameters"]
    yield "each option is off by default", [
        f"{name} is {parameters[name]['Default']}"
        for name, (off, _) in OPTION_PARAMETERS.items()
        if parameters[name]["Default"] != off
    ]
    yield "each resource of an option exists only with the option", sorted(
        name for condition, names in OPTIONS.items() for name in names if resources[name].get("Condition") != condition
    )
    off, on = with_options(rendered, is_on=False), with_options(rendered, is_on=True)
    # A parameter of an option that is off has no effect.
    findings = [finding for finding in lint_findings(json.dumps(off)) if "not used" not in finding]
    yield "the template passes cfn-lint with all options off", findings
    yield "the template passes cfn-lint with all options on", [
        finding for finding in lint_findings(json.dumps(on)) if "Parameter MalwareScan not used" not in finding
    ]
    names = {name for names in OPTIONS.values() for name in names}
    yield "an option that is off changes nothing", sorted(set(off["Resources"]) & names) + [
        key
        for key in ("ObjectLockEnabled", "ObjectLockConfiguration", "ReplicationConfiguration")
        if key in off["Resources"]["Bucket"]["Properties"]
    ]
    yield "an option's role has no wildcards", [
        f"{name} allows {statement['Action']} on {statement['Resource']}"
        for name in sorted(names)
        if resources[name]["Type"] in ("AWS::IAM::Role", "AWS::IAM::RolePolicy")
        for statement in statements(resources[name]["Properties"])
        # The action has no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/
        if "*" in str(statement["Action"])
        or (statement["Resource"] == "*" and statement["Action"] != "dynamodb:ListStreams")
    ]
    rules = resources["WebAcl"]["Properties"]["Rules"]
    overrides = rules[-1]["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    counted = {rule["Name"] for rule in overrides if rule["ActionToUse"] == {"Count": {}}}
    yield "AWS WAF refuses no request for its body", sorted(counted ^ BODY_RULES)
    retention = on["Resources"]["Bucket"]["Properties"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    yield "only the bucket of artifacts is locked", differences(
        retention, {"Mode": "COMPLIANCE", "Days": ref("ObjectLockDays")}
    ) + [key for key in on["Resources"]["UploadBucket"]["Properties"] if key.startswith("ObjectLock")]


def metrics(alarm):
    """Yields the namespace, the name and the dimensions of each metric that an alarm watches."""
    for metric in [alarm, *(query.get("MetricStat", {}).get("Metric", {}) for query in alarm.get("Metrics", []))]:
        if "MetricName" in metric:
            yield metric["Namespace"], metric["MetricName"], metric["Dimensions"]


def monitoring_checks(resources, outputs):
    """Checks the logs, the alarms, the dashboard and the outputs."""
    yield "log groups have the retention of the parameter", [
        difference
        for name, group in of_type(resources, "AWS::Logs::LogGroup").items()
        for difference in differences(group["Properties"], {"RetentionInDays": ref("LogRetentionDays")}, name)
    ]
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    topic = if_given("HasAlarmTopic", [ref("AlarmTopicArn")])
    expected = {"AlarmActions": topic, "OKActions": topic, "TreatMissingData": "notBreaching"}
    yield "every alarm notifies the topic, and missing data is not an alarm", [
        difference for name, alarm in alarms.items() for difference in differences(alarm["Properties"], expected, name)
    ]
    watched = [metric for alarm in alarms.values() for metric in metrics(alarm["Properties"])]
    missing = WATCHED_METRICS - {(namespace, name) for namespace, name, _ in watched}
    for name in ("Duration", "Errors", "Throttles"):
        for function in FUNCTIONS:
            if ("AWS/Lambda", name, [{"Name": "FunctionName", "Value": ref(function)}]) not in watched:
                missing.add((function, name))
    yield "every metric that needs an alarm has one", [" ".join(metric) for metric in sorted(missing)]
    durations = [a["Properties"] for a in alarms.values() if a["Properties"].get("MetricName") == "Duration"]
    yield "duration alarms are below the function timeout", [
        f"the alarm is at {alarm['ExtendedStatistic']} of {alarm['Threshold']} ms"
        for alarm in durations
        if alarm["ExtendedStatistic"] != "p99" or not 0 < alarm["Threshold"] < 28_000
    ]
    yield "every alarm is in the runbook", sorted(set(alarms) - runbook_headings())

    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    json.loads(re.sub(r"\$\{[^}]+\}", "x", body))
    shown = set(re.findall(r"\$\{(\w+)\.Arn\}", body))
    # The dashboard cannot name an alarm that exists only under a condition. Its metric has a widget.
    missing_alarms = {name for name, alarm in alarms.items() if "Condition" not in alarm} - shown
    yield "every alarm is on the dashboard", sorted(missing_alarms)
    yield "the outputs are those that the guides use", sorted(set(outputs) ^ OUTPUTS)


def checks():
    """Yields the name of each check, and its errors."""
    text = (ROOT / "template.yaml").read_text()
    template, errors = cfnlint.decode.decode_str(text)
    if errors:
        yield "template.yaml is valid YAML", [str(error) for error in errors]
        return
    yield "template.yaml passes cfn-lint", lint_findings(text)
    rendered = render(template)
    yield "the rendered template passes cfn-lint", lint_findings(json.dumps(rendered))
    resources = rendered["Resources"]
    openapi = contract()
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    versions = {openapi["info"]["version"], workspace["package"]["version"]}
    yield "openapi.yaml and Cargo.toml have the same version", sorted(versions) if len(versions) > 1 else []
    example = tomllib.loads((ROOT / "samconfig.example.toml").read_text())
    yield "samconfig.example.toml has every parameter without a default", check_example(
        example, rendered["Parameters"]
    )
    yield from gateway_checks(resources, openapi)
    yield from function_checks(resources)
    yield from store_checks(resources)
    yield from option_checks(rendered)
    yield from monitoring_checks(resources, rendered["Outputs"])


def main():
    # Any region works: no request is sent to it.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    # Hides warnings of the SAM translator about its own configuration.
    logging.disable(logging.WARNING)
    total = failed = 0
    for name, errors in checks():
        total += 1
        failed += bool(errors)
        print(f"{'FAIL' if errors else 'ok  '} {name}")
        for error in errors:
            print(f"       {error}")
    print(f"{total - failed} of {total} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
