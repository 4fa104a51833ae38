//! What the text of a literal means. Works on `&str`, because the compiler's token types exist
//! only while a macro is being expanded.

use std::fmt;

/// Why a literal is not the whole number that was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum NotAnInteger {
    OtherLiteral,
    OtherType,
    TooLarge,
}

impl fmt::Display for NotAnInteger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAnInteger::OtherLiteral => "must be a whole number",
            NotAnInteger::OtherType => "must be a whole number of type `usize`",
            NotAnInteger::TooLarge => "does not fit in a `usize`",
        })
    }
}

/// The value of an integer literal in any radix, with `_` between its digits or not, and with or
/// without `usize` behind them.
pub(crate) fn integer(text: &str) -> Result<usize, NotAnInteger> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(NotAnInteger::OtherLiteral);
    }
    let (radix, digits) = match text.get(..2) {
        Some("0x") => (16, &text[2..]),
        Some("0o") => (8, &text[2..]),
        Some("0b") => (2, &text[2..]),
        _ => (10, text),
    };
    let end = digits.find(|c: char| c != '_' && !c.is_digit(radix));
    let (digits, suffix) = digits.split_at(end.unwrap_or(digits.len()));
    match suffix {
        "" | "usize" => usize::from_str_radix(&digits.replace('_', ""), radix)
            .map_err(|_| NotAnInteger::TooLarge),
        suffix if suffix.starts_with(['i', 'u']) => Err(NotAnInteger::OtherType),
        _ => Err(NotAnInteger::OtherLiteral),
    }
}

/// What stands between the quotes of a plain or raw string literal. Escapes are left as they are:
/// nothing that an argument accepts contains one.
pub(crate) fn string(text: &str) -> Option<&str> {
    let quoted = match text.strip_prefix('r') {
        Some(raw) => raw.trim_matches('#'),
        None => text,
    };
    quoted.strip_prefix('"')?.strip_suffix('"')
}

/// Whether `text` is a path of plain names, such as `crate::rt` or `::mini_rt`.
pub(crate) fn is_path(text: &str) -> bool {
    let rooted = text.strip_prefix("::");
    rooted.unwrap_or(text).split("::").all(|name| match name {
        "crate" | "self" | "super" => rooted.is_none(),
        name => is_name(name),
    })
}

fn is_name(text: &str) -> bool {
    let (letters, raw) = match text.strip_prefix("r#") {
        Some(letters) => (letters, true),
        None => (text, false),
    };
    let reserved = match letters {
        "_" | "crate" | "self" | "super" | "Self" => true,
        letters => !raw && KEYWORDS.contains(&letters),
    };
    !reserved
        && letters.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && letters.chars().all(|c| c == '_' || c.is_alphanumeric())
}

/// The words that name nothing unless they are written with `r#`.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static",
    "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "virtual", "where",
    "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_radix() {
        for text in [
            "12",
            "1_2",
            "12usize",
            "12_usize",
            "0xc",
            "0xC",
            "0o14",
            "0b1100",
            "0b_11_00_",
        ] {
            assert_eq!(integer(text), Ok(12), "{text}");
        }
        assert_eq!(integer("0"), Ok(0));
        assert_eq!(integer(&usize::MAX.to_string()), Ok(usize::MAX));
    }

    #[test]
    fn other_literals_are_not_integers() {
        for text in [
            "1.0", "1e3", "1f32", "\"1\"", "'1'", "b'1'", "b\"1\"", "1hour",
        ] {
            assert_eq!(integer(text), Err(NotAnInteger::OtherLiteral), "{text}");
        }
    }

    #[test]
    fn integers_of_another_type() {
        for text in ["1u8", "1_i64", "0x1u32", "1isize"] {
            assert_eq!(integer(text), Err(NotAnInteger::OtherType), "{text}");
        }
    }

    #[test]
    fn integers_beyond_usize() {
        let text = format!("{}0", usize::MAX);
        assert_eq!(integer(&text), Err(NotAnInteger::TooLarge));
    }

    #[test]
    fn strings_plain_and_raw() {
        for text in [r#""my::rt""#, r#"r"my::rt""#, r##"r#"my::rt"#"##] {
            assert_eq!(string(text), Some("my::rt"), "{text}");
        }
        assert_eq!(string(r#""""#), Some(""));
        for text in [
            "1",
            "'a'",
            r#"b"a""#,
            r#"c"a""#,
            r##"br#"a"#"##,
            r#""a"suffix"#,
        ] {
            assert_eq!(string(text), None, "{text}");
        }
    }

    #[test]
    fn paths() {
        for text in [
            "rt",
            "::rt",
            "crate",
            "crate::rt",
            "super::super::rt",
            "self::_rt2",
            "r#fn::é",
        ] {
            assert!(is_path(text), "{text}");
        }
        for text in [
            "", "::", "rt::", "a:b", "a::::b", "2rt", "my rt", "a.b", "a<b>", "fn", "r#crate", "_",
            "::crate", "rt;", "\\n", "'a",
        ] {
            assert!(!is_path(text), "{text}");
        }
    }
}
