//! Address ranges: which addresses the service may dial on behalf of a tenant.
//!
//! Owns [`Range`], [`Ranges`] and the table of what is public. Pure: names are resolved elsewhere, and
//! what comes out of a resolver is judged here before anything is dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// How many ranges an operator may list for one connection.
pub const MAX_RANGES: usize = 64;

/// A block of addresses, written `10.0.0.0/8` or `fd12:3456::/32`; a bare address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

/// Text that is no block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARange {
    /// Neither `ADDRESS/BITS` nor `ADDRESS`.
    #[error("{0:?} is no address range: write it as 10.20.0.0/16, fd00:1234::/32 or a single address")]
    Text(String),
    /// Bits are set beyond the length, so that the writer may have meant another block.
    #[error("{0:?} has bits set beyond its length: write {1}")]
    Ragged(String, Range),
    /// A v4 address in v6 form.
    #[error("{0:?} is an IPv4 address in IPv6 form: write it as IPv4")]
    Mapped(String),
    /// More than [`MAX_RANGES`].
    #[error("{0} address ranges are listed; at most {MAX_RANGES} are taken")]
    TooMany(usize),
}

impl Range {
    const fn v4(first: [u8; 4], bits: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(first[0], first[1], first[2], first[3])), bits }
    }

    const fn v6(first: [u16; 8], bits: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = first;
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), bits }
    }

    /// Whether the address lies in the block; a v4 block never holds a v6 address.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() == address.to_bits() & mask
            }
            _ => false,
        }
    }

    fn tidy(&self) -> Self {
        let first = match self.first {
            IpAddr::V4(first) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() & mask))
            }
            IpAddr::V6(first) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() & mask))
            }
        };
        Self { first, bits: self.bits }
    }
}

impl FromStr for Range {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let shown = || text.chars().take(64).collect::<String>();
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| NotARange::Text(shown()))?;
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => longest,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u8>().map_err(|_| NotARange::Text(shown()))?
            }
            Some(_) => return Err(NotARange::Text(shown())),
        };
        if bits > longest {
            return Err(NotARange::Text(shown()));
        }
        if let IpAddr::V6(v6) = first
            && v6.to_ipv4_mapped().is_some()
        {
            return Err(NotARange::Mapped(shown()));
        }
        let range = Self { first, bits };
        match range.tidy() {
            tidy if tidy == range => Ok(range),
            tidy => Err(NotARange::Ragged(shown(), tidy)),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// The addresses that one connection may dial: the public ones, and what the operator lists besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    public: bool,
    listed: Vec<Range>,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { public: true, listed: Vec::new() }
    }
}

impl Ranges {
    /// The public addresses and the listed blocks: private links, vaults of our own, the lab.
    pub fn public_and(listed: Vec<Range>) -> Result<Self, NotARange> {
        Self { public: true, listed }.bounded()
    }

    /// The listed blocks and nothing else, for a service without a way to the internet.
    pub fn only(listed: Vec<Range>) -> Result<Self, NotARange> {
        Self { public: false, listed }.bounded()
    }

    fn bounded(self) -> Result<Self, NotARange> {
        match self.listed.len() {
            0..=MAX_RANGES => Ok(self),
            count => Err(NotARange::TooMany(count)),
        }
    }

    /// Whether the address may be dialled.
    ///
    /// An IPv4 address in one of its IPv6 dresses (mapped, or behind NAT64) is judged as the IPv4 address it leads to.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = undressed(address);
        if NEVER.iter().any(|never| never.holds(address)) {
            return false;
        }
        self.listed.iter().any(|range| range.holds(address)) || (self.public && is_public(address))
    }
}

/// The v4 address that a v6 address leads to, where it is one in another dress.
fn undressed(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    if NAT64.holds(address) {
        let [.., a, b, c, d] = v6.octets();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(|range| range.holds(address)),
        // v6 the other way round: one block is handed out as global unicast, and all else is not public
        IpAddr::V6(_) => {
            GLOBAL_UNICAST.holds(address) && !NOT_PUBLIC_V6.iter().any(|range| range.holds(address))
        }
    }
}

/// RFC 6052: the well-known prefix in front of a v4 address.
const NAT64: Range = Range::v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// What no key vault has ever lived at, whatever an operator lists: a list such as `0.0.0.0/0` must not
/// open the way to the metadata service of the machine, which hands out the machine's own identity.
const NEVER: &[Range] = &[
    Range::v4([0, 0, 0, 0], 8), // this host on this network; Linux dials 0.0.0.0 as loopback
    Range::v4([169, 254, 0, 0], 16), // link-local, and in it 169.254.169.254, metadata of every cloud
    Range::v4([168, 63, 129, 16], 32), // Azure's host agent, although the block is public
    Range::v4([100, 100, 100, 200], 32), // Alibaba's metadata, in the carriers' block
    Range::v4([192, 0, 0, 192], 32), // Oracle's metadata of old
    Range::v4([224, 0, 0, 0], 4), // multicast
    Range::v4([255, 255, 255, 255], 32), // broadcast
    Range::v6([0; 8], 128),     // unspecified
    Range::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), // link-local
    Range::v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), // multicast
    Range::v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), // Amazon's metadata
    Range::v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32), // Google's metadata
];

