//! The whole stack on one machine: embedded S3 and DynamoDB, the two real functions as processes that
//! speak the Lambda Runtime API, and a gateway that behaves as API Gateway does.
//!
//! The program `local` runs it. A test or a benchmark runs it in its own process:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use local::{
//!     build::{Binaries, Profile},
//!     catalog::{self, Catalogs, SAMPLE_CATALOG},
//!     csp::Token,
//!     stack::{Options, Reservation, Stack},
//! };
//! use tokio::process::Command;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Port 0 takes any free one. The directory keeps everything that is stored.
//!     let reservation = Reservation::new(0, Path::new("data")).await?;
//!     let binaries = Binaries::build(Profile::Debug).await?;
//!     let catalogs = Catalogs::read(&catalog::sample())?;
//!     let stack = Stack::start(reservation, Options::new(binaries, catalogs)).await?;
//!
//!     let url = format!("{}/v1/catalogs/{SAMPLE_CATALOG}/customizations", stack.base_url());
//!     let authorization = format!("Authorization: Bearer {}", Token::default().sign()?);
//!     let curl = ["-i", "-H", &authorization, "-F", "file=@customization.tar.gz", &url];
//!     Command::new("curl").args(curl).status().await?;
//!
//!     stack.stop().await;
//!     Ok(())
//! }
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`stack`] | the stack, started and stopped as a whole |
//! | [`stores`] | S3, DynamoDB and the token keys |
//! | [`gateway`] | API Gateway: HTTP requests to events, and responses back |
//! | [`function`] | a function's processes and their Lambda Runtime API |
//! | [`environment`] | the functions' environment variables |
//! | [`build`] | the functions' binaries |
//! | [`csp`] | tokens, and the keys that verify them |
//! | [`catalog`] | the catalogs that are loaded at the start |
//! | [`data_dir`] | the data directory |
//! | [`browser_guard`] | protection of the servers from web pages |
//! | `reference` | the API reference, a page that sends requests |

pub mod browser_guard;
pub mod build;
pub mod catalog;
pub mod csp;
pub mod data_dir;
mod dynamodb;
pub mod environment;
pub mod function;
pub mod gateway;
mod reference;
mod s3;
mod server;
pub mod stack;
pub mod stores;
