//! From where a vault may be used: its firewall, and whether it is reached from the network at all.
//!
//! Owns the rules, their parsing, and [`NetworkRules::check`], which is pure. They hold for keys; the resource manager is reached
//! from everywhere, so that whoever shut himself out can open the vault again.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Refused, resources as texts};
use crate::id::ApplicationId;

/// The most addresses, and the most subnets, that a vault names.
const MOST_ADDRESSES: usize = 1000;
const MOST_SUBNETS: usize = 200;
/// The longest id of a subnet.
const LONGEST_SUBNET: usize = 512;

/// The applications of Customer Key: the only trusted services here.
const TRUSTED: &[&str] = &[
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
    "c066d759-24ae-40e7-a56f-027002b5d3e4",
    "19f7f505-34aa-44a4-9dcc-6a768854d2ea",
];

/// From where a vault may be used. As long as nothing was said, from everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkRules {
    /// Public network access is off: only trusted services come in, if they may.
    #[serde(default)]
    off: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    firewall: Option<Firewall>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Firewall {
    /// Whether trusted services come in from everywhere.
    trusted: bool,
    deny: bool,
    addresses: Vec<Block>,
    /// Kept and shown; there are no virtual networks here, so none of them lets anybody in.
    subnets: Vec<Subnet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subnet {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ignore_missing_vnet_service_endpoint: Option<bool>,
}

/// What is sent as `networkAcls`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    bypass: Option<String>,
    default_action: Option<String>,
    ip_rules: Option<Vec<SentAddress>>,
    virtual_network_rules: Option<Vec<Subnet>>,
}

#[derive(Debug, Deserialize)]
struct SentAddress {
    value: String,
}

/// Why a caller does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// His address is none of those that the firewall lets in.
    Firewall,
    /// The vault is not reached from the network.
    Connection,
}

/// An address, or a block of them that begins at its first: `203.0.113.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    first: IpAddr,
    bits: u8,
}

impl Block {
    fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (first.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                (first.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

/// Text that is no address and no block, or a block that does not begin at its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotABlock;

impl FromStr for Block {
    type Err = NotABlock;

    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| NotABlock)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits: u8 = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().map_err(|_| NotABlock)?,
            Some(_) => return Err(NotABlock),
            None => most,
        };
        let below = match first {
            IpAddr::V4(first) => first.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
            IpAddr::V6(first) => first.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
        };
        if bits > most || below || first.to_canonical() != first {
            return Err(NotABlock);
        }
        Ok(Self { first, bits })
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl Serialize for Block {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NotABlock| serde::de::Error::custom("not a block of addresses"))
    }
}

impl NetworkRules {
    /// The rules after a body: what it does not say stays as it is.
    pub(crate) fn changed(&self, access: Option<&str>, sent: Option<Sent>) -> Result<Self, Refused> {
        let off = match access {
            None => self.off,
            Some(word) => one_of("publicNetworkAccess", word, "Enabled", "Disabled")?,
        };
        let firewall = match sent {
            None => self.firewall.clone(),
            Some(sent) => Some(sent.check(self.firewall.as_ref())?),
        };
        Ok(Self { off, firewall })
    }

    /// Whether a caller comes in from this address; one whose address is not known is nowhere.
    pub(crate) fn check(&self, from: Option<IpAddr>, application: ApplicationId) -> Result<(), Shut> {
        let trusted = self.firewall.as_ref().is_some_and(|firewall| firewall.trusted);
        if trusted && TRUSTED.contains(&&*application.to_string()) {
            return Ok(());
        }
        if self.off {
            return Err(Shut::Connection);
        }
        let Some(firewall) = self.firewall.as_ref().filter(|firewall| firewall.deny) else { return Ok(()) };
        let from = from.map(|from| from.to_canonical());
        let named = from.is_some_and(|from| firewall.addresses.iter().any(|block| block.contains(from)));
        if named { Ok(()) } else { Err(Shut::Firewall) }
    }

    /// What the vault shows of it, among its properties.
    pub(crate) fn show(&self, properties: &mut Value) {
        properties["publicNetworkAccess"] = json!(if self.off { "Disabled" } else { "Enabled" });
        let Some(firewall) = &self.firewall else { return };
        let addresses: Vec<Value> =
            firewall.addresses.iter().map(|block| json!({ "value": block })).collect();
        properties["networkAcls"] = json!({
            "bypass": if firewall.trusted { "AzureServices" } else { "None" },
            "defaultAction": if firewall.deny { "Deny" } else { "Allow" },
            "ipRules": addresses,
            "virtualNetworkRules": firewall.subnets,
        });
    }
}

impl Sent {
    /// The firewall that is sent; what it does not name is as before.
    fn check(self, before: Option<&Firewall>) -> Result<Firewall, Refused> {
        let trusted = match self.bypass.as_deref() {
            None => before.is_none_or(|before| before.trusted),
            Some(word) => one_of("bypass", word, "None", "AzureServices")?,
        };
        let rules = self.ip_rules.is_some() || self.virtual_network_rules.is_some();
        let addresses = match (self.ip_rules, before) {
            (Some(sent), _) => blocks(&sent)?,
            (None, before) => before.map(|before| before.addresses.clone()).unwrap_or_default(),
        };
        let kept = || before.map(|before| before.subnets.clone()).unwrap_or_default();
        let subnets = self.virtual_network_rules.unwrap_or_else(kept);
        let deny = match (self.default_action.as_deref(), before) {
            (Some(word), _) => one_of("defaultAction", word, "Allow", "Deny")?,
            (None, Some(before)) => before.deny,
            // Rules without it may be meant either way, and one of them leaves the vault open.
            (None, None) if rules => return Err(invalid("defaultAction", "must be given with rules")),
            (None, None) => false,
        };
        if subnets.len() > MOST_SUBNETS {
            return Err(invalid("virtualNetworkRules", &format!("has more than {MOST_SUBNETS} rules")));
        }
        let known = |b: u8| b.is_ascii_alphanumeric() || b"/-_.()".contains(&b);
        let good = |subnet: &Subnet| {
            subnet.id.len() <= LONGEST_SUBNET && subnet.id.starts_with('/') && subnet.id.bytes().all(known)
        };
        if !subnets.iter().all(good) {
            return Err(invalid("virtualNetworkRules", "names no subnet"));
        }
        Ok(Firewall { trusted, deny, addresses, subnets })
    }
}

fn blocks(sent: &[SentAddress]) -> Result<Vec<Block>, Refused> {
    if sent.len() > MOST_ADDRESSES {
        return Err(invalid("ipRules", &format!("has more than {MOST_ADDRESSES} rules")));
    }
    let mut blocks: Vec<Block> = Vec::with_capacity(sent.len());
    for sent in sent {
        let what = "names no address and no block of addresses that begins at its first";
        let block: Block = sent.value.parse().map_err(|NotABlock| invalid("ipRules", what))?;
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

/// Whether the word is the second of the two; any other is refused.
fn one_of(property: &str, word: &str, no: &str, yes: &str) -> Result<bool, Refused> {
    match word {
        word if word.eq_ignore_ascii_case(yes) => Ok(true),
        word if word.eq_ignore_ascii_case(no) => Ok(false),
        _ => Err(invalid(property, &format!("must be {no} or {yes}"))),
    }
}

fn invalid(property: &str, what: &str) -> Refused {
    texts::bad_request(format!("The property \"{property}\" {what}."))
}

#[cfg(test)]
mod tests;
