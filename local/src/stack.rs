//! The whole stack: stores, functions and gateway, which are started and stopped together. The
//! example of the [crate] runs one.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;

use crate::{
    browser_guard::AllowedHosts,
    build::Binaries,
    catalog::{Catalogs, CatalogsError},
    data_dir::{DataDir, DataDirError},
    environment::Environment,
    function::{Deployment, Function, FunctionLimits, FunctionName, StartError},
    gateway::{Functions, Gateway, GatewayLimits},
    server::listen,
    stores::{Stores, StoresError},
};

/// Time for the requests in flight during a graceful shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// A port and a data directory, reserved for one stack.
#[derive(Debug)]
pub struct Reservation {
    listener: TcpListener,
    data_dir: DataDir,
}

/// Configuration of a stack.
#[derive(Clone, Debug)]
pub struct Options {
    /// Binaries of the functions.
    pub binaries: Binaries,
    /// Catalogs to load into the table.
    pub catalogs: Catalogs,
    /// Changes of the functions' environment: the name of a variable, and its new value or none to
    /// remove the variable.
    pub environment: Vec<(String, Option<String>)>,
    /// Host names that a request to the gateway may name.
    pub allowed_hosts: AllowedHosts,
    /// Limits of the gateway.
    pub gateway_limits: GatewayLimits,
    /// Limits of each function.
    pub function_limits: FunctionLimits,
}

impl Options {
    /// Configures the stack with AWS's limits and the default environment.
    #[must_use]
    pub fn new(binaries: Binaries, catalogs: Catalogs) -> Self {
        Self {
            binaries,
            catalogs,
            environment: Vec::new(),
            allowed_hosts: AllowedHosts::default(),
            gateway_limits: GatewayLimits::AWS,
            function_limits: FunctionLimits::AWS,
        }
    }
}

/// A running stack. When dropped, it stops and kills the functions' processes.
#[derive(Debug)]
pub struct Stack {
    gateway: Gateway,
    functions: RunningFunctions,
    stores: Stores,
    environment: Environment,
}

/// Failure to start a stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Another program listens on the port.
    #[error("port {0} is in use by another program")]
    PortInUse(u16),
    /// The operating system does not allow listening on the port.
    #[error("cannot listen on port {0}")]
    Listen(u16, #[source] io::Error),
    /// A store cannot be started.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// The catalogs cannot be loaded.
    #[error(transparent)]
    Catalogs(#[from] CatalogsError),
    /// A function's log cannot be created.
    #[error("the log {} cannot be written", .0.display())]
    Log(PathBuf, #[source] io::Error),
    /// A function cannot be started.
    #[error(transparent)]
    Function(#[from] StartError),
    /// The gateway cannot be started.
    #[error("the gateway cannot listen on its port")]
    Gateway(#[source] io::Error),
}

impl Reservation {
    /// Reserves `port` of 127.0.0.1 (0 selects any free port) and the directory `data_dir`.
    ///
    /// # Errors
    ///
    /// [`StackError`]
    pub async fn new(port: u16, data_dir: &Path) -> Result<Self, StackError> {
        let data_dir = DataDir::open(data_dir)?;
        let listener = listen(port).await.map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => StackError::PortInUse(port),
            _ => StackError::Listen(port, error),
        })?;
        Ok(Self { listener, data_dir })
    }
}

impl Stack {
    /// Starts the stack. After this returns, it serves requests.
    ///
    /// # Errors
    ///
    /// [`StackError`]
    pub async fn start(reservation: Reservation, options: Options) -> Result<Self, StackError> {
        let Reservation { listener, data_dir } = reservation;
        let Options {
            binaries,
            catalogs,
            environment: changes,
            allowed_hosts,
            gateway_limits,
            function_limits,
        } = options;
        let stores = Stores::start(data_dir).await?;
        catalogs.load(&stores.table()).await?;
        let mut environment = stores.environment();
        for (name, value) in changes {
            match value {
                Some(value) => environment.set(&name, value),
                None => environment.remove(&name),
            }
        }
        let deploy =
            |name| deploy(name, &binaries, &environment, stores.data_dir(), function_limits);
        let (write_customizations, read_customizations) = tokio::try_join!(
            deploy(FunctionName::WriteCustomizations),
            deploy(FunctionName::ReadCustomizations),
        )?;
        let functions = Functions { write_customizations, read_customizations };
        let problem_type_base = environment.get("PROBLEM_TYPE_BASE").unwrap_or_default().to_owned();
        let gateway = Gateway::start(
            listener,
            allowed_hosts,
            functions.clone(),
            gateway_limits,
            problem_type_base,
        )
        .map_err(StackError::Gateway)?;
        Ok(Self { gateway, functions: RunningFunctions(functions), stores, environment })
    }

    /// Returns the gateway's URL, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.gateway.url()
    }

    /// Returns the stores.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Returns the functions' environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the path of the file with a function's output since the start of the stack.
    #[must_use]
    pub fn log(&self, function: FunctionName) -> PathBuf {
        self.stores.data_dir().log(function.as_str())
    }

    /// Shuts down gracefully: waits up to 5 s for the requests in flight, ends all processes, and
    /// unlocks the data directory.
    pub async fn stop(self) {
        self.gateway.stop(SHUTDOWN_GRACE).await;
        drop(self.functions);
        self.stores.stop().await;
    }
}

async fn deploy(
    name: FunctionName,
    binaries: &Binaries,
    environment: &Environment,
    data_dir: &DataDir,
    limits: FunctionLimits,
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

/// The functions. Their processes are killed when this is dropped.
#[derive(Debug)]
struct RunningFunctions(Functions);

impl Drop for RunningFunctions {
    fn drop(&mut self) {
        self.0.stop();
    }
}
