//! Values of command lines that `lexopt` does not parse itself.

use std::error::Error;
use std::ffi::OsString;
use std::str::FromStr;

use lexopt::ValueExt;

/// The items of a list with commas.
///
/// # Errors
/// When an item cannot be parsed; an empty list has one empty item.
pub fn list<T>(value: OsString) -> Result<Vec<T>, lexopt::Error>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>,
{
    value.parse_with(|text| text.split(',').map(T::from_str).collect())
}

/// A number that must not be zero.
///
/// # Errors
/// When it is no number, or zero.
pub fn count(value: OsString) -> Result<usize, lexopt::Error> {
    match value.parse()? {
        0 => Err("a count must be at least 1".into()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    #[test]
    fn a_list_keeps_its_order_and_needs_every_item() {
        assert_eq!(list::<usize>("3,1,2".into()).unwrap(), [3, 1, 2]);
        assert_eq!(
            list::<Peer>("tokio,mini_rt".into()).unwrap(),
            [Peer::Tokio, Peer::MiniRt]
        );
        assert!(list::<usize>("1,,2".into()).is_err());
        assert!(list::<usize>("".into()).is_err());
        assert!(list::<Peer>("tokyo".into()).is_err());
    }

    #[test]
    fn a_count_is_not_zero() {
        assert_eq!(count("7".into()).unwrap(), 7);
        for wrong in ["0", "-1", "1.5", ""] {
            assert!(count(wrong.into()).is_err(), "{wrong:?}");
        }
    }
}
