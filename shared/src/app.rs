//! What a function works with: made once, at start.

use std::{process::ExitCode, time::Duration};

use crate::{
    catalog::Catalog,
    config::{Config, ConfigError, Permissions},
    csp::{Authenticator, Caller},
    customization::Customization,
    http::{self, Edge, Request, Response},
    https,
    id::{CustomizationId, Id},
    metrics,
    problem::{Cause, Problem},
    store::{Bucket, Table},
    telemetry::{self, Chain},
};

/// How long a start waits for connections: the gateway's clock runs for the first request already.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// A function's means.
#[derive(Debug)]
pub struct App {
    /// Checks who calls.
    pub csp: Authenticator,
    /// The records.
    pub table: Table,
    /// The bytes.
    pub bucket: Bucket,
}

impl App {
    /// Makes all that requests need, while the connections that the first one needs are opened, at
    /// once; whichever fails, or takes long, is tried again when it is needed.
    async fn start(config: Config) -> Self {
        let csp = Authenticator::new(&config.csp_issuer, config.csp_permissions, config.csp_keys);
        let dynamodb = config.aws.origin_of("dynamodb", None);
        let s3 = config.aws.origin_of("s3", Some(&config.bucket_name));
        let connections = async {
            tokio::join!(csp.warm_up(), https::open(&dynamodb), https::open(&s3));
        };
        let stores = async {
            let sdk_config = config.aws.sdk_config();
            let table = Table::new(&sdk_config, config.table_name);
            (table, Bucket::new(sdk_config, config.bucket_name))
        };
        // In this order: the connections are on their way when the clients are made.
        let (_, (table, bucket)) =
            tokio::join!(biased; tokio::time::timeout(WARM_UP_TIMEOUT, connections), stores);
        Self { csp, table, bucket }
    }

    /// Makes sure that there is a catalog `id` of the caller's organization.
    ///
    /// # Errors
    ///
    /// [`Problem::CatalogNotFound`] if not.
    pub async fn require_catalog(&self, caller: &Caller, id: &Id) -> Result<(), Problem> {
        telemetry::note_catalog(id);
        require_own(caller, self.table.catalog(id).await?)
    }

    /// The customization `id` of the catalog `catalog_id` of the caller's organization.
    ///
    /// # Errors
    ///
    /// [`Problem::CatalogNotFound`] or [`Problem::CustomizationNotFound`] if there is none.
    pub async fn customization(
        &self,
        caller: &Caller,
        catalog_id: &Id,
        id: CustomizationId,
    ) -> Result<Customization, Problem> {
        telemetry::note_catalog(catalog_id);
        let (catalog, customization) = self.table.catalog_and_customization(catalog_id, id).await?;
        require_own(caller, catalog)?;
        customization?.ok_or(Problem::CustomizationNotFound)
    }
}

/// Another organization's catalog does not exist.
fn require_own(caller: &Caller, catalog: Option<Catalog>) -> Result<(), Problem> {
    let own = catalog.is_some_and(|catalog| catalog.org_id.as_str() == caller.organization);
    if own { Ok(()) } else { Err(Problem::CatalogNotFound) }
}

/// Why a function ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("nothing can be counted")]
    Metrics(#[source] Cause),
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error("the Lambda Runtime API does not answer")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Runs the function `service`, whose callers need `permissions` and whose requests `handler`
/// answers, until the process is ended.
pub async fn run(
    service: &'static str,
    permissions: Permissions,
    handler: impl AsyncFn(&App, &Request) -> Result<Response, Problem>,
) -> ExitCode {
    telemetry::init(service);
    match Box::pin(serve(permissions, handler)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            tracing::error!("{}", Chain(&end));
            ExitCode::FAILURE
        }
    }
}

async fn serve(
    permissions: Permissions,
    handler: impl AsyncFn(&App, &Request) -> Result<Response, Problem>,
) -> Result<(), End> {
    let config = Config::from_env(permissions)?;
    metrics::init(config.function_name.clone()).map_err(End::Metrics)?;
    let edge = Edge { problem_type_base: config.problem_type_base.clone() };
    let app = App::start(config).await;
    http::run(edge, async |request| handler(&app, request).await).await.map_err(End::Runtime)
}
