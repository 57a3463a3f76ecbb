//! The commands `admin` and `local`, run as processes.

use std::{fs, path::PathBuf, process::Output, time::Duration};

use local::{build::workspace, csp::Token};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tests::{
    api::Api,
    form::Form,
    process::{self, Local, TIMEOUT, children, command, is_running},
    stack::{DEBIAN, KAFKA_ON_DEBIAN, MISSING_CUSTOMIZATION, REGISTRY, SAMPLE_CATALOG, TestStack},
};
use tokio::{
    net::TcpListener,
    process::Command,
    time::{sleep, timeout},
};

/// Runs `admin` against the stores of `stack`.
async fn admin(stack: &TestStack, arguments: &[&str]) -> Output {
    command("admin")
        .await
        .args(arguments)
        .env_clear()
        .envs(stack.stack().environment().iter())
        .output()
        .await
        .unwrap()
}

/// The standard output of a command. Asserts success.
#[track_caller]
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The standard error of a command. Asserts failure without standard output.
#[track_caller]
fn stderr(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.stdout, b"", "a failed command prints no result");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn the_version_names_the_commit_of_the_build() {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(workspace());
    // A source archive has no git repository.
    let head = git.output().await.ok().filter(|output| output.status.success());
    let head = head.map(|output| String::from_utf8(output.stdout).unwrap());
    for name in ["admin", "local", "smoke-test"] {
        let line = stdout(&command(name).await.arg("--version").output().await.unwrap());
        let version = line.strip_prefix(&format!("{name} {}", env!("CARGO_PKG_VERSION")));
        let Some(head) = &head else {
            assert_eq!(version, Some("\n"));
            continue;
        };
        let commit = version.and_then(|rest| rest.strip_prefix(" (")?.strip_suffix(")\n")).unwrap();
        let commit = commit.strip_suffix("-modified").unwrap_or(commit);
        assert!(commit.len() >= 7 && head.starts_with(commit), "{commit} of {head}");
    }
}

#[tokio::test]
async fn an_import_adds_records_and_is_idempotent() {
    let stack = TestStack::start().await;
    let file = stack.directory().join("catalogs.json");
    let catalogs = json!({
        "products": [{"key": "redis", "name": "Redis"}],
        "catalogs": [{
            "id": "caches",
            "org_id": "68c0f832-5169-4433-ab2f-40e939e3f1bc",
            "applications": [{
                "application_id": "redis-7",
                "product_key": "redis",
                "branch": "7",
                // Both are in the table already, from the sample catalog.
                "base_image_id": DEBIAN,
                "registry_id": REGISTRY,
                "latest_release": {
                    "id": "r1", "revision": "0", "version": "7.0.8", "released_at": "2023-03-03T00:59:52Z",
                },
            }],
        }],
    });
    fs::write(&file, catalogs.to_string()).unwrap();
    let arguments = ["import", "--table", "customizations", file.to_str().unwrap()];
    let expected = format!("imported 3 records from {}\n", file.display());
    assert_eq!(stdout(&admin(&stack, &arguments).await), expected);
    let contents = stack.contents().await;
    assert_eq!(stdout(&admin(&stack, &arguments).await), expected);
    assert_eq!(stack.contents().await, contents);

    let created = stack.api().create_in("caches", Form::upload()).await;
    let body = stack.api().get(created.header("location")).await.json();
    assert_eq!(body["affected_releasables"][0]["application_id"], "redis-7");
}

