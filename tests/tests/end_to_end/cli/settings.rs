//! Settings, completions and manual pages.

use std::fs;

use serde_json::json;
use tests::{
    cli::Cli,
    stack::{SAMPLE_CATALOG, TestStack},
};

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let file = cli.home(".config/customizations/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = "url = \"https://file.example.com\"\ncatalog = \"from-file\"\ncsp_url = \"https://csp.example.com\"\n";
    fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    let config = async |cli: &Cli, arguments: &[&str]| {
        cli.run(&[&["config", "--json"], arguments].concat()).await.json()
    };
    let row = |name: &str, value: &str, source: &str| json!({"name": name, "value": value, "source": source});
    let csp_url = row("csp_url", "https://csp.example.com", &path);
    assert_eq!(
        config(&cli, &["--catalog", "from-flag"]).await,
        json!([
            row("url", &stack.base_url(), "CUSTOMIZATIONS_URL"),
            row("catalog", "from-flag", "--catalog"),
            csp_url,
            row("token", "set", "CSP_ACCESS_TOKEN"),
        ])
    );
    let cli = cli.without("CUSTOMIZATIONS_URL").without("CUSTOMIZATIONS_CATALOG");
    let cli = cli.without("CSP_ACCESS_TOKEN");
    assert_eq!(
        config(&cli, &[]).await,
        json!([
            row("url", "https://file.example.com", &path),
            row("catalog", "from-file", &path),
            csp_url,
            {"name": "token", "value": null, "source": null},
        ])
    );
    // XDG_CONFIG_HOME moves the folder.
    let elsewhere = cli.path("").display().to_string();
    let cli = cli.env("XDG_CONFIG_HOME", &elsewhere);
    cli.write("customizations/config.toml", format!("catalog = \"{SAMPLE_CATALOG}\""));
    assert_eq!(config(&cli, &[]).await[1]["value"], SAMPLE_CATALOG);
    let table = cli.run(&["config"]).await;
    assert_eq!(
        table.assert_success().stdout.lines().next(),
        Some("SETTING  VALUE                                 FROM")
    );
    assert_eq!(
        table.stderr,
        format!("configuration file: {elsewhere}customizations/config.toml\n")
    );
}

#[tokio::test]
async fn missing_and_invalid_settings_say_what_to_do() {
    let cli = Cli::offline().env("CSP_ACCESS_TOKEN", "x");
    let file = cli.home(".config/customizations/config.toml");
    let path = file.display();
    let missing = format!(
        "error: no URL of the service: use --url, set CUSTOMIZATIONS_URL, or write `url = \"…\"` to {path}\n"
    );
    cli.run(&["list"]).await.assert_failure(2, &missing);
    let cli = cli.env("CUSTOMIZATIONS_URL", "http://api.example.com");
    let missing = format!(
        "error: no catalog: use --catalog, set CUSTOMIZATIONS_CATALOG, or write `catalog = \"…\"` to {path}\n"
    );
    let insecure = "error: the URL http://api.example.com (CUSTOMIZATIONS_URL) is not valid: \
                    it would send the token unencrypted; use https\n";
    cli.run(&["list"]).await.assert_failure(2, insecure);
    let cli = cli.env("CUSTOMIZATIONS_URL", "https://api.example.com");
    cli.run(&["list"]).await.assert_failure(2, &missing);

    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "urll = \"x\"").unwrap();
    let output = cli.run(&["list"]).await;
    assert_eq!(output.code, Some(2));
    let unknown = format!("error: {path} is not valid: ");
    assert!(output.stderr.starts_with(&unknown), "{output:?}");
    assert!(output.stderr.contains("unknown field `urll`"), "{output:?}");
    // A command that sends nothing needs no settings.
    cli.write("x.tgz", "x");
    assert_eq!(cli.run(&["check", "x.tgz"]).await.code, Some(1));
}

#[tokio::test]
async fn completions_and_manual_pages_know_every_command() {
    let cli = Cli::offline();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = cli.run(&["completions", shell]).await.assert_success().stdout.clone();
        assert!(script.contains("download") && script.contains("idempotency-key"), "{shell}");
    }
    cli.run(&["man", "."]).await.assert_success();
    let names = cli.names();
    assert!(names.contains(&"customizations.1".to_owned()), "{names:?}");
    assert!(names.contains(&"customizations-push.1".to_owned()), "{names:?}");
    let help = cli.run(&["--help"]).await.assert_success().stdout.clone();
    for command in
        ["check", "pack", "push", "update", "list", "get", "versions", "remove", "download"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        assert!(names.contains(&format!("customizations-{command}.1")), "{names:?}");
    }
    assert!(help.contains("Exit codes:\n  0  success\n"), "{help}");
    let page = fs::read_to_string(cli.path("customizations.1")).unwrap();
    assert!(page.contains("Exit codes"), "{page}");
}
