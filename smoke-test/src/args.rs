//! The command line.
#![allow(clippy::doc_markdown, reason = "doc comments here are what `--help` prints")]

use clap::Parser;
use cli::{api::model::Filter, args::SettingsArgs};

/// The end of `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  all checks passed
  1  a check failed
  2  wrong usage, wrong configuration or no token: no check has run
  130, 143  interrupted

Examples:
  smoke-test --url https://API.execute-api.REGION.amazonaws.com --catalog ID --product my-test-app
  smoke-test --global    (against the sample catalog of `cargo run -p local`)";

/// Checks a deployed service: sends every kind of request, and checks each response.
///
/// It creates customizations, in a form and by a direct upload, reads, lists, changes, downloads and
/// removes them. It also sends requests that the service or S3 must refuse. It prints one line per
/// check: `ok`, `FAIL` with what was expected and what came, or `skip` with the reason.
///
/// The names of its customizations start with `smoke test`. At the end it removes all of them, also
/// after a failed check and after Ctrl-C. The service never deletes a
/// customization: their records and their files (about 5 MB) stay, with the status DELETED. Uploads
/// that no customization uses expire after a day.
///
/// The vendor's pipeline builds the applications that a customization selects, so in a real
/// deployment select a test application: --product, --branch, --base-image. With --global, the
/// pipeline rebuilds every application of the catalog.
///
/// The URL, the catalog and the token are those of the command `customizations`: see
/// `customizations --help`. The token needs the permission to create customizations. SMOKE_TEST_READ_TOKEN is an access token that has
/// only the permission to read. Without it, the checks of a missing permission are skipped. No token
/// is printed.
#[derive(Debug, Parser)]
#[command(name = "smoke-test", after_help = EXIT_CODES)]
pub struct Args {
    /// The applications that the customizations select.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The service.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The applications that the customizations select. The user must choose: a global customization
/// would otherwise rebuild a whole catalog by mistake.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
pub struct SelectionArgs {
    /// Select only applications of this product.
    #[arg(long, value_name = "KEY")]
    product: Option<String>,
    /// Select only applications of this branch of the product.
    #[arg(long, requires = "product")]
    branch: Option<String>,
    /// Select only applications on this base image.
    #[arg(long, value_name = "ID")]
    base_image: Option<String>,
    /// Select every application of the catalog.
    #[arg(long, conflicts_with_all = ["product", "branch", "base_image"])]
    global: bool,
}

impl SelectionArgs {
    /// The filter of the customizations. `None`: they are global.
    #[must_use]
    pub fn filter(self) -> Option<Filter> {
        let Self { product, branch, base_image, global } = self;
        let filter =
            Filter { product_key: product, branch, base_image_id: base_image, base_image: None };
        (!global).then_some(filter)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_user_must_choose_the_applications() {
        for (arguments, is_valid) in [
            (&[][..], false),
            (&["--global"], true),
            (&["--product", "x"], true),
            (&["--product", "x", "--branch", "1", "--base-image", "y"], true),
            (&["--base-image", "y"], true),
            (&["--branch", "1"], false),
            (&["--global", "--product", "x"], false),
        ] {
            let parsed = Args::try_parse_from([&["smoke-test"], arguments].concat());
            assert_eq!(parsed.is_ok(), is_valid, "{arguments:?}");
        }
    }
}
