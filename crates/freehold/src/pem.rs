//! Certificates and keys as PEM text (RFC 7468), for the files that the lab's own authority keeps.
//!
//! Reading is rustls'; this is the writing half, for which no crate is worth a second copy in the tree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters of base64 in one line (RFC 7468, section 2).
const LINE: usize = 64;

/// `der` between a BEGIN and an END line of this label, such as `CERTIFICATE`.
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn what_is_written_is_read_by_rustls() {
        for length in [1, 47, 48, 49, 500] {
            let der: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let read = CertificateDer::from_pem_slice(encode("CERTIFICATE", &der).as_bytes()).expect("PEM");
            assert_eq!(read.as_ref(), der, "{length}");
        }
    }

    #[test]
    fn lines_are_64_characters_and_the_last_may_be_shorter() {
        let lines: Vec<_> = encode("X", &[0; 49]).lines().map(str::len).collect();
        assert_eq!(lines, [17, 64, 4, 15]);
    }
}
