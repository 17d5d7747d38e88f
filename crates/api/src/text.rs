//! Names in headers: bytes as percent-encoded text, and the `content-disposition` that carries a name.
//!
//! A name is content. It travels in a header or a body, never in a path or a query.

use model::refusal::{Code, Refusal};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is: the unreserved characters of RFC 3986 and the slash between segments.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What a file name in a header begins with (RFC 8187).
const UTF_8: &str = "UTF-8''";

/// Any bytes as percent-encoded text.
pub fn encoded(bytes: &[u8]) -> String {
    percent_encoding::percent_encode(bytes, PLAIN).to_string()
}

/// The bytes that a percent-encoded text stands for.
pub fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// The header that carries the name of an object.
pub fn disposition(name: &str) -> String {
    format!("attachment; filename*={UTF_8}{}", utf8_percent_encode(name, PLAIN))
}

/// The bytes of the name that a `content-disposition` carries.
pub fn disposed(header: Option<&str>) -> Result<Vec<u8>, Refusal> {
    let rule = || {
        let rule = "content-disposition: expected attachment; filename*=UTF-8''PERCENT-ENCODED-NAME";
        Refusal::new(Code::BadRequest, rule)
    };
    let parameters = header.ok_or_else(rule)?.split(';').map(str::trim);
    let named = |parameter: &str| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("filename*").then(|| value.trim().to_owned())
    };
    let value = parameters.skip(1).find_map(named).ok_or_else(rule)?;
    let prefix =
        value.get(..UTF_8.len()).filter(|prefix| prefix.eq_ignore_ascii_case(UTF_8)).ok_or_else(rule)?;
    Ok(decoded(&value[prefix.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_the_header_whatever_is_in_it() {
        for name in ["inbox/7.eml", "Übersicht; q=1, \"x\".pdf", "a b%20c", "\u{202e}evil\r\nx: y", "名前"]
        {
            let header = disposition(name);
            assert!(header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header:?}");
            assert_eq!(disposed(Some(&header)).expect("a name"), name.as_bytes(), "{header}");
        }
        let bytes = [0xff, 0, b'/', b'%'];
        assert_eq!(decoded(&encoded(&bytes)), bytes);
    }

    #[test]
    fn a_header_without_a_name_in_its_form_is_refused_with_the_form() {
        for header in [
            None,
            Some(""),
            Some("attachment"),
            Some("attachment; filename=\"a\""),
            Some("attachment; filename*=a"),
        ] {
            let refused = disposed(header).expect_err("refused");
            assert_eq!(refused.code, Code::BadRequest);
            assert!(refused.detail.contains("filename*=UTF-8''"), "{refused}");
        }
        assert_eq!(disposed(Some("attachment; filename=x; FILENAME* = utf-8''y")).expect("a name"), b"y");
    }
}
