//! The route table: method, path, operation and permission of every route of the API.
//!
//! Everything that depends on routes derives from this table: the dispatch in each function, links
//! in responses, `local`'s gateway, and the tests that compare it with `template.yaml`,
//! `openapi.yaml` and the router of `cargo lambda watch`.
//!
//! ```
//! use shared::routes::{Operation, Permission};
//!
//! let route = Operation::GetCustomization.route();
//! assert_eq!(route.permission, Permission::Read);
//! assert_eq!(route.permission.function(), "read-customizations");
//! assert_eq!(
//!     route.path_for(&["my catalog", "0192d3a4-5b6c-7def-8123-456789abcdef"]),
//!     "/v1/catalogs/my%20catalog/customizations/0192d3a4-5b6c-7def-8123-456789abcdef",
//! );
//! ```

use ::http::Method;

use crate::percent;

/// The path prefix of every route: the stage of the REST API.
pub const BASE_PATH: &str = "/v1";

/// A route of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path below [`BASE_PATH`], with parameters in braces. API Gateway calls it a resource.
    pub resource: &'static str,
    /// The operation of the route.
    pub operation: Operation,
    /// The permission that a caller needs.
    pub permission: Permission,
}

/// The permission that an operation requires. A separate function, with its own IAM role, serves
/// the routes of each permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Creates and changes customizations.
    Write,
    /// Reads customizations.
    Read,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 2] = [Self::Write, Self::Read];

    /// The Lambda function that serves the routes with this permission.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Write => "write-customizations",
            Self::Read => "read-customizations",
        }
    }
}

macro_rules! routes {
    ($($(#[$doc:meta])* $operation:ident: $method:ident $resource:literal, $permission:ident;)+) => {
        /// An operation of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[$doc])* $operation,)+
        }

        impl Operation {
            /// All operations.
            pub const ALL: &[Self] = &[$(Self::$operation),+];

            /// The operation's row of the route table.
            #[must_use]
            pub const fn route(self) -> Route {
                match self {
                    $(Self::$operation => Route {
                        method: Method::$method,
                        resource: $resource,
                        operation: self,
                        permission: Permission::$permission,
                    },)+
                }
            }
        }
    };
}

routes! {
    /// Creates a customization from an uploaded archive.
    CreateCustomization: POST "/catalogs/{catalog_id}/customizations", Write;
    /// Makes a new version of a customization, or changes its name or description.
    UpdateCustomization: PATCH "/catalogs/{catalog_id}/customizations/{customization_id}", Write;
    /// Removes a customization.
    RemoveCustomization: DELETE "/catalogs/{catalog_id}/customizations/{customization_id}", Write;
    /// Starts the upload of a large file directly to S3.
    StartUpload: POST "/catalogs/{catalog_id}/uploads", Write;
    /// Lists the customizations of a catalog.
    ListCustomizations: GET "/catalogs/{catalog_id}/customizations", Read;
    /// Gets a customization and the builds of the applications that it affects.
    GetCustomization: GET "/catalogs/{catalog_id}/customizations/{customization_id}", Read;
    /// Lists the versions of a customization.
    ListVersions: GET "/catalogs/{catalog_id}/customizations/{customization_id}/versions", Read;
    /// Gets a download link for a customization's file.
    GetFile: GET "/catalogs/{catalog_id}/files/{digest}", Read;
}

impl Operation {
    /// Returns the operation of a request, given its method and either its path or the route that
    /// the gateway matched, with or without [`BASE_PATH`].
    #[must_use]
    pub fn find(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix(BASE_PATH).unwrap_or(path);
        let is_route = |route: Route| route.method == *method && route.parameters(path).is_some();
        Self::ALL.iter().copied().find(|operation| is_route(operation.route()))
    }
}

impl Route {
    /// The whole path, with parameters in braces.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{BASE_PATH}{}", self.resource)
    }

    /// The path with `parameters` in place of the braces, in their order, percent-encoded.
    #[must_use]
    pub fn path_for(&self, parameters: &[&str]) -> String {
        let mut parameters = parameters.iter();
        let mut path = BASE_PATH.to_owned();
        for segment in self.resource.split('/').skip(1) {
            path.push('/');
            match parameter_name(segment).and_then(|_| parameters.next()) {
                Some(value) => path.extend(percent::encode(value)),
                None => path.push_str(segment),
            }
        }
        path
    }

    /// Matches a path below [`BASE_PATH`]. Returns the names and values of its parameters, in their
    /// order and not decoded. Returns `None` if the path does not match.
    #[must_use]
    pub fn parameters<'a>(&self, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
        let mut parameters = Vec::new();
        let mut segments = path.split('/');
        for expected in self.resource.split('/') {
            match (segments.next()?, parameter_name(expected)) {
                ("", Some(_)) => return None,
                (value, Some(name)) => parameters.push((name, value)),
                (segment, None) if segment == expected => {}
                _ => return None,
            }
        }
        segments.next().is_none().then_some(parameters)
    }
}

/// The name in braces, if the segment of a resource is a parameter.
fn parameter_name(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_matched_to_its_operation() {
        for operation in Operation::ALL.iter().copied() {
            let Route { method, resource, .. } = operation.route();
            let path = operation.route().path_for(&["a", "b", "c"]);
            for path in [resource, &operation.route().path(), &path] {
                assert_eq!(Operation::find(&method, path), Some(operation), "{method} {path}");
            }
        }
        for (method, path) in [
            (Method::PUT, "/v1/catalogs/c/customizations"),
            (Method::POST, "/v1/catalogs//customizations"),
            (Method::POST, "/v1/catalogs/c/customizations/"),
            (Method::POST, "/v2/catalogs/c/customizations"),
            (Method::GET, "/"),
            (Method::GET, ""),
        ] {
            assert_eq!(Operation::find(&method, path), None, "{method} {path}");
        }
    }
}
