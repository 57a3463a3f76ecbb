//! Enumerations that the build pipeline may extend.

/// Defines an enumeration of words. The known words are constants. An unknown word is accepted and
/// passes through unchanged, so that the pipeline can add a word without a release of this service.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $constant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(::std::borrow::Cow<'static, str>);

        impl $name {
            $($(#[$value_doc])* pub const $constant: Self = Self(::std::borrow::Cow::Borrowed($word));)+

            /// The known words.
            pub const KNOWN: &'static [&'static str] = &[$($word),+];

            /// The word as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                Self(::std::borrow::Cow::Owned(word))
            }
        }
    };
}

pub(super) use open_enum;
