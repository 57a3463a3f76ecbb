//! The commands, as an operator types them: `admin`, and `local` itself.

use std::{
    fs,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use local::{build::workspace, csp::Token, function::FunctionName};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tests::{
    api::Api,
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack, binaries},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Longer than anything here takes, even on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The folder of the commands' binaries, which are built with the functions'.
pub(crate) async fn commands() -> PathBuf {
    binaries().await.of(FunctionName::CreateCustomization).parent().unwrap().to_owned()
}

/// Runs `admin` against the stores of `stack`.
async fn admin(stack: &TestStack, arguments: &[&str]) -> Output {
    Command::new(commands().await.join("admin"))
        .args(arguments)
        .env_clear()
        .envs(stack.stack().environment().iter())
        .output()
        .await
        .unwrap()
}

/// The lines that a command that did its work printed.
#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command that did not told of why.
#[track_caller]
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.stdout, b"", "nothing was done");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn each_command_names_the_commit_that_it_was_built_from() {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(workspace());
    // An unpacked archive of the source has no commit to name.
    let head = git.output().await.ok().filter(|output| output.status.success());
    let head = head.map(|output| String::from_utf8(output.stdout).unwrap());
    for command in ["admin", "local"] {
        let binary = commands().await.join(command);
        let line = printed(&Command::new(binary).arg("--version").output().await.unwrap());
        let version = line.strip_prefix(&format!("{command} {}", env!("CARGO_PKG_VERSION")));
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
async fn an_import_adds_and_replaces_and_changes_nothing_the_second_time() {
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
                // These two are in the table already.
                "base_image_id": "549cfa79-352c-4555-9d28-4442de551829",
                "registry_id": "0f5d1a86-2e04-4c55-9d5f-6c1b6f2f7a10",
                "latest_release": {
                    "id": "r1", "revision": "0", "version": "7.0.8", "released_at": "2023-03-03T00:59:52Z",
                },
            }],
        }],
    });
    fs::write(&file, catalogs.to_string()).unwrap();
    let arguments = ["import", "--table", "customizations", file.to_str().unwrap()];
    let expected = format!("imported 3 records from {}\n", file.display());
    assert_eq!(printed(&admin(&stack, &arguments).await), expected);
    let contents = stack.contents().await;
    assert_eq!(printed(&admin(&stack, &arguments).await), expected);
    assert_eq!(stack.contents().await, contents);

    let created = stack.api().create_in("caches", Form::upload()).await;
    let body = stack.api().get(created.header("location")).await.json();
    assert_eq!(body["affected_releasables"][0]["application_id"], "redis-7");
}

#[tokio::test]
async fn an_import_with_faults_writes_nothing() {
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
         catalogs[0].org_id: the catalog belongs to 68c0f832-5169-4433-ab2f-40e939e3f1bc; it cannot be given away\n",
        file.display(),
    );
    assert_eq!(refused(&output), expected);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn what_the_pipeline_found_is_recorded_and_answered() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let application = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a01";
    let of = ["--table", "customizations", "--catalog", SAMPLE_CATALOG, "--customization", &id];
    let record = async |more: &[&str]| {
        let arguments =
            [&["record-build"][..], &of, &["--application", application], more].concat();
        admin(&stack, &arguments).await
    };
    let releasable = async || {
        let body = stack.api().customization(&id).await.json();
        let releasables = body["affected_releasables"].as_array().unwrap().clone();
        releasables.into_iter().find(|one| one["application_id"] == application).unwrap()
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
        printed(&record(&failed).await),
        format!("recorded FAILED for application {application}\n")
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

    printed(&record(&["--status", "SUCCEEDED"]).await);
    let found = releasable().await;
    assert_eq!((&found["status"], found.get("failure")), (&json!("SUCCEEDED"), None));

    let set_status = async |status: &str| {
        admin(&stack, &[&["set-status"][..], &of, &["--status", status, "--by", "jane"]].concat())
            .await
    };
    let expected = format!("customization {id} is PROCESSING_CREATE_STARTED\n");
    assert_eq!(printed(&set_status("PROCESSING_CREATE_STARTED").await), expected);
    let body = stack.api().customization(&id).await.json();
    assert_eq!(body["status"], "PROCESSING_CREATE_STARTED");
    assert_eq!((&body["updated_by"], body.get("removed_by")), (&json!("jane"), None));
    assert!(refused(&set_status("PAUSED").await).contains("invalid value 'PAUSED'"));
}

