//! The little DER that aws-lc-rs leaves to us: modulus and exponent of a public key that it wrote, whether foreign bytes
//! end where their outermost element does, and which kind of key a PKCS#8 says it holds.

/// `(modulus, exponent)`, big-endian without leading zeros; `None` if the bytes have another shape.
pub(crate) fn modulus_and_exponent(spki: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (info, _) = element(spki, SEQUENCE)?;
    let (_algorithm, rest) = element(info, SEQUENCE)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    let (unused, key) = bits.split_first()?;
    if *unused != 0 {
        return None;
    }
    let (numbers, _) = element(key, SEQUENCE)?;
    let (modulus, rest) = element(numbers, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some((unsigned(modulus), unsigned(exponent)))
}

/// Whether the bytes are one SEQUENCE with nothing behind it.
pub(crate) fn is_one_sequence(bytes: &[u8]) -> bool {
    element(bytes, SEQUENCE).is_some_and(|(_, rest)| rest.is_empty())
}

/// The object identifiers of a PKCS#8: the algorithm, and what follows it if that is one too (a curve).
pub(crate) fn algorithm(pkcs8: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (info, _) = element(pkcs8, SEQUENCE)?;
    let (_version, rest) = element(info, INTEGER)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (kind, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    Some((kind, element(parameters, OBJECT_IDENTIFIER).map(|(curve, _)| curve)))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The content of the element at the front, and what follows it.
pub(crate) fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    // 0x81 and 0x82: the length follows in one or two bytes, enough for any key here.
    match first {
        0..=0x7f => rest.split_at_checked(usize::from(*first)),
        0x81 => rest.split_first().and_then(|(len, rest)| rest.split_at_checked(usize::from(*len))),
        0x82 => rest
            .split_first_chunk()
            .and_then(|(len, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))),
        _ => None,
    }
}

/// The number without the zeros in front of it.
pub(crate) fn unsigned(integer: &[u8]) -> Vec<u8> {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer[zeros..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_shapes_are_refused_without_a_panic() {
        for bytes in
            [&[][..], &[0x30], &[0x30, 0x82, 1], &[0x30, 0x05, 1], &[0x30, 0x84, 0, 0, 0, 0], &[2, 1, 1]]
        {
            assert_eq!(modulus_and_exponent(bytes), None);
            assert_eq!(algorithm(bytes), None);
        }
    }
}
