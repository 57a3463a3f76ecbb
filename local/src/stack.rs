//! The whole stack: stores, functions and gateway, started and stopped together.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;

use crate::{
    build::Binaries,
    catalog::{Catalogs, CatalogsError},
    data_dir::{DataDir, DataDirError},
    function::{Deployment, Function, FunctionName, StartError},
    gateway::{Functions, Gateway},
    limits::Limits,
    server::listen,
    stores::{Environment, Stores, StoresError},
};

/// How long requests at work may take once the stack is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Where a stack is to run: a port and a data directory that nobody else has.
#[derive(Debug)]
pub struct Place {
    listener: TcpListener,
    data_dir: DataDir,
}

/// What a stack is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The functions.
    pub binaries: Binaries,
    /// What to load into the table.
    pub catalogs: Catalogs,
    /// Changes to the functions' environment: a variable's new value, or none to take it out.
    pub environment: Vec<(String, Option<String>)>,
    /// What bounds requests and functions.
    pub limits: Limits,
}

/// A running stack. Dropped, it ends, and the functions' processes with it.
#[derive(Debug)]
pub struct Stack {
    gateway: Gateway,
    functions: Deployed,
    stores: Stores,
    environment: Environment,
}

/// Why a stack does not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Another program listens on the port.
    #[error("port {0} is in use by another program")]
    PortInUse(u16),
    /// The port may not be listened on.
    #[error("port {0} cannot be listened on")]
    Port(u16, #[source] io::Error),
    /// A store does not start.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// What is to be loaded cannot be.
    #[error(transparent)]
    Catalogs(#[from] CatalogsError),
    /// A function's output cannot be kept.
    #[error("the log {} cannot be written", .0.display())]
    Log(PathBuf, #[source] io::Error),
    /// A function does not start.
    #[error(transparent)]
    Function(#[from] StartError),
    /// The gateway does not start.
    #[error("the gateway cannot listen")]
    Gateway(#[source] io::Error),
}

impl Place {
    /// Takes `port` of 127.0.0.1 (0 for any free one) and the directory `data_dir`.
    ///
    /// # Errors
    ///
    /// [`StackError`]
    pub async fn take(port: u16, data_dir: &Path) -> Result<Self, StackError> {
        let data_dir = DataDir::open(data_dir)?;
        let listener = listen(port).await.map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => StackError::PortInUse(port),
            _ => StackError::Port(port, error),
        })?;
        Ok(Self { listener, data_dir })
    }
}

impl Stack {
    /// Starts everything; once this returns, requests are answered.
    ///
    /// # Errors
    ///
    /// [`StackError`]
    pub async fn start(place: Place, options: Options) -> Result<Self, StackError> {
        let Place { listener, data_dir } = place;
        let Options { binaries, catalogs, environment: changes, limits } = options;
        let stores = Stores::start(data_dir).await?;
        catalogs.load(&stores.table()).await?;
        let mut environment = stores.environment();
        for (name, value) in changes {
            match value {
                Some(value) => environment.set(&name, value),
                None => environment.remove(&name),
            }
        }
        let deploy = |name| deploy(name, &binaries, &environment, stores.data_dir(), limits);
        let (write_customizations, read_customizations) = tokio::try_join!(
            deploy(FunctionName::WriteCustomizations),
            deploy(FunctionName::ReadCustomizations),
        )?;
        let functions = Functions { write_customizations, read_customizations };
        let problem_type_base = environment.get("PROBLEM_TYPE_BASE").unwrap_or_default().to_owned();
        let gateway = Gateway::start(listener, functions.clone(), limits, problem_type_base)
            .map_err(StackError::Gateway)?;
        Ok(Self { gateway, functions: Deployed(functions), stores, environment })
    }

    /// The gateway's URL, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.gateway.url()
    }

    /// What is behind the functions.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The functions' environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The file that holds what a function wrote since the stack was started.
    #[must_use]
    pub fn log(&self, function: FunctionName) -> PathBuf {
        self.stores.data_dir().log(function.as_str())
    }

    /// Stops everything: requests at work are answered, no process is left, and the data directory
    /// can be taken again.
    pub async fn stop(self) {
        self.gateway.stop(GRACE).await;
        drop(self.functions);
        self.stores.stop().await;
    }
}

async fn deploy(
    name: FunctionName,
    binaries: &Binaries,
    environment: &Environment,
    data_dir: &DataDir,
    limits: Limits,
) -> Result<Arc<Function>, StackError> {
    let log = data_dir.log(name.as_str());
    File::create(&log).map_err(|error| StackError::Log(log.clone(), error))?;
    let deployment = Deployment {
        name,
        binary: binaries.of(name).to_owned(),
        environment: environment.clone(),
        log,
        limits,
    };
    Ok(Function::start(deployment).await?)
}

/// Functions whose processes end with this.
#[derive(Debug)]
struct Deployed(Functions);

impl Drop for Deployed {
    fn drop(&mut self) {
        self.0.stop();
    }
}
