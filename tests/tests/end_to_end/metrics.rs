//! Metrics: the functions write them in CloudWatch's embedded metric format at every log level, and
//! the template monitors exactly these metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use archive_builder::Tarball;
use local::{build::workspace, csp::Token, function::FunctionName};
use serde_json::{Value, json};
use shared::domain::Timestamp;
use tests::{
    form::{Form, archive},
    stack::{SAMPLE_CATALOG, TestStack, UNREACHABLE_ENDPOINT},
};

/// The maximum number of values of one metric in one line, see
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
const MAX_VALUES: usize = 100;

/// The values of each metric by name, dimensions and unit, such as
/// `Refusals function_name=read-customizations problem=forbidden Count`.
type Metrics = BTreeMap<String, Vec<f64>>;

/// Parses a line in embedded metric format as CloudWatch does, and adds its metrics.
fn add_metrics(line: &Value, metrics: &mut Metrics) {
    let aws = &line["_aws"];
    assert!(aws["Timestamp"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds since 1970");
    let mut expected = BTreeSet::from(["_aws", "level", "timestamp", "function_request_id"]);
    for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "CatalogCustomizations");
        let [dimensions] = &directive["Dimensions"].as_array().unwrap()[..] else {
            panic!("a second set of dimensions would be a second billed metric: {line}")
        };
        let dimensions: BTreeSet<_> =
            dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        expected.extend(&dimensions);
        let dimensions = dimensions
            .iter()
            .map(|&name| format!("{name}={}", line[name].as_str().unwrap()))
            .collect::<Vec<_>>()
            .join(" ");
        for metric in directive["Metrics"].as_array().unwrap() {
            let (name, unit) = (metric["Name"].as_str().unwrap(), metric["Unit"].as_str().unwrap());
            expected.insert(name);
            let values = match &line[name] {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            assert!((1..=MAX_VALUES).contains(&values.len()), "{line}");
            let values = values.iter().map(|value| value.as_f64().unwrap());
            metrics.entry(format!("{name} {dimensions} {unit}")).or_default().extend(values);
        }
    }
    let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, expected, "the line has no other members");
}

/// The log lines in embedded metric format of both functions.
fn metric_lines(stack: &TestStack) -> Vec<Value> {
    let log = FunctionName::ALL.map(|function| stack.log(function)).concat();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["_aws"].is_object()).collect()
}

fn metrics(stack: &TestStack) -> Metrics {
    let mut metrics = Metrics::new();
    for line in metric_lines(stack) {
        add_metrics(&line, &mut metrics);
    }
    metrics
}

/// Sends requests with each outcome that has a metric.
async fn send_requests(stack: &TestStack) {
    let api = stack.api();
    let keyed = api.header("idempotency-key", "key");
    let id = keyed.create(Form::upload()).await.id();
    assert_eq!(keyed.create(Form::upload()).await.id(), id);
    let symlink = Tarball::new().symlink("a", "b").file("c", b"c").gzip();
    for (client, form, status) in [
        (&api, Form::upload().text("name", "x"), 201),
        (&api, Form::new().file("a.tgz", &symlink), 400),
        (&api, Form::new().file("a.tgz", b"this file is not in gzip format"), 400),
        (&api, Form::upload().filter(json!({"branch": "2"})), 400),
        (&api.headers(&[]), Form::upload(), 401),
        (&keyed, Form::upload().text("name", "x"), 422),
    ] {
        assert_eq!(client.create(form).await.status, status);
    }
    let response = api.customization(&id).await;
    let file = response.json()["artifact"]["url"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&file).await.status, 200);
    let other_tenant = stack.api_with(Token::default().organization("nobody"));
    assert_eq!(other_tenant.customization(&id).await.status, 404);
    let without_permission = stack.api_with(Token::default().claim("perms", json!([])));
    assert_eq!(without_permission.customization(&id).await.status, 403);
    assert_eq!(api.customization("x").await.status, 404);
}

/// The metrics after one request to each function while a dependency is unreachable. `variable`
/// configures its endpoint.
async fn metrics_without(variable: &str) -> Metrics {
    let stack = TestStack::start_with(&[(variable, Some(UNREACHABLE_ENDPOINT))]).await;
    let api = stack.api();
    assert_eq!(api.create(Form::upload()).await.status, 503);
    let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{}?filename=x", "0".repeat(64));
    assert_eq!(api.get(&file).await.status, 503);
    metrics(&stack)
}

