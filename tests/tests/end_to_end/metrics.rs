//! Metrics: what the functions count reaches CloudWatch, whatever the level of the log, and the
//! template watches nothing that nobody counts.

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
    stack::{NOWHERE, SAMPLE_CATALOG, TestStack},
};

/// The most values of one metric in one line.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
const MAX_VALUES: usize = 100;

/// What the functions have counted: the values of each metric, by its name, its dimensions and its
/// unit, such as `Refusals function_name=read-customizations problem=forbidden Count`.
type Counted = BTreeMap<String, Vec<f64>>;

/// Adds the metrics in a line, read as CloudWatch reads them.
fn count(line: &Value, counted: &mut Counted) {
    let aws = &line["_aws"];
    assert!(aws["Timestamp"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds since 1970");
    let mut known = BTreeSet::from(["_aws", "level", "timestamp", "function_request_id"]);
    for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "CatalogCustomizations");
        let [dimensions] = &directive["Dimensions"].as_array().unwrap()[..] else {
            panic!("{line}: each set of dimensions would make a metric of its own")
        };
        let dimensions: BTreeSet<_> =
            dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        known.extend(&dimensions);
        let dimensions = dimensions
            .iter()
            .map(|&name| format!("{name}={}", line[name].as_str().unwrap()))
            .collect::<Vec<_>>()
            .join(" ");
        for metric in directive["Metrics"].as_array().unwrap() {
            let (name, unit) = (metric["Name"].as_str().unwrap(), metric["Unit"].as_str().unwrap());
            known.insert(name);
            let values = match &line[name] {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            assert!((1..=MAX_VALUES).contains(&values.len()), "{line}");
            let values = values.iter().map(|value| value.as_f64().unwrap());
            counted.entry(format!("{name} {dimensions} {unit}")).or_default().extend(values);
        }
    }
    let members: BTreeSet<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, known, "nothing else is in the line");
}

/// The lines of metrics that the functions have written.
fn metric_lines(stack: &TestStack) -> Vec<Value> {
    let log = FunctionName::ALL.map(|function| stack.log(function)).concat();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["_aws"].is_object()).collect()
}

fn counted(stack: &TestStack) -> Counted {
    let mut counted = Counted::new();
    for line in metric_lines(stack) {
        count(&line, &mut counted);
    }
    counted
}

/// Sends each kind of request.
async fn be_busy(stack: &TestStack) {
    let api = stack.api();
    let keyed = api.header("idempotency-key", "key");
    let id = keyed.create(Form::upload()).await.id();
    assert_eq!(keyed.create(Form::upload()).await.id(), id);
    let link = Tarball::new().symlink("a", "b").file("c", b"c").gzip();
    for (caller, form, status) in [
        (&api, Form::upload().text("name", "x"), 201),
        (&api, Form::new().file("a.tgz", &link), 400),
        (&api, Form::new().file("a.tgz", b"whatever this may be, it is no gzip"), 400),
        (&api, Form::upload().filter(json!({"branch": "2"})), 400),
        (&api.headers(&[]), Form::upload(), 401),
        (&keyed, Form::upload().text("name", "x"), 422),
    ] {
        assert_eq!(caller.create(form).await.status, status);
    }
    let answer = api.customization(&id).await;
    let file = answer.json()["artifact"]["url"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&file).await.status, 200);
    let stranger = stack.api_with(Token::default().organization("nobody"));
    assert_eq!(stranger.customization(&id).await.status, 404);
    let powerless = stack.api_with(Token::default().claim("perms", json!([])));
    assert_eq!(powerless.customization(&id).await.status, 403);
    assert_eq!(api.customization("x").await.status, 404);
}

/// What the functions count where one dependency is out of reach, after a request to each of them
/// that needs it.
async fn counted_without(endpoint: &str) -> Counted {
    let stack = TestStack::start_with(&[(endpoint, Some(NOWHERE))]).await;
    let api = stack.api();
    assert_eq!(api.create(Form::upload()).await.status, 503);
    let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{}?filename=x", "0".repeat(64));
    assert_eq!(api.get(&file).await.status, 503);
    counted(&stack)
}

/// The dependencies, and where they are configured.
const DEPENDENCIES: [(&str, &str); 3] = [
    ("DynamoDb", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("JwksEndpoint", "CSP_JWKS_URL"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
];

#[tokio::test]
async fn what_becomes_of_requests_is_counted() {
    let stack = TestStack::start().await;
    be_busy(&stack).await;
    let (times, rest): (Counted, Counted) =
        counted(&stack).into_iter().partition(|(metric, _)| metric.contains("Latency"));
    let size = f64::from(u32::try_from(archive().len()).unwrap());
    let (create, get) = ("function_name=write-customizations", "function_name=read-customizations");
    let expected: Counted = [
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
    assert_eq!(rest, expected);

    let of_both =
        |name| [create, get].map(|service| format!("{name}Latency {service} Milliseconds"));
    let expected = DEPENDENCIES.iter().flat_map(|(name, _)| of_both(name)).collect::<BTreeSet<_>>();
    assert_eq!(times.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(times.values().flatten().all(|&time| time > 0.0), "{times:?}");
}

#[tokio::test]
async fn what_does_not_answer_is_counted_as_its_fault() {
    for (name, endpoint) in DEPENDENCIES {
        let counted = counted_without(endpoint).await;
        for service in FunctionName::ALL {
            let latency = &counted[&format!("{name}Latency function_name={service} Milliseconds")];
            let faults = &counted[&format!("{name}Faults function_name={service} Count")];
            let faults: f64 = faults.iter().sum();
            assert_eq!(faults.to_string(), latency.len().to_string(), "every attempt at {name}");
            let refused =
                format!("Refusals function_name={service} problem=service-unavailable Count");
            assert_eq!(counted[&refused], [1.0]);
        }
        let mut faulty = counted.keys().filter(|metric| metric.contains("Faults "));
        assert!(faulty.all(|metric| metric.starts_with(name)), "{counted:?}");
    }
}

#[tokio::test]
async fn no_level_of_the_log_hides_metrics() {
    for (level, expected) in
        [("TRACE", "INFO"), ("INFO", "INFO"), ("WARN", "WARN"), ("ERROR", "ERROR")]
    {
        let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", Some(level))]).await;
        let answer = stack.api().create(Form::upload()).await;
        assert_eq!(answer.status, 201);
        let lines = metric_lines(&stack);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["level"], expected);
        // Without a valid time, Lambda takes a line for INFO.
        Timestamp::try_from(line["timestamp"].as_str().unwrap().to_owned()).unwrap();
    }
}

/// The words of `text` that come after `mark`.
fn after<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    let word = |rest: &'a str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next();
    text.split(mark).skip(1).filter_map(word)
}

#[tokio::test]
async fn the_template_watches_what_is_counted_and_all_of_it() {
    let template = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let template = template.split_whitespace().collect::<Vec<_>>().join(" ");
    let in_alarms = after(&template, "Namespace: CatalogCustomizations MetricName: ");
    let in_widgets = after(&template, "\"CatalogCustomizations\", \"");
    let in_searches = after(&template, "MetricName=\\\"");
    let watched: BTreeSet<_> = in_alarms.chain(in_widgets).chain(in_searches).collect();

    let busy = TestStack::start().await;
    be_busy(&busy).await;
    let mut metrics = counted(&busy);
    for (_, endpoint) in DEPENDENCIES {
        metrics.append(&mut counted_without(endpoint).await);
    }
    let counted: BTreeSet<_> = metrics.keys().filter_map(|key| key.split(' ').next()).collect();
    assert_eq!(watched, counted);
}
