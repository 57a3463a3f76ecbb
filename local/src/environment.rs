//! Environment variables of the functions.
//!
//! ```
//! use local::environment::Environment;
//!
//! let mut environment = Environment::from([("TABLE_NAME", "customizations")]);
//! environment.set("AWS_REGION", "us-east-1");
//! assert_eq!(environment.to_string(), "AWS_REGION=us-east-1\nTABLE_NAME=customizations\n");
//! ```

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

/// Environment variables. `Display` writes one line `NAME=value` for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Returns the value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Iterates over the names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

impl Display for Environment {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(name, value)| writeln!(formatter, "{name}={value}"))
    }
}
