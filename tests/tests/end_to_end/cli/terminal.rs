//! Terminals: progress bars, colours, and hidden input.

use tests::{
    cli::{Cli, read},
    form::Form,
    stack::TestStack,
    token_exchange::TokenExchange,
};

use super::large_file;

#[tokio::test]
async fn a_terminal_gets_progress_bars_and_colours() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("agent/agent", large_file());
    let (code, screen) = cli.run_on_terminal(&["push", "agent"]).await;
    assert_eq!(code, Some(0), "{screen}");
    for text in ["packing", "checking", "uploading", "/5.72 MiB, ", "█"] {
        assert!(screen.contains(text), "{text} in {screen}");
    }
    let (_, screen) = cli.run_on_terminal(&["push", "agent", "--quiet"]).await;
    assert!(!screen.contains('█') && screen.lines().count() == 1, "{screen}");

    let id = stack.api().create(Form::kafka()).await.id();
    let yellow = "\u{1b}[38;5;11mPENDING";
    let (_, screen) = cli.run_on_terminal(&["get", &id]).await;
    assert!(screen.contains(yellow), "{screen:?}");
    let (_, screen) = cli.run_on_terminal(&["download", &id]).await;
    assert!(screen.contains("downloading"), "{screen:?}");

    let cli = cli.env("NO_COLOR", "1");
    let (_, screen) = cli.run_on_terminal(&["get", &id]).await;
    assert!(screen.contains("PENDING") && !screen.contains("\u{1b}["), "{screen:?}");
}

#[tokio::test]
async fn no_bar_and_no_colour_reach_a_pipe() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("agent/agent", large_file());
    let pushed = cli.run(&["push", "agent"]).await;
    let listed = cli.run(&["list"]).await;
    for text in [&pushed.stdout, &pushed.stderr, &listed.stdout, &listed.stderr] {
        assert!(
            !text.contains('\u{1b}') && !text.contains('\r') && !text.contains('█'),
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn a_typed_api_token_is_not_shown() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start("secret-token").await;
    let cli = Cli::new(&stack).env("CSP_URL", csp.url());
    let (code, screen) =
        cli.type_on_terminal(&["customizations", "login"], ("API token: ", "secret-token\n")).await;
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("secret"), "{screen}");
    assert_eq!(read(&cli.home(".config/customizations/api-token")), b"secret-token\n");
}

#[tokio::test]
async fn an_interrupted_prompt_leaves_the_terminal_with_echo() {
    let cli = Cli::offline();
    let script = ["sh", "-c", "trap '' INT; customizations login; echo $?; stty -a"];
    for _ in 0..20 {
        let (_, screen) = cli.type_on_terminal(&script, ("API token: ", "\u{3}")).await;
        let (_, settings) = screen.split_once("interrupted\r\n130\r\n").expect("it ends");
        assert!(settings.contains("\nisig icanon iexten echo "), "{screen}");
    }
}
