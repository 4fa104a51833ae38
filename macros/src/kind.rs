//! Which of the two attributes is expanded.

use crate::args::Flavor;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Main,
    Test,
}

impl Kind {
    /// The attribute as users write it.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Kind::Main => "mini_rt::main",
            Kind::Test => "mini_rt::test",
        }
    }

    pub(crate) fn default_flavor(self) -> Flavor {
        match self {
            Kind::Main => Flavor::MultiThread,
            Kind::Test => Flavor::CurrentThread,
        }
    }
}
