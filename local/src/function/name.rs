//! Names of the functions.

use std::fmt::{self, Display, Formatter};

/// Name of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionName {
    /// Takes uploads.
    WriteCustomizations,
    /// Reads customizations back.
    ReadCustomizations,
}

impl FunctionName {
    /// All functions.
    pub const ALL: [Self; 2] = [Self::WriteCustomizations, Self::ReadCustomizations];

    /// Returns the name, which the function's package and binary share.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WriteCustomizations => "write-customizations",
            Self::ReadCustomizations => "read-customizations",
        }
    }
}

impl Display for FunctionName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
