//! The whole stack, one for each test, and what its stores hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use local::{
    build::{Binaries, Profile, workspace},
    catalog::Catalogs,
    csp::Token,
    function::FunctionName,
    limits::Limits,
    stack::{Options, Place, Stack},
    stores::TABLE,
};
use serde_json::Value;
use shared::store::Table;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::api::{Answer, Api};

/// The catalog that most tests upload to.
pub const SAMPLE_CATALOG: &str = "46ba3c35-fb85-44a1-8336-694b4d4f4b91";

fn sample_catalogs() -> PathBuf {
    workspace().join("local/sample-catalog.json")
}

/// The functions, built once for all tests.
pub async fn binaries() -> Binaries {
    static BINARIES: OnceCell<Binaries> = OnceCell::const_new();
    let build = || async { Binaries::build(Profile::Debug).await.expect("the functions build") };
    BINARIES.get_or_init(build).await.clone()
}

/// A stack of a test's own; it ends with the test.
#[derive(Debug)]
pub struct TestStack {
    stack: Stack,
    directory: TempDir,
}

/// Everything in the stores: the table's items by their keys, and the names of the bucket's files.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The items, by partition and sort key.
    pub items: BTreeMap<(String, String), BTreeMap<String, AttributeValue>>,
    /// The files that hold objects.
    pub objects: BTreeSet<PathBuf>,
}

impl TestStack {
    /// A new stack with the sample catalog.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new stack whose functions have these variables changed; none takes one out.
    pub async fn start_with(environment: &[(&str, Option<&str>)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stack = Self::run(directory.path(), environment).await;
        Self { stack, directory }
    }

    async fn run(directory: &Path, environment: &[(&str, Option<&str>)]) -> Stack {
        let binaries = binaries().await;
        let place = Place::take(0, &directory.join("data")).await.expect("a free place");
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        let catalogs = Catalogs::read(&sample_catalogs()).expect("the sample is read");
        let options = Options { binaries, catalogs, environment, limits: Limits::AWS };
        Stack::start(place, options).await.expect("the stack starts")
    }

    /// The same stack, stopped and started again on the same data.
    pub async fn restart(self) -> Self {
        let Self { stack, directory } = self;
        stack.stop().await;
        let stack = Self::run(directory.path(), &[]).await;
        Self { stack, directory }
    }

    /// Where the gateway is.
    pub fn base_url(&self) -> String {
        self.stack.base_url()
    }

    /// A directory that is the test's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The stack itself.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// A caller of the sample catalog's organization who may do everything.
    pub fn api(&self) -> Api {
        self.api_with(Token::default())
    }

    /// A caller with another token.
    pub fn api_with(&self, token: Token) -> Api {
        Api::new(self.base_url(), token)
    }

    /// The table.
    pub fn table(&self) -> Table {
        self.stack.stores().table()
    }

    /// What a function has written since the stack was started.
    pub fn log(&self, function: FunctionName) -> String {
        fs::read_to_string(self.stack.log(function)).expect("a log is text")
    }

    /// The one line that the functions have written of the request that was answered so.
    pub fn line_of(&self, answer: &Answer) -> Value {
        let id = answer.header("x-amzn-requestid");
        let log = FunctionName::ALL.map(|function| self.log(function)).concat();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(id)).collect();
        let [line] = lines[..] else { panic!("{lines:?} of the request {id}") };
        serde_json::from_str(line).expect("a line is JSON")
    }

    /// What the stores hold now.
    pub async fn contents(&self) -> Contents {
        let client = Client::new(&self.stack.stores().sdk_config());
        let mut pages = client.scan().table_name(TABLE).into_paginator().items().send();
        let mut items = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.expect("the table can be read");
            let text = |name: &str| item[name].as_s().expect("a key is a string").clone();
            items.insert((text("PK"), text("SK")), item.into_iter().collect());
        }
        Contents { items, objects: files(&self.stack.stores().data_dir().path().join("s3")) }
    }
}

/// All files below `directory`.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).expect("the bucket's directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.extend([path]) }
    }
    found
}