#[tokio::test]
async fn nothing_is_recorded_of_what_is_not_there() {
    let stack = TestStack::start().await;
    let filter = json!({"product_key": "postgresql"});
    let id = stack.api().create(Form::upload().filter(filter)).await.id();
    let before = stack.contents().await;
    let nobodys = "0192d3a4-5b6c-7def-8123-456789abcdef";
    let kafka = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a01";
    let postgresql = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a05";
    let missing = format!("error: catalog {SAMPLE_CATALOG} has no customization {nobodys}\n");
    let not_affected = |id: &str| {
        format!("error: application {id} is not among those that the customization is for\n")
    };
    for (command, customization, more, message) in [
        (
            "record-build",
            nobodys,
            &["--application", postgresql, "--status", "PENDING"][..],
            missing.clone(),
        ),
        (
            "record-build",
            &id,
            &["--application", kafka, "--status", "PENDING"],
            not_affected(kafka),
        ),
        ("record-build", &id, &["--application", "x", "--status", "PENDING"], not_affected("x")),
        (
            "record-build",
            &id,
            &["--application", postgresql, "--status", "PENDING", "--cause", "UNKNOWN"],
            "error: --cause, --description and --source-url go with --status FAILED only\n".into(),
        ),
        ("set-status", nobodys, &["--status", "DELETED"], missing),
    ] {
        let of = [
            "--table",
            "customizations",
            "--catalog",
            SAMPLE_CATALOG,
            "--customization",
            customization,
        ];
        let output = admin(&stack, &[&[command][..], &of, more].concat()).await;
        assert_eq!(refused(&output), message);
    }
    assert_eq!(stack.contents().await, before);
}

/// Starts `local` and waits until it is ready.
pub(crate) async fn start(arguments: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = Command::new(commands().await.join("local"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let ready = async {
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).await.unwrap(), 0, "the stack is not ready");
            if let Some(url) = line.strip_prefix("ready ") {
                return url.trim_end().to_owned();
            }
        }
    };
    let url = timeout(PATIENCE, ready).await.expect("the stack is ready in time");
    (child, lines, url)
}

/// A process's state and its parent.
fn state(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Whether there is such a process, and not only its end to be noticed by its parent.
pub(crate) fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|(state, _)| state != "Z")
}

/// The processes that `parent` has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let of_parent = |pid: &u32| state(*pid).is_some_and(|(_, other)| other == parent);
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(of_parent).collect()
}

#[tokio::test]
async fn one_command_serves_it_all_and_stops_it_all() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let arguments = ["--port", "0", "--data-dir", data.to_str().unwrap()];
        let (mut child, _lines, url) = start(&arguments).await;
        let api = Api::new(url.clone(), Token::default());
        let id = api.create(Form::upload()).await.id();
        assert_eq!(api.customization(&id).await.status, 200);
        let pid = child.id().unwrap();
        let functions = children(pid);
        assert!(functions.len() >= 2, "{functions:?}");

        // A second one finds the port and the data taken.
        let port = url.rsplit(':').next().unwrap();
        let local = || Command::new(PathBuf::from("/proc").join(pid.to_string()).join("exe"));
        let other = directory.path().join("other");
        let arguments_of_second = ["--port", port, "--data-dir", other.to_str().unwrap()];
        let output = local().args(arguments_of_second).output().await.unwrap();
        let message = format!("local: port {port} is in use by another program\n");
        assert_eq!(refused(&output), message);
        let output = local().args(arguments).output().await.unwrap();
        let message = refused(&output);
        assert!(message.contains("is in use"), "{message}");

        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        for function in functions {
            assert!(!is_running(function), "process {function} is left");
        }
        let port = port.parse().unwrap();
        assert!(TcpListener::bind(("127.0.0.1", port)).await.is_ok(), "the port is free again");
    }
}

#[tokio::test]
async fn a_function_that_dies_is_started_again() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    for process in children(std::process::id()) {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let endpoint = stack.stack().stores().dynamodb_endpoint();
        if String::from_utf8_lossy(&environment).contains(&endpoint) {
            kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL).unwrap();
            while is_running(process) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    assert_eq!(stack.api().customization(&id).await.status, 200);
    assert_eq!(stack.api().create(Form::upload()).await.status, 201);
}

#[tokio::test]
async fn the_stores_alone_are_served_with_the_functions_environment() {
    let directory = tempfile::tempdir().unwrap();
    let (data, env_file) = (directory.path().join("data"), directory.path().join("env"));
    let arguments =
        ["stores", "--env-file", env_file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let (child, _lines, url) = start(&arguments).await;
    let environment = fs::read_to_string(&env_file).unwrap();
    let names: Vec<_> = environment.lines().map(|line| line.split_once('=').unwrap().0).collect();
    for name in [
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_S3",
        "BUCKET_NAME",
        "CSP_CREATE_PERMISSIONS",
        "CSP_ISSUER",
        "CSP_JWKS_URL",
        "CSP_READ_PERMISSIONS",
        "PROBLEM_TYPE_BASE",
        "TABLE_NAME",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(environment.contains(&format!("AWS_ENDPOINT_URL_DYNAMODB={url}\n")));
    drop(child);
}

#[tokio::test]
async fn a_token_says_what_it_is_told_to() {
    let arguments =
        ["token", "--org", "o", "--user", "u", "--perm", "p", "--perm", "q", "--expires-in", "60"];
    let output =
        Command::new(commands().await.join("local")).args(arguments).output().await.unwrap();
    let token = printed(&output);
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["context_name"], "o");
    assert_eq!(claims["username"], "u");
    assert_eq!(claims["perms"], json!(["p", "q"]));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 60);
}
