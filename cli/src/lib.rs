//! The user's command, `customizations`: packs, checks, uploads and follows customizations.
//!
//! It is a client: it knows the service only by its HTTP contract (openapi.yaml), and checks
//! archives with the library that the service uses.
//!
//! | module | contents |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`settings`] | settings from flags, the environment and the configuration file |
//! | [`credentials`] | tokens: from the environment, from the CSP, and from the file of `login` |
//! | [`api`] | the HTTP client of the service, with retries |
//! | [`archive_file`] | the check of an archive, as the service does it |
//! | [`archive_writer`] | reproducible archives of folders |
//! | [`builds`] | the builds of a customization, and waiting for them |
//! | [`commands`] | one module per command |
//! | [`output`] | messages, results, tables and progress bars |
//! | [`signals`] | the signals that end a command |
//! | [`error`] | errors and exit codes |

pub mod api;
pub mod archive_file;
pub mod archive_writer;
pub mod args;
pub mod builds;
pub mod commands;
pub mod credentials;
pub mod error;
pub mod output;
pub mod settings;
pub mod signals;
