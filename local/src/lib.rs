//! The whole stack on one machine: S3 and DynamoDB embedded, the two real functions run as Lambda
//! would run them, and before them a gateway that speaks to them as API Gateway does.
//!
//! | module | holds |
//! | --- | --- |
//! | [`stack`] | all of it, started and stopped |
//! | [`stores`] | what is behind the functions, and the environment that names it |
//! | [`gateway`] | what is before them: HTTP in, events out |
//! | `reference` | the API reference, a page to read and try |
//! | [`function`] | a function's processes and the Lambda Runtime API they speak |
//! | [`build`] | the functions' binaries |
//! | [`csp`] | tokens, and the keys to check them with |
//! | [`catalog`] | what the table holds at first |
//! | [`data_dir`] | where all is kept |
//! | [`limits`] | what the services that this stands in for allow |

pub mod build;
pub mod catalog;
pub mod csp;
pub mod data_dir;
mod dynamodb;
pub mod function;
pub mod gateway;
pub mod limits;
mod reference;
mod s3;
mod server;
pub mod stack;
pub mod stores;
