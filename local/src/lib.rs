//! The whole stack on one machine: embedded S3 and DynamoDB, the two real functions as processes
//! that use the Lambda Runtime API, and a gateway that behaves like API Gateway.
//!
//! The command `local` runs the stack. Tests and benchmarks run it in their own process:
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
//!     // Port 0 selects any free port. The directory keeps all stored data.
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
//! | module | contents |
//! | --- | --- |
//! | [`stack`] | starts and stops the whole stack |
//! | [`stores`] | S3, DynamoDB and the JWKS endpoint |
//! | [`gateway`] | converts HTTP requests to events, and responses of functions to HTTP responses |
//! | [`function`] | the processes of a function, and the Lambda Runtime API for them |
//! | [`environment`] | the functions' environment variables |
//! | [`build`] | builds the functions' binaries |
//! | [`csp`] | tokens, and the JWKS that verifies them |
//! | [`catalog`] | the catalogs that are loaded at startup |
//! | [`data_dir`] | the data directory |
//! | [`browser_guard`] | middleware that protects the servers from web pages |
//! | `reference` | the interactive API reference |

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