#[tokio::test]
async fn an_invalid_import_writes_nothing() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let file = stack.directory().join("catalogs.json");
    let catalogs = json!({
        "products": [{"key": "redis", "name": "Redis"}],
        "catalogs": [
            {"id": SAMPLE_CATALOG, "org_id": "thieves"},
            {"id": "caches", "org_id": "me", "applications": [{
                "application_id": "redis-7", "product_key": "redis", "branch": "7",
                "base_image_id": "none", "registry_id": "none",
            }]},
        ],
    });
    fs::write(&file, catalogs.to_string()).unwrap();
    let output =
        admin(&stack, &["import", "--table", "customizations", file.to_str().unwrap()]).await;
    let expected = format!(
        "error: {} is not imported:\n\
         catalogs[1].applications[0].base_image_id: there is no base image none, in the file or in the table\n\
         catalogs[1].applications[0].registry_id: there is no registry none, in the file or in the table\n\
         catalogs[0].org_id: the catalog belongs to 68c0f832-5169-4433-ab2f-40e939e3f1bc; its owner cannot change\n",
        file.display(),
    );
    assert_eq!(stderr(&output), expected);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn build_results_and_statuses_are_recorded_and_returned() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let target = ["--table", "customizations", "--catalog", SAMPLE_CATALOG, "--customization", &id];
    let record = async |result: &[&str]| {
        let arguments =
            [&["record-build"][..], &target, &["--application", KAFKA_ON_DEBIAN], result].concat();
        admin(&stack, &arguments).await
    };
    let releasable = async || {
        let body = stack.api().customization(&id).await.json();
        let releasables = body["affected_releasables"].as_array().unwrap().clone();
        releasables.into_iter().find(|one| one["application_id"] == KAFKA_ON_DEBIAN).unwrap()
    };

    let failed = [
        "--status",
        "FAILED",
        "--cause",
        "TEST_ERROR",
        "--description",
        "no",
        "--source-url",
        "https://x/",
    ];
    assert_eq!(
        stdout(&record(&failed).await),
        format!("recorded FAILED for application {KAFKA_ON_DEBIAN}\n")
    );
    let found = releasable().await;
    assert_eq!(found["status"], "FAILED");
    let failure = found["failure"].clone();
    assert!(failure["error_date"].is_string());
    let expected = json!({
        "description": "no", "source_url": "https://x/", "cause": "TEST_ERROR",
        "error_date": failure["error_date"],
    });
    assert_eq!(failure, expected);

    stdout(&record(&["--status", "SUCCEEDED"]).await);
    let found = releasable().await;
    assert_eq!((&found["status"], found.get("failure")), (&json!("SUCCEEDED"), None));

    let set_status = async |status: &str| {
        let arguments =
            [&["set-status"][..], &target, &["--status", status, "--by", "jane"]].concat();
        admin(&stack, &arguments).await
    };
    let expected = format!("customization {id} is PROCESSING_CREATE_STARTED\n");
    assert_eq!(stdout(&set_status("PROCESSING_CREATE_STARTED").await), expected);
    let body = stack.api().customization(&id).await.json();
    assert_eq!(body["status"], "PROCESSING_CREATE_STARTED");
    assert_eq!((&body["updated_by"], body.get("removed_by")), (&json!("jane"), None));
    assert!(stderr(&set_status("PAUSED").await).contains("invalid value 'PAUSED'"));
}

#[tokio::test]
async fn a_late_report_changes_nothing_and_says_so() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    api.update(&id, Form::upload()).await.assert_no_content();
    let target = ["--table", "customizations", "--catalog", SAMPLE_CATALOG, "--customization", &id];
    let application = ["--application", KAFKA_ON_DEBIAN];
    let report = async |command: &str, version: &str, options: &[&str]| {
        let version = ["--version", version];
        admin(&stack, &[&[command][..], &target, &version, options].concat()).await
    };
    let succeeded = [&application[..], &["--status", "SUCCEEDED"]].concat();
    let failed = [&application[..], &["--status", "FAILED"]].concat();
    let late = "nothing changed: the report is of an earlier version than v2\n";
    let done = format!("recorded SUCCEEDED for application {KAFKA_ON_DEBIAN}\n");
    assert_eq!(stdout(&report("record-build", "v2", &succeeded).await), done);
    assert_eq!(stdout(&report("record-build", "v1", &failed).await), late);
    let started = ["--status", "PROCESSING_CREATE_STARTED"];
    assert_eq!(stdout(&report("set-status", "v1", &started).await), late);
    let body = api.customization(&id).await.json();
    assert_eq!(body["affected_releasables"][0]["status"], "SUCCEEDED");
    assert_eq!(body["status"], "UPDATED");

    let missing = "error: the customization has no version v3; its current version is v2\n";
    assert_eq!(stderr(&report("record-build", "v3", &succeeded).await), missing);
    assert_eq!(stderr(&report("set-status", "v3", &started).await), missing);
    assert!(stderr(&report("set-status", "3", &started).await).contains("invalid value '3'"));

    api.remove(&id).await.assert_no_content();
    let removed = "nothing changed: the customization is removed\n";
    assert_eq!(stdout(&report("set-status", "v2", &started).await), removed);
    assert_eq!(api.customization(&id).await.json()["status"], "DELETED");
}