/// IANA's special-purpose registry for IPv4, and what was once public and is no longer.
const NOT_PUBLIC_V4: &[Range] = &[
    Range::v4([0, 0, 0, 0], 8),
    Range::v4([10, 0, 0, 0], 8),      // private
    Range::v4([100, 64, 0, 0], 10),   // shared by carriers (CGNAT)
    Range::v4([127, 0, 0, 0], 8),     // loopback
    Range::v4([169, 254, 0, 0], 16),  // link-local
    Range::v4([172, 16, 0, 0], 12),   // private
    Range::v4([192, 0, 0, 0], 24),    // protocol assignments
    Range::v4([192, 0, 2, 0], 24),    // documentation
    Range::v4([192, 31, 196, 0], 24), // AS112
    Range::v4([192, 52, 193, 0], 24), // AMT relays
    Range::v4([192, 88, 99, 0], 24),  // 6to4 relays, withdrawn
    Range::v4([192, 168, 0, 0], 16),  // private
    Range::v4([192, 175, 48, 0], 24), // AS112
    Range::v4([198, 18, 0, 0], 15),   // benchmarks
    Range::v4([198, 51, 100, 0], 24), // documentation
    Range::v4([203, 0, 113, 0], 24),  // documentation
    Range::v4([224, 0, 0, 0], 4),     // multicast
    Range::v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

const GLOBAL_UNICAST: Range = Range::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Parts of global unicast that lead somewhere else.
const NOT_PUBLIC_V6: &[Range] = &[
    Range::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments, Teredo
    Range::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    Range::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4: any v4 address in disguise
    Range::v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), // AS112
    Range::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn listed(ranges: &[&str]) -> Ranges {
        Ranges::public_and(ranges.iter().map(|text| text.parse().expect("a range")).collect()).expect("few")
    }

    #[test]
    fn the_public_internet_is_reached_without_being_listed() {
        for public in [
            "1.1.1.1",
            "20.50.1.2",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2603:1030::1",
            "2a00:1450::1",
            "2001:200::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(Ranges::default().allow(address(public)), "{public}");
        }
    }

    #[test]
    fn what_leads_inside_is_refused_unless_listed() {
        for inside in [
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "240.0.0.1",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:0:10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
        ] {
            assert!(!Ranges::default().allow(address(inside)), "{inside}");
        }
        let own = listed(&["127.0.0.0/8", "10.20.0.0/16", "fd12:3456::/32"]);
        for listed in ["127.0.0.1", "::ffff:127.0.0.1", "10.20.3.4", "64:ff9b::a14:304", "fd12:3456::9"] {
            assert!(own.allow(address(listed)), "{listed}");
        }
        for other in ["10.21.0.1", "192.168.1.1", "::1", "fd12:3457::9"] {
            assert!(!own.allow(address(other)), "{other}");
        }
    }

    #[test]
    fn metadata_link_local_and_multicast_are_never_dialled_whatever_is_listed() {
        let everything = listed(&["0.0.0.0/0", "::/0"]);
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(!everything.allow(address(never)), "{never}");
        }
        assert!(everything.allow(address("10.0.0.1")));
        assert!(everything.allow(address("::1")));
    }

    #[test]
    fn only_the_listed_blocks_when_the_operator_says_so() {
        let only = Ranges::only(vec!["10.20.0.0/16".parse().expect("a range")]).expect("few");
        assert!(only.allow(address("10.20.0.1")));
        assert!(!only.allow(address("1.1.1.1")));
        assert!(!only.allow(address("2603:1030::1")));
    }

    #[test]
    fn a_range_reads_as_it_is_written() {
        for text in ["10.20.0.0/16", "0.0.0.0/0", "192.168.7.9/32", "::/0", "fd12:3456::/32", "::1/128"] {
            assert_eq!(text.parse::<Range>().expect(text).to_string(), text);
        }
        assert_eq!("10.1.2.3".parse::<Range>().expect("one address").to_string(), "10.1.2.3/32");
    }

    #[test]
    fn a_range_that_may_mean_another_is_refused_with_what_to_write() {
        let ragged = "10.20.1.0/16".parse::<Range>().expect_err("bits beyond the length");
        assert!(ragged.to_string().ends_with("write 10.20.0.0/16"), "{ragged}");
        for text in
            ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10.0.0.0/", "10.0.0.0/8/8", "localhost"]
        {
            assert!(matches!(text.parse::<Range>(), Err(NotARange::Text(_))), "{text}");
        }
        assert!(matches!("::ffff:10.0.0.0/104".parse::<Range>(), Err(NotARange::Mapped(_))));
        let many = vec!["10.0.0.0/8".parse().expect("a range"); MAX_RANGES + 1];
        assert!(matches!(Ranges::public_and(many), Err(NotARange::TooMany(65))));
    }
}
