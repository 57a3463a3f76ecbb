//! A function's dependencies, which are created once at start, and the authorization that all
//! operations share.

use std::{process::ExitCode, time::Duration};

use futures_util::future::join_all;

use crate::{
    config::{Config, ConfigError},
    csp::{Authenticator, Caller},
    domain::{Catalog, CustomizationId, Id},
    error::{BoxError, ErrorChain},
    https,
    lambda::{self, Adapter},
    metrics,
    problem::Problem,
    request::Request,
    response::Response,
    routes::{Operation, Permission},
    storage::{
        Artifacts, Builds, Catalogs, Customizations, IdempotencyRecords, ReferenceIds,
        ResolvedReferences, StoredCustomization, Table,
    },
    telemetry,
};

/// The limit for opening connections at start. It is short, because the gateway's timeout for the
/// first request is already running.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// A function's dependencies.
#[derive(Debug)]
pub struct App {
    permission: Permission,
    csp: Authenticator,
    /// Catalogs and their applications.
    pub catalogs: Catalogs,
    /// Customizations.
    pub customizations: Customizations,
    /// Build results.
    pub builds: Builds,
    /// Idempotency records.
    pub idempotency_records: IdempotencyRecords,
    /// The uploaded files.
    pub artifacts: Artifacts,
}

/// A request whose token is valid and permits the operation. The handler must still check that the
/// caller's organization owns the catalog.
#[derive(Debug)]
pub struct AuthorizedRequest<'a> {
    /// The request.
    pub request: &'a Request,
    /// The operation.
    pub operation: Operation,
    /// The organization and user of the token.
    pub caller: Caller,
    /// The catalog.
    pub catalog_id: Id,
}

impl App {
    /// Creates the clients of the stores while the connections for the first request open. If a
    /// connection fails or takes too long, a request opens it again when it needs it.
    async fn start(config: Config) -> Self {
        let csp = Authenticator::new(config.csp_rules, config.csp_keys);
        let mut origins = vec![config.aws.origin("dynamodb", None)];
        // Few reads need S3, so an early TLS handshake would cost more than it saves.
        if config.permission == Permission::Write {
            origins.push(config.aws.origin("s3", Some(&config.bucket_name)));
        }
        let connections = async {
            let opened = join_all(origins.iter().map(|origin| https::preconnect(origin)));
            tokio::join!(csp.warm_up(), opened);
        };
        let stores = async {
            let sdk_config = config.aws.sdk_config();
            let table = Table::new(&sdk_config, config.table_name);
            (table, Artifacts::new(sdk_config, config.bucket_name, config.upload_bucket_name))
        };
        // `biased` polls the connections first, so that they open while the clients are created.
        let (_, (table, artifacts)) =
            tokio::join!(biased; tokio::time::timeout(WARM_UP_TIMEOUT, connections), stores);
        Self {
            permission: config.permission,
            csp,
            catalogs: Catalogs::new(table.clone()),
            customizations: Customizations::new(table.clone()),
            builds: Builds::new(table.clone()),
            idempotency_records: IdempotencyRecords::new(table),
            artifacts,
        }
    }

    /// Verifies the request's token and permission.
    ///
    /// # Errors
    ///
    /// [`Problem::NotFound`] if this function does not serve the route; the problem of an
    /// [`AuthenticationError`](crate::csp::AuthenticationError); [`Problem::CatalogNotFound`] if
    /// the path does not hold a catalog's identifier.
    pub async fn authorize<'a>(
        &self,
        request: &'a Request,
    ) -> Result<AuthorizedRequest<'a>, Problem> {
        let operation = request
            .operation
            .filter(|operation| operation.route().permission == self.permission)
            .ok_or(Problem::NotFound)?;
        let caller = self.csp.authenticate(&request.headers).await?;
        let catalog_id: Id = request
            .path_parameter("catalog_id")
            .and_then(|id| id.parse().ok())
            .ok_or(Problem::CatalogNotFound)?;
        telemetry::record_catalog(&catalog_id);
        Ok(AuthorizedRequest { request, operation, caller, catalog_id })
    }

    /// Checks that the caller's organization owns the catalog.
    ///
    /// # Errors
    ///
    /// [`Problem::CatalogNotFound`], or the problem of a storage error.
    pub async fn require_catalog(&self, request: &AuthorizedRequest<'_>) -> Result<(), Problem> {
        require_owned(&request.caller, self.catalogs.find(&request.catalog_id).await?)
    }

    /// Checks that the caller's organization owns the catalog, and reads references in the same
    /// request.
    ///
    /// # Errors
    ///
    /// [`Problem::CatalogNotFound`], or the problem of a storage error.
    pub async fn require_catalog_with_references(
        &self,
        request: &AuthorizedRequest<'_>,
        ids: &ReferenceIds,
    ) -> Result<ResolvedReferences, Problem> {
        let (catalog, references) =
            self.catalogs.find_with_references(&request.catalog_id, ids).await?;
        require_owned(&request.caller, catalog)?;
        Ok(references?)
    }

    /// Reads the customization that the path names, of a catalog that the caller's organization
    /// owns.
    ///
    /// # Errors
    ///
    /// [`Problem::CatalogNotFound`], [`Problem::CustomizationNotFound`], or the problem of a
    /// storage error.
    pub async fn require_customization(
        &self,
        request: &AuthorizedRequest<'_>,
    ) -> Result<StoredCustomization, Problem> {
        let id = request.request.path_parameter("customization_id");
        let id: Option<CustomizationId> = id.and_then(|id| id.parse().ok());
        let Some(id) = id.inspect(telemetry::record_customization) else {
            self.require_catalog(request).await?;
            return Err(Problem::CustomizationNotFound);
        };
        let (catalog, customization) =
            self.customizations.find_with_catalog(&request.catalog_id, id).await?;
        require_owned(&request.caller, catalog)?;
        customization?.ok_or(Problem::CustomizationNotFound)
    }
}

/// Tenant isolation: the error for a catalog of another organization is the same as for a catalog
/// that does not exist.
fn require_owned(caller: &Caller, catalog: Option<Catalog>) -> Result<(), Problem> {
    match catalog {
        Some(catalog) if catalog.org_id == caller.organization => Ok(()),
        _ => Err(Problem::CatalogNotFound),
    }
}

/// An error that ends the function's process.
#[derive(Debug, thiserror::Error)]
enum FatalError {
    #[error("metrics cannot be recorded")]
    Metrics(#[source] BoxError),
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error("the Lambda Runtime API does not respond")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Runs the function that serves the routes with `permission`, until the process ends.
pub async fn run(
    permission: Permission,
    handler: impl AsyncFn(&App, &Request) -> Result<Response, Problem>,
) -> ExitCode {
    telemetry::init(permission.function());
    match Box::pin(serve(permission, handler)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", ErrorChain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn serve(
    permission: Permission,
    handler: impl AsyncFn(&App, &Request) -> Result<Response, Problem>,
) -> Result<(), FatalError> {
    let config = Config::from_env(permission)?;
    metrics::init(config.function_name.clone()).map_err(FatalError::Metrics)?;
    let adapter = Adapter { problem_type_base: config.problem_type_base.clone() };
    let app = App::start(config).await;
    lambda::serve(adapter, async |request| handler(&app, request).await)
        .await
        .map_err(FatalError::Runtime)
}