#[tokio::test]
async fn an_invalid_build_result_or_status_is_refused() {
    let stack = TestStack::start().await;
    let filter = json!({"product_key": "postgresql"});
    let id = stack.api().create(Form::upload().filter(filter)).await.id();
    let before = stack.contents().await;
    let postgresql = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a05";
    let missing =
        format!("error: catalog {SAMPLE_CATALOG} has no customization {MISSING_CUSTOMIZATION}\n");
    let not_affected =
        |id: &str| format!("error: the customization does not affect application {id}\n");
    for (command, customization, options, message) in [
        (
            "record-build",
            MISSING_CUSTOMIZATION,
            &["--application", postgresql, "--status", "PENDING"][..],
            missing.clone(),
        ),
        (
            "record-build",
            &id,
            &["--application", KAFKA_ON_DEBIAN, "--status", "PENDING"],
            not_affected(KAFKA_ON_DEBIAN),
        ),
        ("record-build", &id, &["--application", "x", "--status", "PENDING"], not_affected("x")),
        (
            "record-build",
            &id,
            &["--application", postgresql, "--status", "PENDING", "--cause", "UNKNOWN"],
            "error: --cause, --description and --source-url require --status FAILED\n".into(),
        ),
        ("set-status", MISSING_CUSTOMIZATION, &["--status", "DELETED"], missing),
    ] {
        let target = [
            "--table",
            "customizations",
            "--catalog",
            SAMPLE_CATALOG,
            "--customization",
            customization,
        ];
        let output = admin(&stack, &[&[command][..], &target, options].concat()).await;
        assert_eq!(stderr(&output), message);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn local_starts_and_stops_the_whole_stack() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let data = data.to_str().unwrap();
        let arguments = ["--port", "0", "--data-dir", data, "--allow-host", "build-machine"];
        let mut local = Local::start(&arguments).await;
        let api = Api::new(local.url.clone(), Token::default());
        let id = api.create(Form::upload()).await.id();
        assert_eq!(api.customization(&id).await.status, 200);
        let allowed_host = api.header("host", "build-machine:9000");
        assert_eq!(allowed_host.customization(&id).await.status, 200);
        let pid = local.pid();
        let functions = children(pid);
        assert!(functions.len() >= 2, "{functions:?}");

        // A second process must not use the same port or the same data.
        let port = local.url.rsplit(':').next().unwrap();
        let second = || Command::new(PathBuf::from("/proc").join(pid.to_string()).join("exe"));
        let other_data = directory.path().join("other");
        let same_port = ["--port", port, "--data-dir", other_data.to_str().unwrap()];
        let output = second().args(same_port).output().await.unwrap();
        let message = format!("local: port {port} is in use by another program\n");
        assert_eq!(stderr(&output), message);
        let output = second().args(arguments).output().await.unwrap();
        let message = stderr(&output);
        assert!(message.contains("is in use"), "{message}");

        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        let status = timeout(TIMEOUT, local.process.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        for function in functions {
            // On a busy machine a killed process takes a moment to end.
            let ended = async {
                while is_running(function) {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(TIMEOUT, ended).await.expect("every function has ended");
        }
        let port = local.url.rsplit(':').next().unwrap().parse().unwrap();
        assert!(TcpListener::bind(("127.0.0.1", port)).await.is_ok(), "the port is free again");
    }
}

#[tokio::test]
async fn a_killed_function_is_restarted() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let functions = process::functions(&stack);
    assert!(functions.len() >= 2, "{functions:?}");
    for function in functions {
        process::kill(function).await;
    }
    assert_eq!(stack.api().customization(&id).await.status, 200);
    assert_eq!(stack.api().create(Form::upload()).await.status, 201);
}

#[tokio::test]
async fn local_stores_writes_the_environment_of_the_functions() {
    let directory = tempfile::tempdir().unwrap();
    let (data, env_file) = (directory.path().join("data"), directory.path().join("env"));
    let arguments =
        ["stores", "--env-file", env_file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let local = Local::start(&arguments).await;
    let environment = fs::read_to_string(&env_file).unwrap();
    let names: Vec<_> = environment.lines().map(|line| line.split_once('=').unwrap().0).collect();
    for name in [
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_S3",
        "BUCKET_NAME",
        "CSP_WRITE_PERMISSIONS",
        "CSP_ISSUER",
        "CSP_JWKS_URL",
        "CSP_READ_PERMISSIONS",
        "PROBLEM_TYPE_BASE",
        "TABLE_NAME",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(environment.contains(&format!("AWS_ENDPOINT_URL_DYNAMODB={}\n", local.url)));
}

#[tokio::test]
async fn local_token_has_the_requested_claims() {
    let arguments =
        ["token", "--org", "o", "--user", "u", "--perm", "p", "--perm", "q", "--expires-in", "60"];
    let output = command("local").await.args(arguments).output().await.unwrap();
    let token = stdout(&output);
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["context_name"], "o");
    assert_eq!(claims["username"], "u");
    assert_eq!(claims["perms"], json!(["p", "q"]));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 60);
}