/// Each dependency's prefix of metric names, and the variable that configures its endpoint.
const DEPENDENCIES: [(&str, &str); 3] = [
    ("DynamoDb", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("JwksEndpoint", "CSP_JWKS_URL"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
];

#[tokio::test]
async fn each_request_is_counted_by_its_outcome() {
    let stack = TestStack::start().await;
    send_requests(&stack).await;
    let (latencies, counts): (Metrics, Metrics) =
        metrics(&stack).into_iter().partition(|(metric, _)| metric.contains("Latency"));
    let size = f64::from(u32::try_from(archive().len()).unwrap());
    let (create, get) = ("function_name=write-customizations", "function_name=read-customizations");
    let expected: Metrics = [
        (format!("ArchiveRefusals {create} rule=not-gzip Count"), vec![1.0]),
        (format!("ArchiveRefusals {create} rule=symbolic-link Count"), vec![1.0]),
        (format!("ArtifactBytes {create} Bytes"), vec![size, size]),
        (format!("ColdStarts {create} Count"), vec![1.0]),
        (format!("ColdStarts {get} Count"), vec![1.0]),
        (format!("Creates {create} Count"), vec![1.0, 1.0]),
        (format!("JwksRefreshes {create} Count"), vec![1.0]),
        (format!("JwksRefreshes {get} Count"), vec![1.0]),
        (format!("Refusals {get} problem=catalog-not-found Count"), vec![1.0]),
        (format!("Refusals {get} problem=customization-not-found Count"), vec![1.0]),
        (format!("Refusals {get} problem=forbidden Count"), vec![1.0]),
        (format!("Refusals {create} problem=idempotency-key-reused Count"), vec![1.0]),
        (format!("Refusals {create} problem=unauthenticated Count"), vec![1.0]),
        (format!("Refusals {create} problem=validation-error Count"), vec![1.0, 1.0, 1.0]),
    ]
    .into();
    assert_eq!(counts, expected);

    let names = |dependency| {
        [create, get].map(|function| format!("{dependency}Latency {function} Milliseconds"))
    };
    let expected = DEPENDENCIES.iter().flat_map(|(name, _)| names(name)).collect::<BTreeSet<_>>();
    assert_eq!(latencies.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(latencies.values().flatten().all(|&latency| latency > 0.0), "{latencies:?}");
}

#[tokio::test]
async fn an_unreachable_dependency_is_counted_as_a_fault() {
    for (name, variable) in DEPENDENCIES {
        let metrics = metrics_without(variable).await;
        for function in FunctionName::ALL {
            let latencies =
                &metrics[&format!("{name}Latency function_name={function} Milliseconds")];
            let faults = &metrics[&format!("{name}Faults function_name={function} Count")];
            let faults: f64 = faults.iter().sum();
            assert_eq!(faults.to_string(), latencies.len().to_string(), "every attempt at {name}");
            let refusals =
                format!("Refusals function_name={function} problem=service-unavailable Count");
            assert_eq!(metrics[&refusals], [1.0]);
        }
        let mut faults = metrics.keys().filter(|metric| metric.contains("Faults "));
        assert!(faults.all(|metric| metric.starts_with(name)), "{metrics:?}");
    }
}

#[tokio::test]
async fn metrics_are_written_at_every_log_level() {
    for (level, expected) in
        [("TRACE", "INFO"), ("INFO", "INFO"), ("WARN", "WARN"), ("ERROR", "ERROR")]
    {
        let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", Some(level))]).await;
        let response = stack.api().create(Form::upload()).await;
        assert_eq!(response.status, 201);
        let lines = metric_lines(&stack);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["level"], expected);
        // Lambda treats a line without a valid timestamp as INFO.
        Timestamp::try_from(line["timestamp"].as_str().unwrap().to_owned()).unwrap();
    }
}

/// The word after each occurrence of `prefix`.
fn words_after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let word = |rest: &'a str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next();
    text.split(prefix).skip(1).filter_map(word)
}

#[tokio::test]
async fn the_template_monitors_exactly_the_metrics_that_the_functions_write() {
    let template = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let template = template.split_whitespace().collect::<Vec<_>>().join(" ");
    let in_alarms = words_after(&template, "Namespace: CatalogCustomizations MetricName: ");
    let in_widgets = words_after(&template, "\"CatalogCustomizations\", \"");
    let in_searches = words_after(&template, "MetricName=\\\"");
    let monitored: BTreeSet<_> = in_alarms.chain(in_widgets).chain(in_searches).collect();

    let stack = TestStack::start().await;
    send_requests(&stack).await;
    let mut metrics = metrics(&stack);
    for (_, variable) in DEPENDENCIES {
        metrics.append(&mut metrics_without(variable).await);
    }
    let written: BTreeSet<_> = metrics.keys().filter_map(|key| key.split(' ').next()).collect();
    assert_eq!(monitored, written);
}
