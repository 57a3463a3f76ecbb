//! Names of the functions.

use std::fmt::{self, Display, Formatter};

use shared::routes::Permission;

/// Name of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionName {
    /// Creates and changes customizations.
    WriteCustomizations,
    /// Reads customizations.
    ReadCustomizations,
}

impl FunctionName {
    /// All functions.
    pub const ALL: [Self; 2] = [Self::WriteCustomizations, Self::ReadCustomizations];

    /// Returns the function that serves the routes that need `permission`.
    #[must_use]
    pub const fn of(permission: Permission) -> Self {
        match permission {
            Permission::Write => Self::WriteCustomizations,
            Permission::Read => Self::ReadCustomizations,
        }
    }

    /// Returns the name, which is also the name of the function's package and binary.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriteCustomizations => Permission::Write.function(),
            Self::ReadCustomizations => Permission::Read.function(),
        }
    }
}

impl Display for FunctionName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
