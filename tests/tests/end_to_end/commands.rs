//! The commands, as an operator types them: `admin`, and `local` itself.

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
    stack::{DEBIAN, KAFKA_ON_DEBIAN, NOBODYS_CUSTOMIZATION, REGISTRY, SAMPLE_CATALOG, TestStack},
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
    for name in ["admin", "local"] {
        let line = printed(&command(name).await.arg("--version").output().await.unwrap());
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
    let of = ["--table", "customizations", "--catalog", SAMPLE_CATALOG, "--customization", &id];
    let record = async |more: &[&str]| {
        let arguments =
            [&["record-build"][..], &of, &["--application", KAFKA_ON_DEBIAN], more].concat();
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
        printed(&record(&failed).await),
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
    let postgresql = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a05";
    let missing =
        format!("error: catalog {SAMPLE_CATALOG} has no customization {NOBODYS_CUSTOMIZATION}\n");
    let not_affected = |id: &str| {
        format!("error: application {id} is not among those that the customization is for\n")
    };
    for (command, customization, more, message) in [
        (
            "record-build",
            NOBODYS_CUSTOMIZATION,
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
            "error: --cause, --description and --source-url go with --status FAILED only\n".into(),
        ),
        ("set-status", NOBODYS_CUSTOMIZATION, &["--status", "DELETED"], missing),
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

#[tokio::test]
async fn one_command_serves_it_all_and_stops_it_all() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let data = data.to_str().unwrap();
        let arguments = ["--port", "0", "--data-dir", data, "--allow-host", "build-machine"];
        let mut local = Local::start(&arguments).await;
        let api = Api::new(local.url.clone(), Token::default());
        let id = api.create(Form::upload()).await.id();
        assert_eq!(api.customization(&id).await.status, 200);
        let other_name = api.header("host", "build-machine:9000");
        assert_eq!(other_name.customization(&id).await.status, 200);
        let pid = local.pid();
        let functions = children(pid);
        assert!(functions.len() >= 2, "{functions:?}");

        // A second one finds the port and the data taken.
        let port = local.url.rsplit(':').next().unwrap();
        let second = || Command::new(PathBuf::from("/proc").join(pid.to_string()).join("exe"));
        let other = directory.path().join("other");
        let arguments_of_second = ["--port", port, "--data-dir", other.to_str().unwrap()];
        let output = second().args(arguments_of_second).output().await.unwrap();
        let message = format!("local: port {port} is in use by another program\n");
        assert_eq!(refused(&output), message);
        let output = second().args(arguments).output().await.unwrap();
        let message = refused(&output);
        assert!(message.contains("is in use"), "{message}");

        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
        let status = timeout(TIMEOUT, local.process.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        for function in functions {
            // A killed process may need a moment to end on a busy machine.
            let ended = async {
                while is_running(function) {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(TIMEOUT, ended).await.expect("no process is left");
        }
        let port = local.url.rsplit(':').next().unwrap().parse().unwrap();
        assert!(TcpListener::bind(("127.0.0.1", port)).await.is_ok(), "the port is free again");
    }
}

#[tokio::test]
async fn a_function_that_dies_is_started_again() {
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
async fn the_stores_alone_are_served_with_the_functions_environment() {
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
async fn a_token_says_what_it_is_told_to() {
    let arguments =
        ["token", "--org", "o", "--user", "u", "--perm", "p", "--perm", "q", "--expires-in", "60"];
    let output = command("local").await.args(arguments).output().await.unwrap();
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
